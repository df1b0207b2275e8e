// Step time in closed form.
//
// What:    the time of one training step and where each stage spends it, without events.
// Formula: the passes of the first rounds of the pipeline are replayed as a max-plus recurrence; every further
//          micro-batch adds the longest cycle of any stage (interleaved: every further round what the last one did). Then per stage:
//          gradient reductions, a barrier over all stages (global gradient norm), optimizer, gathers, host. A reduction of the embedding
//          group starts when both ends of the pipeline have come to it. An overlapped reduction starts with the stage's first backward pass
//          of the last micro-batch and ends no sooner than its latency after the last backward pass.
// Source:  1F1B and interleaved schedules as in workloads/schedule.hpp.
// Units:   SI.
// Valid:   no contention between stages, no jitter. The engine (sim/engine/pipeline.hpp) shares the semantics and has neither limit.
// Error:   equal to the engine to 1e-9 for uniform stages, within 1% otherwise (tests/closed_form).
#pragma once

#include "models/cost.hpp"

#include <vector>

namespace orrery {

/// Where one stage spends the step. The parts add up to the step time.
struct StageTimes {
  Seconds compute;   ///< passes, with the tensor-parallel communication inside them
  Seconds send;      ///< pipeline messages that hold up the compute stream
  Seconds bubble;    ///< waiting for the pipeline or at the barrier
  Seconds reduction; ///< exposed gradient reduction
  Seconds optimizer;
  Seconds gather; ///< exposed parameter gather
  Seconds host;   ///< framework time per step
};

struct StepEstimate {
  Seconds step;
  std::vector<StageTimes> stages;
};

StepEstimate estimate_step(const CostedGraph& graph);

} // namespace orrery
