#include "scenarios/slow_devices.hpp"

#include <algorithm>
#include <set>
#include <variant>

namespace orrery {

namespace {

int coordinate(int rank, GroupShape axis) { return rank / axis.stride % axis.size; }

std::set<Group> groups_inside_passes(const OpGraph& graph) {
  std::set<Group> groups;
  for (const Block& block : graph.blocks)
    for (const auto* operators : {&block.forward, &block.backward})
      for (const Operator& op : *operators)
        if (const auto* collective = std::get_if<Collective>(&op.shape);
            collective != nullptr && graph.groups.at(collective->group).size > 1)
          groups.insert(collective->group);
  return groups;
}

/// Lowers the clocks of those that wait for a rank inside its passes, and of those that wait for them.
class Waiting {
public:
  explicit Waiting(const OpGraph& graph) : graph_(graph), groups_(groups_inside_passes(graph)) {}

  void slow(int rank, double clock) {
    std::vector<int> pending;
    lower(rank, clock, pending);
    while (!pending.empty()) {
      const int next = pending.back();
      pending.pop_back();
      for (const Group group : groups_)
        lower_group(group, next, clock, pending);
    }
  }

  [[nodiscard]] const std::map<int, double>& clocks() const { return clocks_; }

private:
  static bool lowers(double& held, double clock) {
    if (held <= clock)
      return false;
    held = clock;
    return true;
  }

  void lower(int rank, double clock, std::vector<int>& pending) {
    if (lowers(clocks_.try_emplace(rank, 1.0).first->second, clock))
      pending.push_back(rank);
  }

  void lower_group(Group group, int rank, double clock, std::vector<int>& pending) {
    const GroupShape shape = graph_.groups.at(group);
    const int first = rank - coordinate(rank, shape) * shape.stride;
    if (!lowers(seen_.try_emplace({group, first}, 1.0).first->second, clock))
      return;
    for (int i = 0; i < shape.size; ++i)
      lower(first + i * shape.stride, clock, pending);
  }

  const OpGraph& graph_;
  std::set<Group> groups_;
  std::map<int, double> clocks_;
  std::map<std::pair<Group, int>, double> seen_; ///< groups by their first rank
};

std::vector<int> ranks_of(const SlowDevices& slow, int devices_per_node, const CostedGraph& costs) {
  std::vector<int> ranks = slow.devices;
  for (const int node : slow.nodes)
    for (int i = 0; i < devices_per_node; ++i)
      ranks.push_back(node * devices_per_node + i);
  if (slow.stage || slow.replica)
    for (int rank = 0; rank < costs.ranks(); ++rank)
      if ((!slow.stage || coordinate(rank, costs.groups.at(Group::pipeline)) == *slow.stage) &&
          (!slow.replica || coordinate(rank, costs.groups.at(Group::data)) == *slow.replica))
        ranks.push_back(rank);
  return ranks;
}

} // namespace

const Table<SlowDevices>& slow_table() {
  using S = SlowDevices;
  static const Table<S> table =
      Table<S>("slow devices", "Devices that run below their clock.")
          .counts("devices", &S::devices, {.max = 1e9, .help = "their numbers, from 0, node by node"})
          .counts("nodes", &S::nodes, {.max = 1e9, .help = "all devices of these nodes"})
          .count("stage", &S::stage, {.max = 1e6, .help = "all devices of a pipeline stage; with replica: of that one alone"})
          .count("replica", &S::replica, {.max = 1e9, .help = "all devices of a data-parallel replica"})
          .number("factor", &S::factor, {.above = 0.0, .max = 1, .required = true, .help = "of the clock that they run at"})
          .check([](const S& slow, const Report& report) {
            if (slow.devices.empty() && slow.nodes.empty() && !slow.stage && !slow.replica)
              report.error("", "no device named", "devices, nodes, stage or replica");
          });
  return table;
}

LaneClocks lane_clocks(const std::vector<SlowDevices>& slow, int devices_per_node, const OpGraph& graph, const CostedGraph& costs) {
  Waiting waiting(graph);
  for (const SlowDevices& some : slow)
    for (const int rank : ranks_of(some, devices_per_node, costs))
      waiting.slow(rank, some.factor);
  LaneClocks clocks;
  for (const auto& [rank, clock] : waiting.clocks()) {
    const std::pair lane{coordinate(rank, costs.groups.at(Group::data)), coordinate(rank, costs.groups.at(Group::pipeline))};
    double& held = clocks.try_emplace(lane, 1.0).first->second;
    held = std::min(held, clock);
  }
  return clocks;
}

CostedGraph at_lowest_clocks(CostedGraph costs, const LaneClocks& clocks) {
  std::map<int, double> lowest; // by stage
  for (const auto& [lane, clock] : clocks) {
    double& held = lowest.try_emplace(lane.second, 1.0).first->second;
    held = std::min(held, clock);
  }
  for (const auto& [s, clock] : lowest) {
    CostedStage& stage = costs.stages[static_cast<std::size_t>(s)];
    stage.optimizer.stretchable /= clock;
    for (CostedChunk& chunk : stage.chunks)
      for (Span* span : {&chunk.forward, &chunk.backward, &chunk.weight})
        span->stretchable /= clock;
  }
  return costs;
}

} // namespace orrery
