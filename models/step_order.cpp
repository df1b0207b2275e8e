#include "models/step_order.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {

PassRatios pass_ratios(const CostedGraph& graph) {
  if (!splits_backward(graph.schedule) && graph.schedule != ScheduleKind::skip_pipe)
    return {};
  double forward = 0;
  double backward = 0;
  double weight = 0;
  double held = 0;
  for (const CostedStage& stage : graph.stages)
    for (const CostedChunk& chunk : stage.chunks) {
      forward += chunk.forward.total().si();
      backward += chunk.backward.total().si();
      weight += chunk.weight.total().si();
      held += chunk.weight_held;
    }
  const double chunks = static_cast<double>(graph.stages.size()) * graph.virtual_stages;
  const auto sixteenths = [](double value) { return static_cast<int>(std::clamp(std::round(16 * value), 0.0, 1e6)); };
  if (forward <= 0)
    return {};
  PassRatios ratios{
      .backward = sixteenths(backward / forward), .weight = sixteenths(weight / forward), .weight_held = sixteenths(held / chunks)};
  if (graph.schedule != ScheduleKind::skip_pipe)
    return ratios;
  for (const CostedStage& stage : graph.stages) {
    ratios.stages.push_back(sixteenths(stage.chunks.front().forward.total().si() * chunks / forward));
    ratios.stages.push_back(sixteenths(stage.chunks.front().backward.total().si() * chunks / forward));
    for (std::size_t i = 0; i < stage.sends.size(); ++i)
      ratios.hops.push_back(sixteenths(stage.sends[i].time().si() * chunks / forward));
  }
  return ratios;
}

PassOrder step_order(const CostedGraph& graph, int micro_batches) {
  return schedule_order(graph.schedule, static_cast<int>(graph.stages.size()), graph.virtual_stages, micro_batches, pass_ratios(graph),
                        graph.skip_stages);
}

namespace {

std::optional<PassOutput> output_to(const CostedGraph& graph, ChunkPlace from, const std::optional<ChunkPlace>& to, bool backward) {
  if (!to)
    return std::nullopt;
  if (to->stage == from.stage)
    return PassOutput{.to = *to};
  const bool returns = runs_backwards(graph.schedule, from.chunk);
  return PassOutput{.to = *to, .message = (backward ? 1 : 0) + (returns ? 2 : 0)};
}

} // namespace

std::optional<PassOutput> pass_output(const CostedGraph& graph, const PassOrder& order, int stage, const Slot& slot) {
  const bool backward = slot.kind == PassKind::backward;
  const auto to = next_place(order, graph.schedule, graph.virtual_stages, stage, slot);
  if (to && !order.links.empty())
    return PassOutput{.to = *to, .message = message_on_path(graph.stages[static_cast<std::size_t>(stage)], to->stage, backward)};
  return output_to(graph, {stage, slot.chunk}, to, backward);
}

Seconds felt_beside_passes(Seconds time, Seconds latency) { return latency + (1 - overlap_gain) * (time - latency); }

Seconds felt_gather(const CostedGraph& graph, const CostedStage& stage, Seconds time, Seconds latency) {
  const double round = graph.schedule == ScheduleKind::interleaved ? static_cast<double>(graph.stages.size()) : 1;
  const auto chunks = static_cast<double>(stage.chunks.size());
  Seconds felt = felt_beside_passes(time, latency);
  Seconds passed; // forward passes before those of a chunk
  double gathered = 0;
  for (const CostedChunk& chunk : stage.chunks) {
    gathered += 1 / chunks;
    felt = std::max(felt, gathered * time - passed - chunk.forward.total());
    passed += round * chunk.forward.total();
  }
  return felt;
}

int message_on_path(const CostedStage& from, int to, bool backward) { return (backward ? 1 : 0) + (from.sends.empty() ? 0 : 2 * to); }

Seconds message_time(const CostedGraph& graph, ChunkPlace from, bool backward) {
  const auto to = neighbour(graph.schedule, static_cast<int>(graph.stages.size()), graph.virtual_stages, from, backward);
  const auto output = output_to(graph, from, to, backward);
  if (!output || output->message < 0)
    return {};
  return graph.stages[static_cast<std::size_t>(from.stage)].message(output->message).time();
}

} // namespace orrery
