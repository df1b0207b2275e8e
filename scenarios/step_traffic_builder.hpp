// Which shared links the traffic of a training step loads.
#pragma once

#include "hardware/description.hpp"
#include "models/cost.hpp"
#include "sim/engine/step_traffic.hpp"
#include "workloads/graph.hpp"

namespace orrery {

/// Loads of one replica that stands for all: per stage the port of its first rank, up and down, and (where traffic leaves its leaf) that
/// port's share of the leaf's uplinks. All ranks of a stage do the same at the same time, so the others load their own ports alike; ranks
/// that share a port count as weight.
StepTraffic step_traffic(const OpGraph& graph, const Cluster& cluster, const CostedGraph& costs);

} // namespace orrery
