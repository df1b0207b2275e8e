// Devices that run below their clock, and which stages of which replicas they hold back.
//
// What:    a factor on the compute clock of single devices, of nodes, or of a stage or replica of the job. A pass is as slow as the slowest
//          rank that it waits for: members of the groups whose collectives run inside passes (tensor, context, experts, sharded
//          parameters).
// Source:  the way synchronous training waits; no fitted figure.
// Valid:   one job, rank i on device i. The clock stretches what is bound by arithmetic, not what memory, links or the host bound. Power is
//          that of devices at full clock.
#pragma once

#include "models/cost.hpp"
#include "sim/base/params.hpp"
#include "sim/engine/replica_fold.hpp"
#include "workloads/graph.hpp"

#include <optional>
#include <vector>

namespace orrery {

/// Devices by number, by node, or by what they compute (a stage, a replica, a stage of a replica).
struct SlowDevices {
  std::vector<int> devices;
  std::vector<int> nodes;
  std::optional<int> stage;
  std::optional<int> replica;
  double factor = 1; ///< of the clock
};

const Table<SlowDevices>& slow_table();

/// Clocks of the stages that they hold back.
LaneClocks lane_clocks(const std::vector<SlowDevices>& slow, int devices_per_node, const OpGraph& graph, const CostedGraph& costs);

/// Every stage at the lowest clock that it has in any replica: the closed form's view, exact where one replica is slow.
CostedGraph at_lowest_clocks(CostedGraph costs, const LaneClocks& clocks);

} // namespace orrery
