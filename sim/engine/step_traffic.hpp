// The network traffic of a training step, as loads on shared links.
#pragma once

#include "hardware/topology.hpp"
#include "models/cost.hpp"
#include "sim/base/work.hpp"
#include "sim/engine/network.hpp"
#include "sim/engine/replica_fold.hpp"

#include <vector>

namespace orrery {

/// Links that the traffic of one stage (of one replica) loads; of links that all transfers of the step load alike, the tightest
/// (sim/engine/link_classes.hpp). A weight counts how many times the bytes of one rank cross the link: ranks
/// that share a NIC, and replicas that are folded into one, add up. An empty route means that nothing else can be in the way: the transfer
/// takes its costed time.
struct StageTraffic {
  std::vector<std::vector<LinkLoad>> sends;      ///< by index of CostedStage::message()
  std::vector<std::vector<LinkLoad>> reductions; ///< parallel to CostedStage::reductions, or empty
  std::vector<std::vector<LinkLoad>> gathers;    ///< parallel to CostedStage::gathers, or empty
};

struct StepTraffic {
  Network network;
  std::vector<StageTraffic> stages; ///< of stage s of simulated replica r at [r * stages + s]; repeated when shorter
};

/// Messages and the collectives at the end of a step where they leave the scale-up domain. Rank i sits on device i; the shapes of the
/// graph's groups say which ranks belong together. A collective loads the ring over domains of each local position. The rest of its route
/// is the scale-up network, which it shares with the communication inside the passes: that is not modelled as traffic. Ranks must not
/// exceed devices.
StepTraffic step_traffic(const Topology& topology, const CostedGraph& graph, const ReplicaFold& fold);

} // namespace orrery
