#include "scenarios/scenario.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery {

int job_ranks(const TrainingScenario& job) {
  if (job.serving)
    return serving_devices(*job.serving);
  if (job.trace)
    return static_cast<int>(job.trace->files.size());
  return job.graph ? job.graph->ranks() : job.plan.ranks();
}

int scenario_ranks(const Scenario& scenario) {
  int ranks = 0;
  for (const TrainingScenario& job : scenario.jobs)
    ranks += job_ranks(job);
  return ranks;
}

std::string describe(const Cluster& cluster) {
  const auto fabric = [&] {
    switch (cluster.fabric.kind) {
    case FabricKind::single_node:
      return std::string("no fabric");
    case FabricKind::rail_fat_tree:
      return std::string("rail-optimised fat tree");
    case FabricKind::fat_tree:
      return std::string("fat tree");
    case FabricKind::dragonfly:
      return std::string("dragonfly");
    case FabricKind::torus:
      return std::string("torus");
    }
    return std::string();
  };
  std::string text =
      fmt::format("{} x {} ({} x {}), {}", cluster.nodes, cluster.node.name, cluster.node.devices, cluster.node.device.name, fabric());
  if (cluster.fabric.oversubscription > 1)
    text += fmt::format(" {:g}:1", cluster.fabric.oversubscription);
  return text;
}

bool supports(const Device& device, Precision precision) {
  return std::any_of(device.units.begin(), device.units.end(), [&](const ComputeUnit& unit) { return unit.peak.contains(precision); });
}

FlopsPerSecond peak_of(const Device& device, Precision precision) {
  FlopsPerSecond best;
  for (const ComputeUnit& unit : device.units) {
    const auto found = unit.peak.find(precision);
    if (found != unit.peak.end())
      best = std::max(best, found->second);
  }
  return best;
}

std::set<Precision> arithmetic_precisions(const OpGraph& graph) {
  std::set<Precision> precisions;
  for (const Block& block : graph.blocks)
    for (const std::vector<Operator>* list : {&block.forward, &block.backward})
      for (const Operator& op : *list)
        if (std::holds_alternative<Matmul>(op.shape) || std::holds_alternative<FusedAttention>(op.shape) ||
            std::holds_alternative<GroupedMatmul>(op.shape) || std::holds_alternative<ChunkScan>(op.shape))
          precisions.insert(op.precision);
  return precisions;
}

double graph_parameters(const OpGraph& graph) {
  Bytes held;
  for (const Stage& stage : graph.stages)
    held += stage.parameters;
  return held.si() * graph.groups.at(Group::tensor).size / element_bytes(graph.precision);
}

} // namespace orrery
