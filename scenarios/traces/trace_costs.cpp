#include "scenarios/traces/trace_costs.hpp"

#include "hardware/topology.hpp"
#include "models/collective_cost.hpp"
#include "models/kernel_cost.hpp"
#include "sim/engine/link_loads.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

namespace orrery {

namespace {

using Index = std::uint32_t;

struct CollectiveShape {
  CollectiveKind kind = CollectiveKind::all_reduce;
  Bytes bytes; ///< the full buffer
};

CollectiveShape shape_of(chakra::CollectiveType type, Bytes put_in, std::size_t members) {
  switch (type) {
  case chakra::CollectiveType::all_reduce:
    return {CollectiveKind::all_reduce, put_in};
  case chakra::CollectiveType::all_gather:
  case chakra::CollectiveType::gather:
    return {CollectiveKind::all_gather, put_in * static_cast<double>(members)};
  case chakra::CollectiveType::reduce_scatter:
  case chakra::CollectiveType::scatter:
    return {CollectiveKind::reduce_scatter, put_in};
  case chakra::CollectiveType::broadcast:
  case chakra::CollectiveType::reduce:
    return {CollectiveKind::broadcast, put_in};
  case chakra::CollectiveType::all_to_all:
    return {CollectiveKind::all_to_all, put_in};
  case chakra::CollectiveType::barrier:
    break;
  }
  return {CollectiveKind::all_reduce, Bytes{4}};
}

class Coster {
public:
  Coster(const TraceGraph& graph, const TraceJob& job, const Cluster& cluster, const Calibration& calibration, bool share_links)
      : graph_(graph), job_(job), cluster_(cluster), alone_(cluster), topology_(cluster), counter_(topology_),
        kernels_(cluster.node.device, calibration), collectives_(cluster, calibration), share_links_(share_links) {
    domain_ = 1;
    while (domain_ < topology_.devices() && topology_.domain_of(domain_) == 0)
      ++domain_;
    // Groups inside one domain are placed as if there were no other.
    if (domain_ < topology_.devices())
      alone_.nodes = std::max(1, domain_ / cluster.node.devices);
  }

  TraceCosts cost() {
    ReplayGraph& replay = costs_.replay;
    replay.ranks = static_cast<int>(graph_.ranks.size());
    replay.queues = static_cast<Index>(graph_.groups.size());
    for (Index i = 0; i < graph_.tasks.size(); ++i)
      replay.tasks.push_back(task(i));
    for (Index t = 0; t < graph_.transfers.size(); ++t)
      add_transfer(t);
    if (share_links_)
      finish_routes();
    return std::move(costs_);
  }

private:
  /// Transfers that load the same links and have a bandwidth of their own in common.
  struct Class {
    bool collective = false;
    std::uint64_t way = 0; ///< group, or source and destination
    double bytes = 0;
    friend auto operator<=>(const Class&, const Class&) = default;
  };

  ReplayTask task(Index i) {
    const chakra::Node& node = graph_.node(i);
    ReplayTask task{.rank = graph_.tasks[i].rank, .dependencies = graph_.dependencies[i]};
    if (node.kind == chakra::NodeKind::compute && !node.on_host)
      task.time = compute_time(node);
    else if (node.kind == chakra::NodeKind::compute)
      task.lane = ReplayLane::host, task.time = recorded_time(node);
    else if (node.kind == chakra::NodeKind::memory_load || node.kind == chakra::NodeKind::memory_store)
      task.lane = ReplayLane::memory, task.time = memory_time(node);
    return task;
  }

  Seconds recorded_time(const chakra::Node& node) {
    ++(node.duration > Seconds{} ? costs_.counts.recorded : costs_.counts.untimed);
    return node.duration;
  }

