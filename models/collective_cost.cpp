#include "models/collective_cost.hpp"

#include "hardware/topology.hpp"
#include "models/kernel_cost.hpp"
#include "workloads/routing.hpp"
#include "workloads/software.hpp" // largest_own_reduce

#include <algorithm>
#include <cmath>
#include <limits>

namespace orrery {

namespace {

/// The worst factor among the degraded links whose names begin, or go on, in one of these ways.
double slowest(const Cluster& cluster, bool (*of_kind)(std::string_view name)) {
  double factor = 1;
  for (const Degraded& link : cluster.degraded)
    if (of_kind(link.link))
      factor = std::min(factor, link.factor);
  return factor;
}

constexpr int most_measured = 8; // ranks in the tables

bool is_nic(std::string_view name) { return name.starts_with("node") && name.find("/nic") != std::string_view::npos; }
bool is_up_link(std::string_view name) { return name.starts_with("leaf") || name.starts_with("group"); }
bool is_scale_up(std::string_view name) { return !is_nic(name) && !is_up_link(name); }

} // namespace

double wire_factor(CollectiveKind kind, int n) {
  if (n <= 1)
    return 0;
  const double others = static_cast<double>(n - 1) / n;
  switch (kind) {
  case CollectiveKind::all_reduce:
    return 2 * others;
  case CollectiveKind::broadcast:
    return 1;
  case CollectiveKind::all_gather:
  case CollectiveKind::reduce_scatter:
  case CollectiveKind::all_to_all:
    break;
  }
  return others;
}

double bulk_share(const CollectiveCurve& curve, int n) {
  return curve.share * (1 - curve.few_loss / std::min(n, most_measured)); // the gain of further ranks is not extrapolated
}

double collective_time(const CollectiveCurve& curve, int n, double wire) {
  const double floor = curve.floor.si() + (n - 2) * curve.floor_per_rank.si();
  return floor + 2 * std::sqrt((n - 1) * curve.step.si() * wire) + wire / bulk_share(curve, n);
}

CollectiveModel::CollectiveModel(const Cluster& cluster, const Calibration& calibration, EngineCollectives engine)
    : scale_up_(cluster.node.scale_up), domain_(scale_up_domain(cluster)), slowest_nic_(slowest(cluster, is_nic)),
      slowest_up_(slowest(cluster, is_up_link)), network_(calibration.network) {
  const double slowest_link = slowest(cluster, is_scale_up);
  scale_up_.bandwidth *= slowest_link;
  scale_up_.island_bandwidth *= slowest_link;
  scale_up_.root_bandwidth *= slowest_link;
  if (scale_up_.dimensions == 0)
    scale_up_.dimensions = std::max(1, static_cast<int>(cluster.fabric.torus.size()));
  // Up to a leaf and down again at least; a second stage of switches in the mean over a ring adds little.
  hop_ = network_.step + cluster.node.nics.latency + 2 * cluster.fabric.hop_latency;
  const std::string source = curve_architecture(cluster.node.device, calibration);
  const auto found = calibration.architectures.find(source);
  if (found == calibration.architectures.end())
    return;
  const bool carried = source != cluster.node.device.architecture;
  for (const auto& [kind, curve] : found->second.collective) {
    CollectiveCurve& own = curves_[static_cast<std::size_t>(kind)];
    own = curve;
    own.assumed = own.assumed || carried;
  }
  in_switch_ = found->second.in_switch;
  const bool reaches_all = scale_up_.kind == ScaleUpKind::switched || scale_up_.kind == ScaleUpKind::mesh;
  if (engine.all_reduce && reaches_all && scale_up_.island == 0) {
    one_shot_ = found->second.one_shot;
    two_shot_ = found->second.two_shot;
  }
  if (engine.exchange && reaches_all && scale_up_.island == 0) {
    exchange_ = found->second.exchange;
    if (engine.low_latency)
      exchange_low_latency_ = found->second.exchange_low_latency;
    if (exchange_ && domain_ <= most_measured)
      exchange_->share *= std::min(1.0, exchange_links.si() / scale_up_.bandwidth.si());
    experts_ = engine.experts;
  }
  if (found->second.send)
    send_ = *found->second.send;
}

BytesPerSecond CollectiveModel::wire_rate(int n) const {
  const int island = std::max(1, scale_up_.island);
  if (scale_up_.kind == ScaleUpKind::mesh && domain_ > island) {
    // Without islands: n of the domain's devices, each with a link to every other. With them: n islands of the domain's.
    const int parts = domain_ / island;
    return scale_up_.bandwidth * (std::min(n, parts) - 1.0) / (parts - 1.0);
  }
  // Every group of the node sends through the root at the same time.
  if (scale_up_.kind == ScaleUpKind::pcie && scale_up_.root_bandwidth.si() > 0)
    return std::min(scale_up_.bandwidth, scale_up_.root_bandwidth / domain_);
  return scale_up_.bandwidth;
}

double CollectiveModel::wire_time(CollectiveKind kind, Bytes bytes, int n, const GroupPlacement& placement) const {
  if (scale_up_.kind == ScaleUpKind::torus) {
    const BytesPerSecond link = scale_up_.bandwidth / (2 * scale_up_.dimensions);
    const double sent = wire_factor(kind, n) * (bytes / link).si();
    return kind == CollectiveKind::all_to_all ? sent * placement.torus.crossings : sent / placement.torus.lanes;
  }
  const int together = std::min(n, placement.per_island);
  if (scale_up_.island == 0)
    return (bytes * wire_factor(kind, n) / wire_rate(n)).si();
  const int islands = (n + together - 1) / together;
  const double own = (bytes * wire_factor(kind, together) / scale_up_.island_bandwidth).si();
  const double among = islands > 1 ? (bytes / together * wire_factor(kind, islands) / wire_rate(islands)).si() : 0;
  // An all-to-all does not shrink on its way out.
  return std::max(own, kind == CollectiveKind::all_to_all ? among * together : among);
}

/// An engine's kernel of n ranks, each of which sends so many bytes, where it beats `best`.
void CollectiveModel::attempt(const std::optional<CollectiveCurve>& curve, Bytes sent, int n, std::string_view name,
                              CollectiveCost& best) const {
  if (!curve)
    return;
  const double wire = (sent / wire_rate(n)).si();
  const int measured = std::min(n, most_measured); // a rank stores to all others at once
  const Seconds time{collective_time(*curve, measured, wire)};
  if (time < best.time)
    best = {.latency = time - Seconds{wire / bulk_share(*curve, measured)},
            .time = time,
            .scale_up_bytes = sent,
            .algorithm = name,
            .assumed = curve->assumed};
}

void CollectiveModel::try_engine(CollectiveKind kind, Bytes bytes, int n, CollectiveCost& best) const {
  if (kind == CollectiveKind::all_reduce && n <= most_measured && bytes.si() < largest_own_reduce) { // the engines' own limits
    attempt(one_shot_, bytes * one_shot_factor(n), n, "one-shot", best);
    attempt(two_shot_, bytes * wire_factor(kind, n), n, "two-shot", best);
  }
  if (kind == CollectiveKind::all_to_all && exchange_) {
    best.time = Seconds{std::numeric_limits<double>::infinity()}; // whatever the library would take
    attempt(exchange_, bytes * wire_factor(kind, n), n, "exchange", best);
    attempt(exchange_low_latency_, bytes * wire_factor(kind, n), n, "exchange", best);
  }
}

CollectiveCost CollectiveModel::inside(CollectiveKind kind, Bytes bytes, const GroupPlacement& placement) const {
  CollectiveCost cost;
  cost.algorithm = "none";
  const int n = placement.per_domain;
  if (n <= 1)
    return cost;
  const CollectiveCurve& curve = curves_[static_cast<std::size_t>(kind)];
  const bool torus = scale_up_.kind == ScaleUpKind::torus;
  cost.algorithm = kind == CollectiveKind::all_to_all ? "pairwise" : torus ? "torus" : "ring";
  cost.scale_up_bytes = bytes * wire_factor(kind, n);
  const double wire = wire_time(kind, bytes, n, placement);
  const int steps = torus ? static_cast<int>(placement.torus.hops) + 1 : n;
  const double bulk = wire / bulk_share(curve, n);
  cost.time = Seconds{collective_time(curve, std::max(2, steps), wire)};
  cost.latency = cost.time - Seconds{bulk};
  cost.assumed = curve.assumed;
  if (kind == CollectiveKind::all_reduce && scale_up_.in_switch_reduction) {
    const CollectiveCurve switch_curve = in_switch_.value_or(CollectiveCurve{.share = 0.57, .few_loss = 0});
    const double once = (bytes / wire_rate(n)).si();
    const Seconds time{collective_time(switch_curve, n, once)};
    if (time < cost.time) {
      cost.algorithm = "in-switch";
      cost.scale_up_bytes = bytes;
      cost.time = time;
      cost.latency = time - Seconds{once / bulk_share(switch_curve, n)};
      cost.assumed = switch_curve.assumed;
    }
  }
  try_engine(kind, bytes, n, cost);
  return cost;
}

Seconds CollectiveModel::carried(double sent, double rate) { return Seconds{rate > 0 ? sent / rate : 0}; }

/// Adds what happens between domains to what happens inside them.
CollectiveCost CollectiveModel::across(CollectiveCost cost, Seconds latency, Seconds outside, Bytes sent,
                                       std::string_view algorithm) const {
  const Seconds bulk_inside = cost.time - cost.latency;
  cost.latency += network_.floor + latency;
  cost.time = cost.latency + std::max(outside, bulk_inside);
  cost.network_bytes = sent;
  cost.algorithm = algorithm;
  cost.assumed = true;
  return cost;
}

/// Rows that cross the network between domains over those that leave for other ranks, where each goes once to a domain.
double CollectiveModel::crossing(const GroupPlacement& placement) const {
  const Experts& e = experts_;
  if (!exchange_ || e.count == 0)
    return 1;
  const double domains = placement.domains;
  double reached = ranks_reached(e.count, e.top_k, domains);
  if (e.groups > 1 && e.groups % placement.domains == 0) // a token's experts lie in so many groups
    reached = std::min(reached, ranks_reached(e.groups, e.top_groups, domains));
  return std::min(1.0, reached / ranks_reached(e.count, e.top_k, placement.size));
}

CollectiveCost CollectiveModel::all_to_all(Bytes bytes, const GroupPlacement& placement) const {
  const double n = placement.size;
  const int outside = placement.size - placement.fewest;
  const Bytes sent = bytes * (outside / n);
  const double share = network_.share * (placement.beyond_leaf > 0 ? slowest_up_ : 1);
  const Seconds time = std::max(carried(sent.si(), placement.nic_share.si() * network_.share * slowest_nic_),
                                carried(bytes.si() * placement.beyond_leaf, placement.spread_share.si() * share));
  const double once = crossing(placement);
  const CollectiveCost flat = across(inside(CollectiveKind::all_to_all, bytes * (placement.per_domain / n), placement),
                                     hop_ + (exchange_ ? 0 : outside - 1) * network_.step, time, sent, "network pairwise");
  const CollectiveCost hierarchical = across(inside(CollectiveKind::all_to_all, bytes, placement), (placement.domains - 1) * hop_,
                                             once * time, once * sent, "network hierarchical");
  return hierarchical.time < flat.time ? hierarchical : flat;
}

CollectiveCost CollectiveModel::cost(CollectiveKind kind, Bytes bytes, const GroupPlacement& placement) const {
  if (placement.domains <= 1)
    return inside(kind, bytes, placement);
  if (kind == CollectiveKind::all_to_all)
    return all_to_all(bytes, placement);
  const double d = placement.domains;
  const double p = placement.fewest;
  const double up = placement.beyond_leaf > 0 ? slowest_up_ : 1;
  const double rate = std::min(placement.nic_share.si() * slowest_nic_, placement.ring_share.si() * up) * network_.share;
  const double passes = kind == CollectiveKind::all_reduce ? 2 : 1;
  const double ring_sent = wire_factor(kind, placement.size) * bytes.si() / p; // by one rank through its NIC
  // A ring passes through every member of a domain before it leaves for the next.
  const Seconds through = (p - 1) * curves_[static_cast<std::size_t>(kind)].floor_per_rank;
  const Seconds ring_latency = passes * (d - 1) * (hop_ + through);
  const Seconds ring = carried(ring_sent, rate);
  const CollectiveCost within = inside(kind, bytes, placement);
  if (kind == CollectiveKind::all_reduce || kind == CollectiveKind::broadcast) {
    const double tree_sent = passes * bytes.si() / p;
    const Seconds tree_latency = passes * std::ceil(std::log2(d)) * hop_;
    const Seconds tree = carried(tree_sent, rate);
    if (tree_latency + tree < ring_latency + ring)
      return across(within, tree_latency, tree, Bytes{tree_sent}, "network tree");
  }
  return across(within, ring_latency, ring, Bytes{ring_sent}, "network ring");
}

CostedMessage CollectiveModel::message(Bytes bytes, const GroupPlacement& placement) const {
  CostedMessage message;
  if (placement.size <= 1 || bytes.si() <= 0)
    return message;
  message.bytes = bytes;
  if (placement.domains > 1) {
    const double up = placement.beyond_leaf > 0 ? slowest_up_ : 1;
    message.over_network = true;
    message.latency = network_.floor + hop_;
    message.bandwidth = std::min(placement.nic_share * slowest_nic_, placement.far_share * up) * network_.send_share;
    return message;
  }
  const double wire = wire_time(CollectiveKind::broadcast, bytes, 2, placement);
  message.bandwidth = bytes / Seconds{wire} * bulk_share(send_, 2);
  message.latency = Seconds{collective_time(send_, 2, wire)} - bytes / message.bandwidth;
  return message;
}

} // namespace orrery
