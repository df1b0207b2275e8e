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

/// The largest cluster that a description may ask for, and the most links that its topology may have: about half a gigabyte.
inline constexpr int max_devices = 1'000'000;
inline constexpr double max_links = 20e6;

} // namespace orrery
