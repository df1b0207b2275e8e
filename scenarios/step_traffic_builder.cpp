#include "scenarios/step_traffic_builder.hpp"

#include "hardware/topology.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery {

namespace {

class TrafficBuilder {
public:
  TrafficBuilder(const OpGraph& graph, const Cluster& cluster, const CostedGraph& costs)
      : costs_(costs), cluster_(cluster), topology_(cluster), ranks_per_stage_(graph.groups.at(Group::pipeline).stride),
        stages_(static_cast<int>(costs.stages.size())) {
    const int sharing = (cluster.node.devices + std::max(1, cluster.node.nics.count) - 1) / std::max(1, cluster.node.nics.count);
    weight_ = static_cast<std::uint32_t>(std::max(1, std::min(sharing, ranks_per_stage_)));
  }

  StepTraffic build() {
    for (int s = 0; s < stages_; ++s)
      for (const char* link : link_names) {
        const bool port = link == link_names[port_up] || link == link_names[port_down];
        const double share = port ? 1.0 : 1.0 / cluster_.fabric.oversubscription;
        traffic_.network.links.push_back({fmt::format("stage {} {}", s, link), cluster_.node.nics.bandwidth * share});
      }
    for (int s = 0; s < stages_; ++s) {
      const CostedStage& stage = costs_.stages[static_cast<std::size_t>(s)];
      StageTraffic& loads = traffic_.stages.emplace_back();
      loads.forward_send = message(stage.forward_send, s, (s + 1) % stages_);
      loads.backward_send = message(stage.backward_send, s, (s + stages_ - 1) % stages_);
      for (const CostedCollective& reduction : stage.reductions)
        loads.reductions.push_back(collective(reduction, s));
      for (const CostedCollective& gather : stage.gathers)
        loads.gathers.push_back(collective(gather, s));
    }
    return std::move(traffic_);
  }

private:
  enum Port { port_up, port_down, leaf_up, leaf_down };
  static constexpr const char* link_names[] = {"port up", "port down", "leaf share up", "leaf share down"};

  [[nodiscard]] LinkLoad load(int stage, Port port) const { return {static_cast<std::uint32_t>(stage * 4 + port), weight_}; }

  [[nodiscard]] bool leaves_leaf(int source, int destination) const {
    return topology_.leaf_of(source) != topology_.leaf_of(destination) && topology_.spines() > 0;
  }

  std::vector<LinkLoad> message(const CostedMessage& message, int from, int to) const {
    if (!message.over_network)
      return {};
    std::vector<LinkLoad> route{load(from, port_up), load(to, port_down)};
    if (leaves_leaf(from * ranks_per_stage_, to * ranks_per_stage_)) {
      route.push_back(load(from, leaf_up));
      route.push_back(load(to, leaf_down));
    }
    return route;
  }

  std::vector<LinkLoad> collective(const CostedCollective& collective, int stage) const {
    if (collective.network <= Bytes{})
      return {};
    std::vector<LinkLoad> route{load(stage, port_up), load(stage, port_down)};
    const int first = stage * ranks_per_stage_;
    const int last = first + ranks_per_stage_ - 1;
    if (collective.group == Group::embedding || leaves_leaf(first, last)) {
      route.push_back(load(stage, leaf_up));
      route.push_back(load(stage, leaf_down));
    }
    return route;
  }

  const CostedGraph& costs_;
  const Cluster& cluster_;
  Topology topology_;
  int ranks_per_stage_;
  int stages_;
  std::uint32_t weight_ = 1;
  StepTraffic traffic_;
};

} // namespace

StepTraffic step_traffic(const OpGraph& graph, const Cluster& cluster, const CostedGraph& costs) {
  return TrafficBuilder(graph, cluster, costs).build();
}

} // namespace orrery
