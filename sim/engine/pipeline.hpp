// Replay of one training step on the engine.
//
// What:    every pass, message and collective of a step as work on the engine's clock.
// Semantics (shared with models/training_estimate.hpp):
//   - A stage runs its passes in schedule order on one compute stream. A pass waits until its input has arrived.
//   - Without overlap_p2p a message holds the sender's stream until it has arrived; with it the sender goes on at once.
//   - After its passes a stage runs its reductions in sequence. An overlapped one starts with the stage's first backward pass (or pass of
//     weight gradients, where the schedule splits them off) of the last micro-batch and ends no sooner than its latency after the work
//     before it. A reduction of the data group starts when all replicas of the stage are there, one of the embedding group when all stages
//     that list it are.
//   - Then a barrier over all stages and replicas (global gradient norm), the optimizer, the gathers in sequence (an overlapped one costs
//     its latency: the rest runs in the shadow of the next step's passes), a wait for the slowest, and the host's time. Zero-bubble
//     schedules have no barrier and no wait: their step takes what its busiest stage spends on it.
// Jitter multiplies each pass by exp(sigma z - sigma^2 / 2), z standard normal: mean 1. z is drawn by seed, replica, stage and position.
// Error:   none against its inputs where nothing shares links; beyond that the max-min sharing of sim/engine/engine.hpp.
#pragma once

#include "models/cost.hpp"
#include "sim/engine/step_traffic.hpp"
#include "sim/engine/timeline.hpp"

#include <cstdint>
#include <vector>

namespace orrery {

/// How the length of a pass differs from its costed one.
struct PassNoise {
  double mean = 1;
  double spread = 0; ///< relative standard deviation
};

/// Work that differs from micro-batch to micro-batch.
struct PassLoads {
  std::vector<double> factors; ///< of micro-batch m of simulated replica r at [r * micro_batches + m], over what is costed; empty = 1
  std::vector<double> shares;  ///< part of each kind of pass that they apply to, in the order of StepOptions::noise
};

struct StepOptions {
  double jitter = 0;            ///< relative standard deviation of each pass
  std::vector<PassNoise> noise; ///< besides it, of pass kind k of chunk c of stage s at [(s * chunks + c) * 3 + k]; empty = none
  PassLoads loads;
  std::uint64_t seed = 1;
  std::vector<int> weights;   ///< replicas that each simulated one stands for (sim/engine/replica_fold.hpp); empty = one for all
  std::vector<double> clocks; ///< relative clock of stage s of simulated replica r at [r * stages + s]; repeated when shorter; empty = 1
  bool record = false;        ///< keep every span
  const StepTraffic* traffic = nullptr; ///< routes of what may contend; without it every transfer takes its costed time
};

StepTimeline simulate_step(const CostedGraph& graph, const StepOptions& options = {});

} // namespace orrery
