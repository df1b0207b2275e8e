#include "models/collective_cost.hpp"

#include "models/kernel_cost.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {

namespace {

int domain_size(const Cluster& cluster) {
  const ScaleUp& scale_up = cluster.node.scale_up;
  if (scale_up.kind == ScaleUpKind::none)
    return 1;
  return std::max(1, scale_up.domain > 0 ? scale_up.domain : cluster.node.devices);
}

} // namespace

GroupPlacement place_group(const Cluster& cluster, GroupShape shape, int active_per_node) {
  const int domain = domain_size(cluster);
  GroupPlacement placement;
  placement.size = std::max(1, shape.size);
  const int stride = std::max(1, shape.stride);
  const int span = placement.size * stride; // ranks covered by the group and its siblings
  const int within = std::max(1, domain / stride);
  if (span <= domain) {
    // A span that does not divide the domain makes some group lie across two.
    const bool straddles = domain % span != 0 && cluster.devices() > domain;
    placement.domains = straddles && placement.size > 1 ? 2 : 1;
    placement.per_domain = straddles ? (placement.size + 1) / 2 : placement.size;
  } else {
    placement.per_domain = std::min(placement.size, within);
    placement.domains = (placement.size + placement.per_domain - 1) / placement.per_domain;
  }
  const int devices = std::max(1, cluster.node.devices);
  const int active = active_per_node > 0 ? std::min(active_per_node, devices) : devices;
  const double nics = cluster.node.nics.count;
  // A rank reaches one NIC at most, however few others are active.
  placement.nic_share = cluster.node.nics.bandwidth * std::min(1.0, nics / active);
  return placement;
}

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
  constexpr int largest_measured = 8; // the gain of further ranks is not extrapolated
  return curve.share * (1 - curve.few_loss / std::min(n, largest_measured));
}

double collective_time(const CollectiveCurve& curve, int n, double wire) {
  const double floor = curve.floor.si() + (n - 2) * curve.floor_per_rank.si();
  return floor + 2 * std::sqrt((n - 1) * curve.step.si() * wire) + wire / bulk_share(curve, n);
}

CollectiveModel::CollectiveModel(const Cluster& cluster, const Calibration& calibration)
    : scale_up_(cluster.node.scale_up), domain_(domain_size(cluster)), network_(calibration.network) {
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
  if (found->second.send)
    send_ = *found->second.send;
}

BytesPerSecond CollectiveModel::wire_rate(int n) const {
  if (scale_up_.kind == ScaleUpKind::mesh && domain_ > 1)
    return scale_up_.bandwidth * (std::min(n, domain_) - 1.0) / (domain_ - 1.0);
  // Every group of the node sends through the root at the same time.
  if (scale_up_.kind == ScaleUpKind::pcie && scale_up_.root_bandwidth.si() > 0)
    return std::min(scale_up_.bandwidth, scale_up_.root_bandwidth / domain_);
  return scale_up_.bandwidth;
}

CollectiveCost CollectiveModel::inside(CollectiveKind kind, Bytes bytes, int n) const {
  CollectiveCost cost;
  cost.algorithm = "none";
  if (n <= 1)
    return cost;
  const CollectiveCurve& curve = curves_[static_cast<std::size_t>(kind)];
  cost.algorithm = kind == CollectiveKind::all_to_all ? "pairwise" : "ring";
  cost.scale_up_bytes = bytes * wire_factor(kind, n);
  const double wire = (cost.scale_up_bytes / wire_rate(n)).si();
  cost.time = Seconds{collective_time(curve, n, wire)};
  cost.latency = cost.time - Seconds{wire / bulk_share(curve, n)};
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
  return cost;
}

CollectiveCost CollectiveModel::cost(CollectiveKind kind, Bytes bytes, const GroupPlacement& placement) const {
  CollectiveCost cost = inside(kind, bytes, placement.domains > 1 ? placement.per_domain : placement.size);
  if (placement.domains <= 1)
    return cost;
  const double d = placement.domains;
  const double p = placement.per_domain;
  const double rate = placement.nic_share.si() * network_.share;
  const double passes = kind == CollectiveKind::all_reduce ? 2 : 1;
  double sent = wire_factor(kind, placement.size) * bytes.si() / p; // by one rank through its NIC
  double hops = passes * (d - 1);
  std::string_view algorithm = "network ring";
  if (kind == CollectiveKind::all_to_all) {
    sent = bytes.si() * (placement.size - p) / placement.size;
    algorithm = "network pairwise";
  } else if (kind == CollectiveKind::all_reduce || kind == CollectiveKind::broadcast) {
    const double tree_sent = passes * bytes.si() / p * (d > 2 ? 1.0 : 0.5);
    const double tree_hops = passes * std::ceil(std::log2(d));
    if (tree_hops * hop_.si() + tree_sent / rate < hops * hop_.si() + sent / rate) {
      sent = tree_sent;
      hops = tree_hops;
      algorithm = "network tree";
    }
  }
  const Seconds latency = network_.floor + hops * hop_;
  const Seconds outside{rate > 0 ? sent / rate : 0};
  const Seconds bulk_inside = cost.time - cost.latency;
  cost.latency += latency;
  cost.time = cost.latency + std::max(outside, bulk_inside);
  cost.network_bytes = Bytes{sent};
  cost.algorithm = algorithm;
  cost.assumed = true;
  return cost;
}

CostedMessage CollectiveModel::message(Bytes bytes, const GroupPlacement& placement) const {
  CostedMessage message;
  if (placement.size <= 1 || bytes.si() <= 0)
    return message;
  message.bytes = bytes;
  if (placement.domains > 1) {
    message.over_network = true;
    message.latency = network_.floor + hop_;
    message.bandwidth = placement.nic_share * network_.send_share;
    return message;
  }
  const BytesPerSecond rate = wire_rate(2);
  message.bandwidth = rate * bulk_share(send_, 2);
  message.latency = Seconds{collective_time(send_, 2, (bytes / rate).si())} - bytes / message.bandwidth;
  return message;
}

} // namespace orrery
