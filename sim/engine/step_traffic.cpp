#include "sim/engine/step_traffic.hpp"

#include "sim/engine/link_loads.hpp"

#include <algorithm>
#include <cassert>

namespace orrery {

namespace {

class TrafficPlanner {
public:
  TrafficPlanner(const Topology& topology, const CostedGraph& graph, bool unfold)
      : topology_(topology), graph_(graph), stages_(static_cast<int>(graph.stages.size())), unfold_(unfold), counter_(topology) {
    assert(graph.tp * graph.replicas * stages_ <= topology.devices());
  }

  StepTraffic plan() {
    StepTraffic traffic;
    const int simulated = unfold_ ? graph_.replicas : 1;
    for (int r = 0; r < simulated; ++r)
      for (int s = 0; s < stages_; ++s)
        traffic.stages.push_back(stage(r, s));
    std::vector<Route> routes;
    for (StageTraffic& loads : traffic.stages) {
      routes.insert(routes.end(), {&loads.forward_send, &loads.backward_send});
      for (auto* list : {&loads.reductions, &loads.gathers})
        for (std::vector<LinkLoad>& route : *list)
          routes.push_back(&route);
    }
    traffic.network = used_links(topology_, routes);
    return traffic;
  }

private:
  using Route = std::vector<LinkLoad>*;

  [[nodiscard]] int device(int stage, int replica, int rank) const { return rank + graph_.tp * (replica + graph_.replicas * stage); }
  /// Replicas that one simulated replica stands for.
  [[nodiscard]] int first(int replica) const { return unfold_ ? replica : 0; }
  [[nodiscard]] int end(int replica) const { return unfold_ ? replica + 1 : graph_.replicas; }

  StageTraffic stage(int replica, int s) {
    const CostedStage& costs = graph_.stages[static_cast<std::size_t>(s)];
    return {.forward_send = message(costs.forward_send, replica, s, (s + 1) % stages_),
            .backward_send = message(costs.backward_send, replica, s, (s + stages_ - 1) % stages_),
            .reductions = collectives(costs.reductions, replica, s),
            .gathers = collectives(costs.gathers, replica, s)};
  }

  std::vector<LinkLoad> message(const CostedMessage& message, int replica, int from, int to) {
    if (!message.over_network)
      return {};
    for (int r = first(replica); r < end(replica); ++r)
      for (int rank = 0; rank < graph_.tp; ++rank)
        counter_.add(device(from, r, rank), device(to, r, rank));
    return counter_.take();
  }

  std::vector<std::vector<LinkLoad>> collectives(const std::vector<CostedCollective>& list, int replica, int s) {
    std::vector<std::vector<LinkLoad>> routes;
    for (const CostedCollective& collective : list) {
      if (collective.network > Bytes{} && collective.group == Group::data)
        add_data_rings(s);
      if (collective.network > Bytes{} && collective.group == Group::embedding)
        add_embedding_rings(replica);
      routes.push_back(counter_.take());
    }
    return routes;
  }

  void add_data_rings(int s) {
    std::vector<int> members;
    for (int rank = 0; rank < graph_.tp; ++rank) {
      members.clear();
      for (int r = 0; r < graph_.replicas; ++r)
        members.push_back(device(s, r, rank));
      add_ring_over_domains(members);
    }
  }

  void add_embedding_rings(int replica) {
    for (int r = first(replica); r < end(replica); ++r)
      for (int rank = 0; rank < graph_.tp; ++rank)
        add_ring_over_domains({device(0, r, rank), device(stages_ - 1, r, rank)});
  }

  /// Each member sends to the member at its position in the next domain.
  void add_ring_over_domains(const std::vector<int>& members) {
    std::vector<std::size_t> begins;
    for (std::size_t i = 0; i < members.size(); ++i)
      if (i == 0 || topology_.domain_of(members[i]) != topology_.domain_of(members[i - 1]))
        begins.push_back(i);
    if (begins.size() < 2)
      return;
    for (std::size_t d = 0; d < begins.size(); ++d) {
      const std::size_t stop = d + 1 < begins.size() ? begins[d + 1] : members.size();
      const std::size_t next = begins[(d + 1) % begins.size()];
      const std::size_t next_stop = (d + 1) % begins.size() + 1 < begins.size() ? begins[(d + 1) % begins.size() + 1] : members.size();
      for (std::size_t i = begins[d]; i < stop; ++i)
        counter_.add(members[i], members[std::min(next + (i - begins[d]), next_stop - 1)]);
    }
  }

  const Topology& topology_;
  const CostedGraph& graph_;
  int stages_;
  bool unfold_;
  LoadCounter counter_;
};

} // namespace

StepTraffic step_traffic(const Topology& topology, const CostedGraph& graph, bool unfold_replicas) {
  return TrafficPlanner(topology, graph, unfold_replicas).plan();
}

} // namespace orrery
