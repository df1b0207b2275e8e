#include "sim/engine/step_traffic.hpp"

#include "sim/engine/link_classes.hpp"
#include "sim/engine/link_loads.hpp"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <map>
#include <utility>

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
        all_(one_for_all(graph.replicas).classes.front()), links_(topology) {
    assert(graph.ranks() <= topology.devices());
    assert(pipeline_.size == stages_ && data_.size == graph.replicas);
  }

  StepTraffic plan() {
    std::vector<Transfers> stages;
    for (const Replicas& replicas : fold_.classes) {
      rings_.clear();
      for (int s = 0; s < stages_; ++s)
        stages.push_back(stage(replicas, s));
    }
    const std::vector<std::vector<LinkLoad>> routes = links_.routes();
    const auto route = [&](std::uint32_t transfer) { return transfer == none ? std::vector<LinkLoad>{} : routes[transfer]; };
    StepTraffic traffic;
    std::vector<Route> used;
    for (const Transfers& transfers : stages) {
      StageTraffic& loads = traffic.stages.emplace_back();
      std::ranges::transform(transfers.sends, std::back_inserter(loads.sends), route);
      std::ranges::transform(transfers.reductions, std::back_inserter(loads.reductions), route);
      std::ranges::transform(transfers.gathers, std::back_inserter(loads.gathers), route);
    }
    for (StageTraffic& loads : traffic.stages) {
      for (std::vector<LinkLoad>& send : loads.sends)
        used.push_back(&send);
      for (auto* list : {&loads.reductions, &loads.gathers})
        for (std::vector<LinkLoad>& each : *list)
          used.push_back(&each);
    }
    traffic.network = used_links(topology_, used);
    return traffic;
  }

private:
  using Route = std::vector<LinkLoad>*;
  using Replicas = std::vector<int>; ///< that one simulated replica stands for

  static constexpr std::uint32_t none = ~std::uint32_t{}; ///< a transfer that nothing can be in the way of

  /// Numbers of the transfers of a stage.
  struct Transfers {
    std::vector<std::uint32_t> sends;
    std::vector<std::uint32_t> reductions;
    std::vector<std::uint32_t> gathers;
  };

  /// Of the `together_` ranks of a stage of a replica.
  [[nodiscard]] int device(int stage, int replica, int index) const {
    const bool inner = data_.stride <= pipeline_.stride;
    const int rank = inner ? with_coordinate(index, data_, replica) : with_coordinate(index, pipeline_, stage);
    return inner ? with_coordinate(rank, pipeline_, stage) : with_coordinate(rank, data_, replica);
  }
  Transfers stage(const Replicas& replicas, int s) {
    const CostedStage& costs = graph_.stages[static_cast<std::size_t>(s)];
    const int next = (s + 1) % stages_;
    const int previous = (s + stages_ - 1) % stages_;
    std::vector<std::uint32_t> sends;
    for (int i = 0; i < costs.messages(); ++i)
      sends.push_back(message(costs.message(i), replicas, s, !costs.sends.empty() ? i / 2 : i == 0 || i == 3 ? next : previous));
    return {.sends = std::move(sends),
            .reductions = collectives(costs.reductions, replicas, s),
            .gathers = collectives(costs.gathers, replicas, s)};
  }

  std::uint32_t message(const CostedMessage& message, const Replicas& replicas, int from, int to) {
    if (!message.over_network)
      return none;
    for (const int r : replicas)
      for (int i = 0; i < together_; ++i)
        links_.add(device(from, r, i), device(to, r, i));
    return links_.end_transfer();
  }

  std::vector<std::uint32_t> collectives(const std::vector<CostedCollective>& list, const Replicas& replicas, int s) {
    std::vector<std::uint32_t> transfers;
    for (const CostedCollective& collective : list)
      transfers.push_back(collective.network > Bytes{} ? rings(collective.group, replicas, s) : none);
    return transfers;
  }

  /// Those of one group load the same links, whatever they carry.
  std::uint32_t rings(Group group, const Replicas& replicas, int s) {
    const GroupShape shape = graph_.groups.at(group);
    const bool between_replicas = group != Group::embedding && coordinate((shape.size - 1) * shape.stride, data_) > 0;
    auto& known = between_replicas ? rings_between_replicas_ : rings_;
    const auto [found, fresh] = known.try_emplace({group, group == Group::embedding ? 0 : s}, none);
    if (fresh) {
      add_rings(shape, found->first.second, between_replicas ? all_ : replicas, group != Group::embedding);
      found->second = links_.end_transfer();
    }
    return found->second;
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
        add_ring_over_domains(links_, topology_, members);
      }
    }
  }

  const Topology& topology_;
  const CostedGraph& graph_;
  int stages_;
  GroupShape pipeline_;
  GroupShape data_;
  int together_; ///< ranks of a stage of a replica
  const ReplicaFold& fold_;
  Replicas all_;
  LinkClasses links_;
  std::map<std::pair<Group, int>, std::uint32_t> rings_; ///< of the replicas at hand, by group and stage
  std::map<std::pair<Group, int>, std::uint32_t> rings_between_replicas_;
};

} // namespace

StepTraffic step_traffic(const Topology& topology, const CostedGraph& graph, const ReplicaFold& fold) {
  return TrafficPlanner(topology, graph, fold).plan();
}

} // namespace orrery