  Seconds compute_time(const chakra::Node& node) {
    if (node.operations <= Flops{} || job_.recorded)
      return recorded_time(node);
    ++costs_.counts.roofline;
    const auto [found, fresh] = priced_.try_emplace({node.operations.si(), node.tensor.si()});
    if (fresh)
      found->second = roofline(node.operations, node.tensor);
    return found->second;
  }

  Seconds roofline(Flops operations, Bytes tensor) {
    const double edge = std::cbrt(operations.si() / 2);
    const OpCost product =
        kernels_.cost({.name = "trace", .precision = job_.precision, .shape = Matmul{.batch = 1, .m = edge, .n = edge, .k = edge}});
    const OpCost stream = kernels_.cost({.name = "trace",
                                         .op_class = OpClass::elementwise,
                                         .precision = job_.precision,
                                         .shape = Streaming{.read = tensor, .written = {}, .flops = {}}});
    const OpCost& longer = stream.time > product.time ? stream : product;
    costs_.assumed = costs_.assumed || longer.assumed;
    return longer.time;
  }

  Seconds memory_time(const chakra::Node& node) {
    const BytesPerSecond link = cluster_.node.host.device_link;
    if (node.duration > Seconds{} || node.tensor <= Bytes{} || link <= BytesPerSecond{})
      return recorded_time(node);
    ++costs_.counts.roofline;
    return node.tensor / link;
  }

  /// How the ranks of a group sit, and only they communicate. Between domains, regular ranks stand for irregular ones.
  [[nodiscard]] GroupPlacement placement(const std::vector<int>& ranks) const {
    const auto size = static_cast<int>(ranks.size());
    std::map<int, int> in_domain;
    std::map<int, int> in_node;
    int most = 0;
    int active = 0;
    bool regular = true;
    for (std::size_t i = 0; i < ranks.size(); ++i) {
      most = std::max(most, ++in_domain[topology_.domain_of(ranks[i])]);
      active = std::max(active, ++in_node[topology_.node_of(ranks[i])]);
      regular = regular && (i == 0 || ranks[i] - ranks[i - 1] == ranks[1] - ranks[0]);
    }
    if (in_domain.size() == 1)
      return place_group(alone_, {.size = size, .stride = regular ? ranks[1] - ranks[0] : 1}, active);
    GroupPlacement placed = place_group(cluster_, {.size = size, .stride = std::max(1, domain_ / most)}, active);
    placed.domains = static_cast<int>(in_domain.size());
    placed.per_domain = placed.fewest = most;
    for (const auto& [domain, members] : in_domain)
      placed.fewest = std::min(placed.fewest, members);
    return placed;
  }

  void add_transfer(Index index) {
    const TraceTransfer& transfer = graph_.transfers[index];
    ReplayTransfer out{.starters = transfer.collective ? static_cast<Index>(transfer.tasks.size()) : 1};
    for (const Index member : transfer.tasks)
      costs_.replay.tasks[member].transfer = index;
    if (transfer.collective) {
      out.queue = transfer.group;
      add_collective(transfer, out);
    } else {
      costs_.replay.tasks[transfer.tasks.back()].starts_transfer = false;
      add_message(transfer, out);
    }
    costs_.replay.transfers.push_back(out);
  }

  void add_collective(const TraceTransfer& transfer, ReplayTransfer& out) {
    const std::vector<int>& ranks = graph_.groups[transfer.group];
    ++costs_.counts.collectives;
    if (ranks.size() == 1) {
      ++costs_.counts.lone;
      return;
    }
    auto [placed, fresh] = placements_.try_emplace(transfer.group);
    if (fresh)
      placed->second = placement(ranks);
    const CollectiveShape shape = shape_of(transfer.type, transfer.bytes, ranks.size());
    const CollectiveCost cost = collectives_.cost(shape.kind, shape.bytes, placed->second);
    out.time = cost.time;
    out.latency = cost.latency;
    out.bytes = cost.network_bytes;
    if (cost.network_bytes > Bytes{} && cost.time > cost.latency && share_links_)
      out.route = route({true, transfer.group, out.bytes.si()}, out, [&] { add_ring_over_domains(counter_, topology_, ranks); });
  }

