// Memory below that of the devices, as a replica sees it.
//
// What:    capacity of host memory, drives or CXL memory for a replica's KV blocks, and the time of a block on its way there and back.
// Formula: a replica has the share of a node's memory that its devices are of the node's devices. A block is spread over the replica's
//          ranks; each rank's piece crosses the host's link to its device at link_share of its bandwidth, or its even share of what the
//          node's links or the memory carry together, whichever is slower. A copy moves the keys or the values of one layer (a latent
//          layer has one of both), the host taking kernel_launch of the software profile to start it; ranks start theirs side by side.
// Source:  vLLM csrc/cache_kernels (swap_blocks), 0.2 to 0.6; link_share of models/offload_cost.hpp.
// Units:   bytes of a node; blocks of a replica.
// Valid:   all devices of a node serve, and move blocks at once.
// Error:   host time of a copy is assumed to be that of a kernel launch.
#pragma once

#include "hardware/description.hpp"
#include "models/serving_memory.hpp"
#include "scenarios/serving/serving_scenario.hpp"
#include "sim/engine/kv_tiers.hpp"

#include <string>
#include <vector>

namespace orrery {

/// The memory that the job's tiers stand for; that of the host where sequences are swapped and none is named.
std::vector<KvTierChoice> tier_choices(const ServingScenario& job);

std::vector<KvTier> replica_tiers(const ServingScenario& job, const ServingGraph& graph, const ServingMemory& memory, const NodeType& node,
                                  const SoftwareProfile& software);

/// Tiers that a node lacks.
std::vector<std::string> check_tiers(const ServingScenario& job, const NodeType& node);

} // namespace orrery
