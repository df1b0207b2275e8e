// Step time in closed form.
//
// What:    the time of one training step and where each stage spends it, without events.
// Formula: the passes are replayed as a max-plus recurrence (models/step_replay.hpp): all of them up to 400,000; beyond that, and for
// ranking
//          plans after a few rounds of the pipeline, every further micro-batch adds the longest cycle of any stage. Then per stage:
//          gradient reductions, a barrier over all stages (global gradient norm), optimizer, gathers, host. A reduction of the embedding
//          group starts when both ends of the pipeline have come to it. An overlapped reduction starts with the stage's first pass that
//          adds gradients of the last micro-batch and ends no sooner than its latency after the last pass. Zero-bubble schedules have no
//          barrier: gradients are checked while the next step warms up, and a step takes what its busiest stage spends on it, from its
//          first pass to its gathers.
// Source:  schedules as in workloads/schedule.hpp; post-validation: Qi et al. 2024, "Zero Bubble Pipeline Parallelism", section 4.
// Units:   SI.
// Valid:   no contention between stages, no jitter. The engine (sim/engine/pipeline.hpp) shares the semantics and has neither limit.
// Error:   full: equal to the engine to 1e-9 up to 400,000 passes. rank: within 3% of full (tests/closed_form).
#pragma once

#include "models/cost.hpp"
#include "models/step_replay.hpp"

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

  /// Adds one of `count` to their mean.
  void add_part(const StageTimes& one, double count);
};

struct StepEstimate {
  Seconds step;
  std::vector<StageTimes> stages;
};

/// How much of a pipeline is replayed.
enum class ReplayDepth {
  full, ///< all of it
  rank  ///< a few rounds, to tell many plans apart
};

/// The passes of all stages, apart from what ends the step.
struct PipelineTimes {
  std::vector<StageTimes> busy;    ///< compute and sends of each stage, over all passes
  std::vector<ReplayedStage> ends; ///< of the micro-batches that are replayed
  double rest = 0;                 ///< s that the others add
};

/// Reads the passes and messages of the graph only. `replayer` keeps what plans share.
PipelineTimes pipeline_times(const CostedGraph& graph, ReplayDepth depth, Replayer& replayer);

/// The rest of the step after its passes.
StepEstimate end_step(const CostedGraph& graph, const PipelineTimes& pipeline);

/// Both.
StepEstimate estimate_step(const CostedGraph& graph);

/// The same for many plans: `replayer` keeps what they share.
StepEstimate estimate_step(const CostedGraph& graph, ReplayDepth depth, Replayer& replayer);

} // namespace orrery
