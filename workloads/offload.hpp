// What a plan that keeps states or activations outside device memory adds to the operator graph.
//
// What:    transfers beside the passes, the update of an offloaded optimizer, and what lies on which tier.
// Formula: parameters: every rank fetches its share of each block before both passes over its own link (with zero 3 the gather follows:
//          ZeRO-Infinity's bandwidth-centric partitioning). Gradients that are sharded, or have no other copy, leave in every backward
//          pass, and come back to be added to where there are several micro-batches; others leave once, after their reduction. The update
//          reads and writes 12 bytes of states per element (8 where the model is in fp32). Activations of layers leave in the forward
//          pass and come back in the backward pass. DeepSpeed's optimizers read and write gradients in fp32 once more to unscale and clip
//          them (stage3.py, unscale_and_clip_grads).
// Source:  ZeRO-Offload (arXiv 2101.06840), ZeRO-Infinity (arXiv 2104.07857), Deep Optimizer States (arXiv 2410.21316), Fuyou
//          (arXiv 2403.06504).
// Units:   bytes per rank.
// Valid:   Adam.
#pragma once

#include "workloads/graph.hpp"
#include "workloads/transformer.hpp"

#include <cstddef>
#include <vector>

namespace orrery {

/// Adds transfers to the passes of a graph; `layers` = its blocks that are transformer layers.
void offload_passes(OpGraph& graph, const std::vector<std::size_t>& layers, const TrainingJob& job, const Plan& plan,
                    const SoftwareProfile& software);

/// Puts the update of `owned` elements in the place of the device's, between the reductions and the gathers of a step.
void offload_update(std::vector<Operator>& step, double owned, const TrainingJob& job, const Plan& plan, const SoftwareProfile& software);

/// Moves the states of a stage to their tiers; `owned` elements of optimizer states.
void offload_states(Stage& stage, double owned, const TrainingJob& job, const Plan& plan, const SoftwareProfile& software);

} // namespace orrery
