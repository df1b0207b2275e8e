// What the nodes of a trace take on a cluster. Rank i sits on device i.
//
// What: times of compute and memory nodes, costs and routes of collectives and messages.
//
// Formula: a compute node with num_ops takes the longer of a square matrix product of as many FLOPs and of streaming its tensor_size
// through the device's memory (models/kernel_cost.hpp: the roofline with the achieved rates of the device's kernels). One without takes
// its recorded time. A host node takes its recorded time; a memory node too, or its tensor_size over the host link. A collective is
// models/collective_cost.hpp over its members as they sit; comm_size is what each rank puts in, so an all-gather gives n times as much.
// Reduce and broadcast, gather and all-gather, scatter and reduce-scatter take the same; a barrier is an all-reduce of 4 bytes.
//
// Units: SI.
//
// Valid range: num_ops that are matrix products; a node of other work with many FLOPs per byte is priced too fast.
//
// Known error: that of the models it uses; no published trace with measured times on a second machine is known to us.
#pragma once

#include "hardware/description.hpp"
#include "models/kernel_curves.hpp"
#include "scenarios/traces/trace_graph.hpp"
#include "sim/engine/trace_replay.hpp"

#include <string>
#include <vector>

namespace orrery {

/// Nodes by where their time comes from.
struct TraceCounts {
  std::uint64_t roofline = 0;
  std::uint64_t recorded = 0;
  std::uint64_t untimed = 0; ///< compute and memory nodes with neither FLOPs, bytes nor a time: they take none
  std::uint64_t collectives = 0;
  std::uint64_t lone = 0; ///< collectives with one member only: they take no time
  std::uint64_t messages = 0;
};

struct TraceCosts {
  ReplayGraph replay;
  TraceCounts counts;
  bool assumed = false; ///< some compute node rests on an assumed fraction
};

/// `share_links` gives transfers between scale-up domains their routes; without it each takes the time that it has alone. Precondition: no
/// more ranks than devices.
TraceCosts trace_costs(const TraceGraph& graph, const TraceJob& job, const Cluster& cluster, const Calibration& calibration,
                       bool share_links);

} // namespace orrery
