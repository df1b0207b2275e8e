#include "sim/engine/step_traffic.hpp"

#include "sim/engine/link_loads.hpp"

#include <algorithm>
#include <cassert>

namespace orrery {

namespace {

/// The rank whose coordinate along an axis is `digit`, and whose others are those that `rest` counts through.
int with_coordinate(int rest, GroupShape axis, int digit) {
  return rest % axis.stride + axis.stride * (digit + axis.size * (rest / axis.stride));
}

int coordinate(int rank, GroupShape axis) { return rank / axis.stride % axis.size; }

class TrafficPlanner {
public:
  TrafficPlanner(const Topology& topology, const CostedGraph& graph, const ReplicaFold& fold)
      : topology_(topology), graph_(graph), stages_(static_cast<int>(graph.stages.size())), pipeline_(graph.groups.at(Group::pipeline)),
        data_(graph.groups.at(Group::data)), together_(graph.ranks() / (stages_ * graph.replicas)), fold_(fold),
        all_(one_for_all(graph.replicas).classes.front()), counter_(topology) {
    assert(graph.ranks() <= topology.devices());
    assert(pipeline_.size == stages_ && data_.size == graph.replicas);
  }

  StepTraffic plan() {
    StepTraffic traffic;
    for (const Replicas& replicas : fold_.classes)
      for (int s = 0; s < stages_; ++s)
        traffic.stages.push_back(stage(replicas, s));
    std::vector<Route> routes;
    for (StageTraffic& loads : traffic.stages) {
      for (std::vector<LinkLoad>& send : loads.sends)
        routes.push_back(&send);
      for (auto* list : {&loads.reductions, &loads.gathers})
        for (std::vector<LinkLoad>& route : *list)
          routes.push_back(&route);
    }
    traffic.network = used_links(topology_, routes);
    return traffic;
  }

private:
  using Route = std::vector<LinkLoad>*;
  using Replicas = std::vector<int>; ///< that one simulated replica stands for

  /// Of the `together_` ranks of a stage of a replica.
  [[nodiscard]] int device(int stage, int replica, int index) const {
    const bool inner = data_.stride <= pipeline_.stride;
    const int rank = inner ? with_coordinate(index, data_, replica) : with_coordinate(index, pipeline_, stage);
    return inner ? with_coordinate(rank, pipeline_, stage) : with_coordinate(rank, data_, replica);
  }
  StageTraffic stage(const Replicas& replicas, int s) {
    const CostedStage& costs = graph_.stages[static_cast<std::size_t>(s)];
    const int next = (s + 1) % stages_;
    const int previous = (s + stages_ - 1) % stages_;
    return {.sends = {message(costs.forward_send, replicas, s, next), message(costs.backward_send, replicas, s, previous),
                      message(costs.forward_return, replicas, s, previous), message(costs.backward_return, replicas, s, next)},
            .reductions = collectives(costs.reductions, replicas, s),
            .gathers = collectives(costs.gathers, replicas, s)};
  }

  std::vector<LinkLoad> message(const CostedMessage& message, const Replicas& replicas, int from, int to) {
    if (!message.over_network)
      return {};
    for (const int r : replicas)
      for (int i = 0; i < together_; ++i)
        counter_.add(device(from, r, i), device(to, r, i));
    return counter_.take();
  }

  std::vector<std::vector<LinkLoad>> collectives(const std::vector<CostedCollective>& list, const Replicas& replicas, int s) {
    std::vector<std::vector<LinkLoad>> routes;
    for (const CostedCollective& collective : list) {
      const GroupShape shape = graph_.groups.at(collective.group);
      if (collective.network > Bytes{} && collective.group == Group::embedding)
        add_rings(shape, 0, replicas, false);
      else if (collective.network > Bytes{} && coordinate((shape.size - 1) * shape.stride, data_) > 0)
        add_rings(shape, s, all_, true);
      else if (collective.network > Bytes{})
        add_rings(shape, s, replicas, true);
      routes.push_back(counter_.take());
    }
    return routes;
  }

  /// Rings of the groups that begin at a rank of stage `s` of these replicas: at those whose coordinate is 0 where the shape is an axis of
  /// the rank grid, at all of them for the group of the first and the last stage.
  void add_rings(GroupShape shape, int s, const Replicas& replicas, bool axis) {
    std::vector<int> members(static_cast<std::size_t>(shape.size));
    for (int i = 0; i < together_; ++i) {
      for (const int r : replicas) {
        const int rank = device(s, r, i);
        if (axis && coordinate(rank, shape) != 0)
          continue;
        for (int m = 0; m < shape.size; ++m)
          members[static_cast<std::size_t>(m)] = rank + m * shape.stride;
        add_ring_over_domains(members);
      }
    }
  }

  void add_ring_over_domains(const std::vector<int>& members) { orrery::add_ring_over_domains(counter_, topology_, members); }

  const Topology& topology_;
  const CostedGraph& graph_;
  int stages_;
  GroupShape pipeline_;
  GroupShape data_;
  int together_; ///< ranks of a stage of a replica
  const ReplicaFold& fold_;
  Replicas all_;
  LoadCounter counter_;
};

} // namespace

StepTraffic step_traffic(const Topology& topology, const CostedGraph& graph, const ReplicaFold& fold) {
  return TrafficPlanner(topology, graph, fold).plan();
}

} // namespace orrery
