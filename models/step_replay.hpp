// Max-plus replay of the passes of a pipeline.
//
// What:    when every pass begins, without events: a pass begins when its stage is free and its input has arrived.
// Formula: begin = max(end of the stage's pass before, arrival of the input); arrival = end + message. Without overlap_p2p the stage is
// free
//          when its message has arrived.
// Source:  orders of workloads/schedule.hpp.
// Units:   SI.
// Valid:   no contention, no jitter.
// Error:   none against the engine (sim/engine/pipeline.hpp), which has neither limit.
#pragma once

#include "models/cost.hpp"
#include "models/step_order.hpp"

#include <cstdint>
#include <map>
#include <tuple>
#include <vector>

namespace orrery {

/// The passes of all stages in an order in which each comes after what it waits for.
class PassProgram {
public:
  PassProgram(const CostedGraph& graph, int micro_batches);

  struct Step {
    std::int32_t stage = 0;
    std::int32_t cost = 0;  ///< of pass_costs()
    std::int32_t input = 0; ///< one more than the position of the step whose message it waits for; 0 = none
  };

  /// Positions, in `steps`, of passes of a stage.
  struct StageSteps {
    std::int32_t first = 0;
    std::int32_t last_gradient = 0; ///< first pass that adds to the weights' gradients for the last time
    std::int32_t steady_end = 0;    ///< the last pass before the stage runs out of forward passes
    std::int32_t steady_begin = 0;  ///< the same pass one round of the pipeline earlier; equal where there is none
  };

  std::vector<Step> steps;
  std::vector<StageSteps> stages;

private:
  void note_stages(const CostedGraph& graph, const PassOrder& order, int micro_batches, const std::vector<std::int32_t>& positions);
};

/// Kinds of pass that have a cost in each place.
inline constexpr std::size_t pass_kinds = 3;

/// Times of a chunk's pass.
struct PassCost {
  double time = 0;
  double message = 0;
  double held = 0; ///< part of the message that holds the stage up
};

/// By stage, chunk and kind; by stage, stage that follows (its own where none does) and kind where micro-batches take paths of their own.
[[nodiscard]] std::vector<PassCost> pass_costs(const CostedGraph& graph);

struct ReplayedStage {
  double first = 0; ///< begin of its first pass
  double end = 0;
  double last_gradient = 0; ///< begin of the first pass of the last micro-batch that yields gradients of weights
  double round = 0;         ///< what the last steady round of the pipeline took; 0 where there was none
};

/// Replays steps, and keeps programs that plans share and the memory for them.
class Replayer {
public:
  std::vector<ReplayedStage> run(const CostedGraph& graph, const std::vector<PassCost>& costs, int micro_batches);

private:
  const PassProgram& program(const CostedGraph& graph, int micro_batches);

  std::map<std::tuple<ScheduleKind, std::size_t, int, int, int, PassRatios>, PassProgram> programs_;
  std::vector<double> free_;    ///< by stage: when it may begin its next pass
  std::vector<double> arrival_; ///< by step, from 1: of the message that it sends
};

} // namespace orrery
