#include "models/training_estimate.hpp"

#include "workloads/schedule.hpp"

#include <algorithm>

namespace orrery {

namespace {

/// What a stage's order leads to: when it ends, and when the gradients of its last micro-batch begin to be ready.
struct StageEnd {
  double end = 0;
  double last_backward_begin = 0;
};

/// Max-plus replay of the passes of every stage.
class Replay {
public:
  Replay(const CostedGraph& graph, int micro_batches)
      : graph_(graph), micro_batches_(micro_batches), stages_(static_cast<int>(graph.stages.size())),
        chunks_(stages_ * graph.virtual_stages), arrival_(static_cast<std::size_t>(2 * chunks_ * micro_batches), waiting) {}

  std::vector<StageEnd> run() {
    std::vector<std::vector<Slot>> orders;
    for (int s = 0; s < stages_; ++s)
      orders.push_back(schedule_order(graph_.schedule, stages_, graph_.virtual_stages, micro_batches_, s));
    std::vector<std::size_t> next(orders.size(), 0);
    std::vector<StageEnd> ends(orders.size());
    // Each sweep lets every stage run until it waits for another; forward work ripples down the sweep, backward work up.
    for (bool progress = true; progress;) {
      progress = false;
      for (int i = 0; i < 2 * stages_; ++i) {
        const auto s = static_cast<std::size_t>(i < stages_ ? i : 2 * stages_ - 1 - i);
        const std::size_t before = next[s];
        while (next[s] < orders[s].size() && step(static_cast<int>(s), orders[s][next[s]], ends[s]))
          ++next[s];
        progress = progress || next[s] > before;
      }
    }
    return ends;
  }

private:
  static constexpr double waiting = -1;

  /// When the input of a pass is there.
  double& arrival(int chunk, int micro_batch, bool backward) {
    return arrival_[static_cast<std::size_t>((micro_batch * chunks_ + chunk) * 2 + (backward ? 1 : 0))];
  }

  bool step(int s, const Slot& slot, StageEnd& stage) {
    const int chunk = slot.chunk * stages_ + s;
    const bool from_outside = slot.backward ? chunk == chunks_ - 1 : chunk == 0;
    const double ready = from_outside ? 0 : arrival(chunk, slot.micro_batch, slot.backward);
    if (ready == waiting)
      return false;
    const CostedStage& costs = graph_.stages[static_cast<std::size_t>(s)];
    const CostedChunk& work = costs.chunks[static_cast<std::size_t>(slot.chunk)];
    const double begin = std::max(stage.end, ready);
    if (slot.backward && slot.micro_batch == micro_batches_ - 1 && stage.last_backward_begin == 0)
      stage.last_backward_begin = begin;
    const double end = begin + (slot.backward ? work.backward : work.forward).total().si();
    stage.end = end;
    const bool leaves = slot.backward ? chunk > 0 : chunk < chunks_ - 1;
    if (!leaves)
      return true;
    const double sent = end + (slot.backward ? costs.backward_send : costs.forward_send).time().si();
    arrival(slot.backward ? chunk - 1 : chunk + 1, slot.micro_batch, slot.backward) = sent;
    if (!graph_.overlap_p2p)
      stage.end = sent;
    return true;
  }

