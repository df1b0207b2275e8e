// Parameter tables of the hardware descriptions: what a catalogue file, or a scenario, may say of a machine.
#pragma once

#include "hardware/description.hpp"
#include "sim/base/params.hpp"

namespace orrery {

const Table<MemoryTier>& tier_table();
const Table<Link>& link_table();
const Table<Device>& device_table();
/// `device` is a catalogue name, a file that ends in .yaml, or an inline map.
const Table<NodeType>& node_table();
/// `node` likewise.
const Table<Cluster>& cluster_table();

/// The largest cluster that a description may ask for: link numbers stay well inside 32 bits.
inline constexpr int max_devices = 10'000'000;

} // namespace orrery
