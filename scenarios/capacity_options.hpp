// What a scenario says under `capacity`: machines that may be bought, and the deadline.
#pragma once

#include "hardware/description.hpp"
#include "sim/base/params.hpp"

#include <optional>
#include <vector>

namespace orrery {

struct CapacityOptions {
  std::vector<NodeType> nodes; ///< candidate types; the fabric and prices of the scenario's cluster hold for each
  std::optional<Seconds> deadline;
  int min_nodes = 1;
  int max_nodes = 256;
};

const Table<CapacityOptions>& capacity_table();

} // namespace orrery
