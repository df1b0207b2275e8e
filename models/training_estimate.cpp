#include "models/training_estimate.hpp"

#include "models/step_order.hpp"
#include "models/step_replay.hpp"

#include <algorithm>

namespace orrery {

void StageTimes::add_part(const StageTimes& one, double count) {
  for (Seconds StageTimes::* const part : {&StageTimes::compute, &StageTimes::send, &StageTimes::bubble, &StageTimes::reduction,
                                           &StageTimes::optimizer, &StageTimes::gather, &StageTimes::host})
    this->*part += one.*part / count;
}

namespace {

/// Compute and blocking sends of one micro-batch through all chunks of stage `s`.
StageTimes cycle(const CostedGraph& graph, const std::vector<PassCost>& costs, std::size_t s) {
  const std::size_t passes = costs.size() / graph.stages.size();
  StageTimes times;
  for (std::size_t i = s * passes; i < (s + 1) * passes; ++i) {
    times.compute += Seconds{costs[i].time};
    times.send += Seconds{costs[i].held};
  }
  return times;
}

/// Compute and blocking sends of all passes of stage `s`, where micro-batches take paths of their own.
StageTimes along_paths(const CostedGraph& graph, const std::vector<PassCost>& costs, std::size_t s, const PassOrder& order) {
  StageTimes times;
  const std::size_t stages = graph.stages.size();
  for (const Slot& slot : order.of(static_cast<int>(s))) {
    const auto to = next_place(order, graph.schedule, graph.virtual_stages, static_cast<int>(s), slot);
    const PassCost& cost =
        costs[(s * stages + (to ? static_cast<std::size_t>(to->stage) : s)) * pass_kinds + static_cast<std::size_t>(slot.kind)];
    times.compute += Seconds{cost.time};
    times.send += Seconds{cost.held};
  }
  return times;
}

/// What one more micro-batch adds to GPipe in the steady state: the longest stage of each phase.
double added_by_phases(const CostedGraph& graph, const std::vector<PassCost>& costs) {
  const std::size_t passes = costs.size() / graph.stages.size();
  double forward = 0;
  double backward = 0;
  for (std::size_t i = 0; i < costs.size(); i += passes) {
    forward = std::max(forward, costs[i].time + costs[i].held);
    backward = std::max(backward, costs[i + 1].time + costs[i + 1].held);
  }
  return forward + backward;
}

/// Passes that are worth replaying one by one.
constexpr std::size_t longest_replay = 400'000;

/// Micro-batches that are replayed: all of them, as far as that pays, or a few rounds of the pipeline.
int replayed_micro_batches(const CostedGraph& graph, ReplayDepth depth) {
  if (graph.schedule == ScheduleKind::skip_pipe) // no round is like another
    return graph.micro_batches;
  const int stages = static_cast<int>(graph.stages.size());
  const bool split = splits_backward(graph.schedule);
  const int few = graph.schedule == ScheduleKind::gpipe || graph.schedule == ScheduleKind::one_f_one_b ? 2 : 3;
  const std::size_t passes = static_cast<std::size_t>(stages) * static_cast<std::size_t>(stages * graph.virtual_stages * (split ? 3 : 2));
  const int rounds = depth == ReplayDepth::rank ? few : std::max(few, static_cast<int>(longest_replay / passes));
  return std::min(graph.micro_batches, rounds * stages);
}

/// Replays as many micro-batches as the depth asks for, and returns the time of the others.
double replay_steadily(const CostedGraph& graph, const std::vector<PassCost>& costs, ReplayDepth depth, Replayer& replayer,
                       std::vector<ReplayedStage>& ends) {
  const int replayed = replayed_micro_batches(graph, depth);
  ends = replayer.run(graph, costs, replayed);
  if (replayed == graph.micro_batches)
    return 0;
  const int rest = graph.micro_batches - replayed;
  if (graph.schedule == ScheduleKind::gpipe)
    return rest * added_by_phases(graph, costs);
  double longest = 0;
  for (std::size_t s = 0; s < ends.size(); ++s) {
    const StageTimes once = cycle(graph, costs, s);
    const double busy = (once.compute + once.send).si() * micro_batches_per_chunk(graph.schedule, rest) / rest;
    const double seen = graph.schedule == ScheduleKind::interleaved ? ends[s].round / static_cast<double>(ends.size()) : 0;
    longest = std::max(longest, std::max(busy, seen));
  }
  return rest * longest;
}

/// Runs the reductions of every stage and returns when each has ended its own. A reduction of the embedding group starts when all stages
/// that list it have come to it.
std::vector<double> reduce_gradients(const CostedGraph& graph, const std::vector<ReplayedStage>& ends, double rest,
                                     std::vector<StageTimes>& stages) {
  std::vector<double> clocks;
  clocks.reserve(ends.size());
  std::size_t most = 0;
  for (std::size_t s = 0; s < ends.size(); ++s) {
    clocks.push_back(ends[s].end + rest);
    most = std::max(most, graph.stages[s].reductions.size());
  }
  for (std::size_t r = 0; r < most; ++r) {
    double meeting = 0;
    for (std::size_t s = 0; s < ends.size(); ++s)
      if (r < graph.stages[s].reductions.size() && graph.stages[s].reductions[r].group == Group::embedding)
        meeting = std::max(meeting, clocks[s]);
    for (std::size_t s = 0; s < ends.size(); ++s) {
      if (r >= graph.stages[s].reductions.size())
        continue;
      const CostedCollective& reduction = graph.stages[s].reductions[r];
      const double met = reduction.group == Group::embedding ? std::max(meeting, clocks[s]) : clocks[s];
      const double begin = reduction.overlapped ? ends[s].last_gradient + rest : met;
      const double end = std::max(met + (reduction.overlapped ? felt_beside_passes(reduction.time, reduction.latency).si() : 0),
                                  begin + reduction.time.si());
      stages[s].reduction += Seconds{end - met};
      clocks[s] = end;
    }
  }
  return clocks;
}

} // namespace

StepEstimate estimate_step(const CostedGraph& graph) {
  Replayer replayer;
  return estimate_step(graph, ReplayDepth::full, replayer);
}

StepEstimate estimate_step(const CostedGraph& graph, ReplayDepth depth, Replayer& replayer) {
  return end_step(graph, pipeline_times(graph, depth, replayer));
}

PipelineTimes pipeline_times(const CostedGraph& graph, ReplayDepth depth, Replayer& replayer) {
  const double passes = micro_batches_per_chunk(graph.schedule, graph.micro_batches);
  const std::vector<PassCost> costs = pass_costs(graph);
  PipelineTimes pipeline;
  pipeline.busy.reserve(graph.stages.size());
  const PassOrder paths = graph.schedule == ScheduleKind::skip_pipe ? step_order(graph, graph.micro_batches) : PassOrder{};
  for (std::size_t s = 0; s < graph.stages.size(); ++s) {
    if (!paths.links.empty()) {
      pipeline.busy.push_back(along_paths(graph, costs, s, paths));
      continue;
    }
    const StageTimes once = cycle(graph, costs, s);
    pipeline.busy.push_back({.compute = once.compute * passes, .send = once.send * passes});
  }
  pipeline.rest = replay_steadily(graph, costs, depth, replayer, pipeline.ends);
  return pipeline;
}

StepEstimate end_step(const CostedGraph& graph, const PipelineTimes& pipeline) {
  const auto stages = graph.stages.size();
  const std::vector<ReplayedStage>& ends = pipeline.ends;
  StepEstimate estimate{.stages = pipeline.busy};
  const std::vector<double> clocks = reduce_gradients(graph, ends, pipeline.rest, estimate.stages);
  const bool barrier = has_optimizer_barrier(graph.schedule);
  const double slowest = *std::max_element(clocks.begin(), clocks.end());
  double step = 0;
  for (std::size_t s = 0; s < stages; ++s) {
    StageTimes& times = estimate.stages[s];
    times.optimizer = graph.stages[s].optimizer.total();
    for (const CostedCollective& gather : graph.stages[s].gathers)
      times.gather += gather.overlapped ? felt_gather(graph, graph.stages[s], gather.time, gather.latency) : gather.time;
    // Without a barrier each stage goes on to its next step at once: a step takes what the busiest stage spends on it.
    step = std::max(step, (barrier ? slowest : clocks[s] - ends[s].first) + (times.optimizer + times.gather).si());
  }
  estimate.step = Seconds{step} + graph.step_host;
  for (StageTimes& times : estimate.stages) {
    times.host = graph.step_host;
    times.bubble = estimate.step - times.compute - times.send - times.reduction - times.optimizer - times.gather - times.host;
  }
  return estimate;
}

} // namespace orrery