  void add_message(const TraceTransfer& transfer, ReplayTransfer& out) {
    ++costs_.counts.messages;
    const auto from = static_cast<int>(graph_.tasks[transfer.tasks.front()].rank);
    const auto to = static_cast<int>(graph_.tasks[transfer.tasks.back()].rank);
    const bool inside = topology_.domain_of(from) == topology_.domain_of(to);
    const CostedMessage message = collectives_.message(transfer.bytes, inside ? place_group(alone_, {.size = 2, .stride = 1}, 1)
                                                                              : place_group(cluster_, {.size = 2, .stride = domain_}, 1));
    out.time = message.time();
    out.latency = message.latency;
    out.bytes = transfer.bytes;
    if (!inside && transfer.bytes > Bytes{} && share_links_)
      out.route = route({false, static_cast<std::uint64_t>(from) << 32U | static_cast<std::uint32_t>(to), out.bytes.si()}, out,
                        [&] { counter_.add(from, to); });
  }

  /// The number of a route: the links of its way, and one of its own that keeps it to its costed bandwidth.
  template <class Load> Index route(const Class& key, const ReplayTransfer& transfer, Load load) {
    const auto [found, fresh] = routes_.try_emplace(key, static_cast<Index>(costs_.replay.routes.size()));
    if (fresh) {
      load();
      costs_.replay.routes.push_back(counter_.take());
      own_.push_back(transfer.bytes / (transfer.time - transfer.latency));
      collective_.push_back(key.collective);
    }
    return found->second;
  }

  void finish_routes() {
    ReplayGraph& replay = costs_.replay;
    std::vector<std::vector<LinkLoad>*> routes;
    for (std::vector<LinkLoad>& route : replay.routes)
      routes.push_back(&route);
    replay.network = used_links(topology_, routes);
    for (std::size_t i = 0; i < routes.size(); ++i) {
      routes[i]->push_back({.link = static_cast<Index>(replay.network.links.size()), .weight = 1});
      replay.network.links.push_back({fmt::format("transfer {}", i), own_[i]});
    }
    std::vector<BytesPerSecond> bandwidths;
    for (const NetworkLink& link : replay.network.links)
      bandwidths.push_back(link.bandwidth);
    const std::vector<std::uint32_t> users = fold_links(bandwidths, routes);
    // A collective that is alone on the one link left to it is of known length. Messages of one pair may still meet there.
    for (ReplayTransfer& transfer : replay.transfers) {
      if (transfer.route == no_index || !collective_[transfer.route] || replay.routes[transfer.route].size() != 1)
        continue;
      const LinkLoad load = replay.routes[transfer.route].front();
      if (users[load.link] > 1)
        continue;
      transfer.time = std::max(transfer.time, transfer.latency + transfer.bytes * load.weight / bandwidths[load.link]);
      transfer.route = no_index;
    }
  }

  const TraceGraph& graph_;
  const TraceJob& job_;
  const Cluster& cluster_;
  Cluster alone_; ///< one scale-up domain of it
  Topology topology_;
  LoadCounter counter_;
  KernelModel kernels_;
  CollectiveModel collectives_;
  bool share_links_;
  int domain_ = 1;
  TraceCosts costs_;
  std::map<std::pair<double, double>, Seconds> priced_; ///< by FLOPs and bytes
  std::map<Index, GroupPlacement> placements_;
  std::map<Class, Index> routes_;
  std::vector<BytesPerSecond> own_; ///< by route
  std::vector<bool> collective_;    ///< by route
};

} // namespace

TraceCosts trace_costs(const TraceGraph& graph, const TraceJob& job, const Cluster& cluster, const Calibration& calibration,
                       bool share_links) {
  return Coster(graph, job, cluster, calibration, share_links).cost();
}

} // namespace orrery