  const CostedGraph& graph_;
  int micro_batches_;
  int stages_;
  int chunks_;
  std::vector<double> arrival_;
};

/// Compute and blocking sends of one micro-batch through all chunks of stage `s`.
StageTimes cycle(const CostedGraph& graph, int s) {
  StageTimes times;
  const CostedStage& stage = graph.stages[static_cast<std::size_t>(s)];
  const int stages = static_cast<int>(graph.stages.size());
  const int last = stages * graph.virtual_stages - 1;
  for (int v = 0; v < graph.virtual_stages; ++v) {
    const CostedChunk& chunk = stage.chunks[static_cast<std::size_t>(v)];
    times.compute += chunk.forward.total() + chunk.backward.total();
    const int index = v * stages + s;
    if (index < last)
      times.send += stage.forward_send.time();
    if (index > 0)
      times.send += stage.backward_send.time();
  }
  if (graph.overlap_p2p)
    times.send = Seconds{};
  return times;
}

/// What one more micro-batch adds to GPipe or 1F1B in the steady state: the longest stage of each phase, or of both together.
double added_cycle(const CostedGraph& graph) {
  double forward = 0;
  double backward = 0;
  double both = 0;
  const std::size_t last = graph.stages.size() - 1;
  for (std::size_t s = 0; s <= last; ++s) {
    const CostedStage& stage = graph.stages[s];
    const CostedChunk& chunk = stage.chunks.front();
    double f = chunk.forward.total().si();
    double b = chunk.backward.total().si();
    if (!graph.overlap_p2p) {
      f += s < last ? stage.forward_send.time().si() : 0;
      b += s > 0 ? stage.backward_send.time().si() : 0;
    }
    forward = std::max(forward, f);
    backward = std::max(backward, b);
    both = std::max(both, f + b);
  }
  return graph.schedule == ScheduleKind::gpipe ? forward + backward : both;
}

/// Passes of an interleaved pipeline that are worth replaying one by one (about a millisecond): it may settle into a longer cycle than that
/// of any stage, and only after many rounds.
constexpr int longest_replay = 60'000;

/// Replays as many rounds as it takes to reach the steady state, and returns the time of the others.
double replay_steadily(const CostedGraph& graph, std::vector<StageEnd>& ends) {
  const int stages = static_cast<int>(graph.stages.size());
  const bool interleaved = graph.schedule == ScheduleKind::interleaved;
  const int rounds = interleaved ? std::max(3, longest_replay / (2 * stages * stages * graph.virtual_stages)) : 2;
  const int replayed = std::min(graph.micro_batches, rounds * stages);
  ends = Replay(graph, replayed).run();
  if (replayed == graph.micro_batches)
    return 0;
  if (!interleaved)
    return (graph.micro_batches - replayed) * added_cycle(graph);
  const std::vector<StageEnd> before = Replay(graph, replayed - stages).run();
  double longest = 0;
  for (std::size_t s = 0; s < ends.size(); ++s)
    longest = std::max(longest, ends[s].end - before[s].end);
  return static_cast<double>(graph.micro_batches - replayed) / stages * longest;
}

/// Runs the reductions of every stage and returns when the last has ended. A reduction of the embedding group starts when all stages that
/// list it have come to it.
double reduce_gradients(const CostedGraph& graph, const std::vector<StageEnd>& ends, double rest, std::vector<StageTimes>& stages) {
  std::vector<double> clocks;
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
      const double begin = reduction.overlapped ? ends[s].last_backward_begin + rest : met;
      const double end = std::max(met + (reduction.overlapped ? reduction.latency.si() : 0), begin + reduction.time.si());
      stages[s].reduction += Seconds{end - met};
      clocks[s] = end;
    }
  }
  return *std::max_element(clocks.begin(), clocks.end());
}

} // namespace

StepEstimate estimate_step(const CostedGraph& graph) {
  const int stages = static_cast<int>(graph.stages.size());
  StepEstimate estimate;
  for (int s = 0; s < stages; ++s) {
    const StageTimes once = cycle(graph, s);
    estimate.stages.push_back({.compute = once.compute * graph.micro_batches, .send = once.send * graph.micro_batches});
  }
  std::vector<StageEnd> ends;
  const double rest = replay_steadily(graph, ends);
  const double barrier = reduce_gradients(graph, ends, rest, estimate.stages);
  double step = barrier;
  for (int s = 0; s < stages; ++s) {
    const auto index = static_cast<std::size_t>(s);
    StageTimes& times = estimate.stages[index];
    times.optimizer = graph.stages[index].optimizer.total();
    for (const CostedCollective& gather : graph.stages[index].gathers)
      times.gather += gather.overlapped ? gather.latency : gather.time;
    step = std::max(step, barrier + (times.optimizer + times.gather).si());
  }
  estimate.step = Seconds{step} + graph.step_host;
  for (StageTimes& times : estimate.stages) {
    times.host = graph.step_host;
    times.bubble = estimate.step - times.compute - times.send - times.reduction - times.optimizer - times.gather - times.host;
  }
  return estimate;
}

} // namespace orrery
