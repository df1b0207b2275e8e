#include "models/step_order.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {

PassRatios pass_ratios(const CostedGraph& graph) {
  if (!splits_backward(graph.schedule))
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
  return {.backward = sixteenths(backward / forward), .weight = sixteenths(weight / forward), .weight_held = sixteenths(held / chunks)};
}

PassOrder step_order(const CostedGraph& graph, int micro_batches) {
  return schedule_order(graph.schedule, static_cast<int>(graph.stages.size()), graph.virtual_stages, micro_batches, pass_ratios(graph));
}

std::optional<PassOutput> pass_output(const CostedGraph& graph, ChunkPlace from, bool backward) {
  const int stages = static_cast<int>(graph.stages.size());
  const auto to = neighbour(graph.schedule, stages, graph.virtual_stages, from, backward);
  if (!to)
    return std::nullopt;
  if (to->stage == from.stage)
    return PassOutput{.to = *to};
  const bool returns = runs_backwards(graph.schedule, from.chunk);
  return PassOutput{.to = *to, .message = (backward ? 1 : 0) + (returns ? 2 : 0)};
}

Seconds message_time(const CostedGraph& graph, ChunkPlace from, bool backward) {
  const auto output = pass_output(graph, from, backward);
  if (!output || output->message < 0)
    return {};
  return graph.stages[static_cast<std::size_t>(from.stage)].message(output->message).time();
}

} // namespace orrery
