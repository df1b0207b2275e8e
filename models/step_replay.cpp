#include "models/step_replay.hpp"

#include <algorithm>
#include <cassert>
#include <limits>

namespace orrery {

namespace {

constexpr int step_kinds = static_cast<int>(pass_kinds);

/// Number of the message that a pass of a chunk waits for.
std::size_t message_of(const CostedGraph& graph, ChunkPlace place, bool backward, int micro_batches, int micro_batch) {
  return static_cast<std::size_t>(((place.stage * graph.virtual_stages + place.chunk) * 2 + (backward ? 1 : 0)) * micro_batches +
                                  micro_batch);
}

/// `clocks` by stage, `arrivals` by step from 1. `held` = messages hold their stages up.
template <bool held>
void replay(const std::vector<PassProgram::Step>& steps, const std::vector<PassCost>& costs, double* clocks, double* arrivals) {
  double* arrival = arrivals;
  for (const PassProgram::Step& step : steps) {
    const PassCost& cost = costs[static_cast<std::size_t>(step.cost)];
    double& clock = clocks[step.stage];
    const double end = std::max(clock, arrivals[step.input]) + cost.time;
    const double sent = end + cost.message;
    *++arrival = sent;
    clock = held ? sent : end;
  }
}

} // namespace

PassProgram::PassProgram(const CostedGraph& graph, int micro_batches) {
  const PassOrder order = step_order(graph, micro_batches);
  const int count = static_cast<int>(graph.stages.size());
  const int last = model_chunks(graph.schedule, count, graph.virtual_stages) - 1;
  steps.reserve(order.slots.size());
  std::vector<std::int32_t> positions(order.slots.size());
  // One pass of each stage at a time, of those whose input came in an earlier round: the replay of a pass seldom waits for the one replayed
  // just before it.
  struct Sent {
    int round = std::numeric_limits<int>::max();
    std::int32_t by = 0; ///< as Step::input
  };
  std::vector<Sent> sent(static_cast<std::size_t>(2 * count * graph.virtual_stages * micro_batches));
  std::vector<std::size_t> next(static_cast<std::size_t>(count), 0);
  for (int round = 0; steps.size() < order.slots.size(); ++round) {
    [[maybe_unused]] const std::size_t before = steps.size();
    for (int s = count - 1; s >= 0; --s) {
      std::size_t& i = next[static_cast<std::size_t>(s)];
      if (i == order.of(s).size())
        continue;
      const Slot slot = order.of(s)[i];
      const ChunkPlace place{s, slot.chunk};
      const bool backward = slot.kind == PassKind::backward;
      const bool outer = chunk_at(graph.schedule, count, s, slot.chunk) == (backward ? last : 0);
      const auto to = slot.kind == PassKind::weight ? std::nullopt : next_place(order, graph.schedule, graph.virtual_stages, s, slot);
      const int place_of_cost = order.links.empty() ? s * graph.virtual_stages + slot.chunk : s * count + (to ? to->stage : s);
      Step step{.stage = s, .cost = place_of_cost * step_kinds + static_cast<int>(slot.kind)};
      if (slot.kind != PassKind::weight && !outer) {
        const Sent& input = sent[message_of(graph, place, backward, micro_batches, slot.micro_batch)];
        if (input.round >= round)
          continue;
        step.input = input.by;
      }
      positions[order.first[static_cast<std::size_t>(s)] + i] = static_cast<std::int32_t>(steps.size());
      steps.push_back(step);
      if (to)
        sent[message_of(graph, *to, backward, micro_batches, slot.micro_batch)] = {round, static_cast<std::int32_t>(steps.size())};
      ++i;
    }
    assert(steps.size() > before);
  }
  note_stages(graph, order, micro_batches, positions);
}

void PassProgram::note_stages(const CostedGraph& graph, const PassOrder& order, int micro_batches,
                              const std::vector<std::int32_t>& positions) {
  const bool split = splits_backward(graph.schedule);
  const std::size_t round = graph.stages.size() * static_cast<std::size_t>(graph.virtual_stages) * (split ? 3 : 2);
  for (std::size_t s = 0; s < graph.stages.size(); ++s) {
    const auto slots = order.of(static_cast<int>(s));
    const auto position = [&](std::size_t i) { return positions[order.first[s] + i]; };
    const auto forward = std::find_if(slots.rbegin(), slots.rend(), [](const Slot& slot) { return slot.kind == PassKind::forward; });
    const auto end = static_cast<std::size_t>(slots.rend() - forward) - 1;
    const auto first_backward = std::find_if(slots.begin(), slots.end(), [](const Slot& slot) { return slot.kind == PassKind::backward; });
    const bool steady = end >= round + static_cast<std::size_t>(first_backward - slots.begin());
    stages.push_back({.first = position(0),
                      .last_gradient = position(last_gradient_pass(order, graph.schedule, micro_batches, static_cast<int>(s))),
                      .steady_end = position(end),
                      .steady_begin = position(steady ? end - round : end)});
  }
}

namespace {

std::vector<PassCost> pass_costs_on_paths(const CostedGraph& graph) {
  std::vector<PassCost> costs;
  const int stages = static_cast<int>(graph.stages.size());
  for (int s = 0; s < stages; ++s) {
    const CostedStage& stage = graph.stages[static_cast<std::size_t>(s)];
    const CostedChunk& chunk = stage.chunks.front();
    for (int to = 0; to < stages; ++to) {
      const auto add = [&](const Span& span, bool backward) {
        const double message = to == s ? 0 : stage.message(message_on_path(stage, to, backward)).time().si();
        costs.push_back({span.total().si(), message, graph.overlap_p2p ? 0 : message});
      };
      add(chunk.forward, false);
      add(chunk.backward, true);
      costs.push_back({}); // no gradients of weights by themselves
    }
  }
  return costs;
}

} // namespace

std::vector<PassCost> pass_costs(const CostedGraph& graph) {
  if (graph.schedule == ScheduleKind::skip_pipe)
    return pass_costs_on_paths(graph);
  std::vector<PassCost> costs(graph.stages.size() * static_cast<std::size_t>(graph.virtual_stages * step_kinds));
  auto cost = costs.begin();
  double forward = 0;
  double backward = 0;
  for (int s = 0; s < static_cast<int>(graph.stages.size()); ++s)
    for (int v = 0; v < graph.virtual_stages; ++v) {
      const CostedChunk& chunk = graph.stages[static_cast<std::size_t>(s)].chunks[static_cast<std::size_t>(v)];
      if (v < 2 || v + 1 == graph.virtual_stages) { // messages of the chunks between the first and the last are alike
        forward = message_time(graph, {s, v}, false).si();
        backward = message_time(graph, {s, v}, true).si();
      }
      *cost++ = {chunk.forward.total().si(), forward, graph.overlap_p2p ? 0 : forward};
      *cost++ = {chunk.backward.total().si(), backward, graph.overlap_p2p ? 0 : backward};
      *cost++ = {chunk.weight.total().si(), 0, 0};
    }
  return costs;
}

const PassProgram& Replayer::program(const CostedGraph& graph, int micro_batches) {
  const std::tuple key(graph.schedule, graph.stages.size(), graph.virtual_stages, graph.skip_stages, micro_batches, pass_ratios(graph));
  const auto found = programs_.find(key);
  return found != programs_.end() ? found->second : programs_.try_emplace(key, graph, micro_batches).first->second;
}

std::vector<ReplayedStage> Replayer::run(const CostedGraph& graph, const std::vector<PassCost>& costs, int micro_batches) {
  const PassProgram& program = this->program(graph, micro_batches);
  free_.assign(graph.stages.size(), 0);
  arrival_.resize(std::max(arrival_.size(), program.steps.size() + 1));
  arrival_[0] = 0;
  if (graph.overlap_p2p)
    replay<false>(program.steps, costs, free_.data(), arrival_.data());
  else
    replay<true>(program.steps, costs, free_.data(), arrival_.data());
  std::vector<ReplayedStage> result;
  result.reserve(graph.stages.size());
  for (std::size_t s = 0; s < graph.stages.size(); ++s) {
    const PassProgram::StageSteps& at = program.stages[s];
    const auto begin = [&](std::int32_t position) {
      const auto i = static_cast<std::size_t>(position);
      const PassCost& cost = costs[static_cast<std::size_t>(program.steps[i].cost)];
      return arrival_[i + 1] - cost.message - cost.time;
    };
    result.push_back({begin(at.first), free_[s], begin(at.last_gradient), begin(at.steady_end) - begin(at.steady_begin)});
  }
  return result;
}

} // namespace orrery
