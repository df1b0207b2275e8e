#include "scenarios/memory_traffic.hpp"

#include "models/collective_traffic.hpp"
#include "workloads/schedule.hpp"

namespace orrery {

namespace {

Bytes traffic(const std::vector<Operator>& list, const std::vector<OpCost>& costs, const GroupShapes& groups) {
  Bytes sum;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const auto* collective = std::get_if<Collective>(&list[i].shape);
    sum += collective != nullptr ? collective_traffic(*collective, groups.at(collective->group).size) : costs[i].memory;
  }
  return sum;
}

/// At the end of a step, where the costs of single operators are not kept.
Bytes traffic(std::span<const Operator> step, const GroupShapes& groups) {
  Bytes sum;
  for (const Operator& op : step) {
    if (const auto* collective = std::get_if<Collective>(&op.shape))
      sum += collective_traffic(*collective, groups.at(collective->group).size);
    else if (const auto* streaming = std::get_if<Streaming>(&op.shape))
      sum += streaming->read + streaming->written;
  }
  return sum;
}

} // namespace

Bytes memory_traffic(const Stages& stages) {
  const OpGraph& graph = stages.graph;
  Bytes sum;
  for (std::size_t s = 0; s < graph.stages.size(); ++s) {
    const Stage& stage = graph.stages[s];
    const int passes = graph.micro_batches_of(s);
    for (const int chunk : stage.chunks)
      for (const BlockUse& use : graph.chunks[static_cast<std::size_t>(chunk)].blocks) {
        const auto b = static_cast<std::size_t>(use.block);
        const CostedBlock& costs = stages.costs.blocks[b];
        sum += (traffic(graph.blocks[b].forward, costs.forward, graph.groups) +
                traffic(graph.blocks[b].backward, costs.backward, graph.groups)) *
               (static_cast<double>(use.count) * passes);
      }
    sum += traffic(graph.step_of(stage), graph.groups);
  }
  return sum / static_cast<double>(graph.stages.size());
}

} // namespace orrery
