#include "hardware/topology.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>

namespace orrery {

namespace {

int ceil_div(int a, int b) { return (a + b - 1) / b; }

/// SplitMix64: all bits of the input reach all bits of the result.
std::uint64_t mixed(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27U)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31U);
}

int domain_size(const Cluster& cluster) {
  const ScaleUp& scale_up = cluster.node.scale_up;
  if (scale_up.kind == ScaleUpKind::torus)
    return cluster.devices();
  if (scale_up.kind == ScaleUpKind::none)
    return 1;
  return scale_up.domain > 0 ? scale_up.domain : cluster.node.devices;
}

/// Whether devices of one node reach each other over the host where no scale-up network joins them.
bool joined_by_host(const NodeType& node, int domain) {
  return node.scale_up.root_bandwidth > BytesPerSecond{} && node.devices > 1 && domain <= node.devices;
}

constexpr LinkId id(int index) { return static_cast<LinkId>(index); }

} // namespace

TreeSize tree_size(const Cluster& cluster) {
  const Fabric& fabric = cluster.fabric;
  const int ports = std::min(cluster.node.nics.count, cluster.node.devices);
  if (ports == 0 || (fabric.kind != FabricKind::rail_fat_tree && fabric.kind != FabricKind::fat_tree))
    return {};
  TreeSize tree;
  tree.rails = fabric.kind == FabricKind::rail_fat_tree ? ports : 1;
  tree.per_leaf = std::min(fabric.nodes_per_leaf, cluster.nodes);
  tree.leaves = std::ceil(static_cast<double>(cluster.nodes) / tree.per_leaf) * tree.rails;
  const int ports_of_leaf = tree.per_leaf * (ports / tree.rails);
  tree.up_ports = ports_of_leaf / fabric.oversubscription;
  // The tolerance keeps an exact division from being rounded up by its last bit.
  if (tree.leaves > 1)
    tree.spines = fabric.spines > 0 ? fabric.spines : std::max(1.0, std::ceil(tree.up_ports * (1 - 1e-12)));
  return tree;
}

double link_count(const Cluster& cluster) {
  const double devices = static_cast<double>(cluster.nodes) * cluster.node.devices;
  if (cluster.fabric.kind == FabricKind::torus)
    return devices * 2 * static_cast<double>(cluster.fabric.torus.size());
  const double domain = domain_size(cluster);
  double links = 0;
  if (cluster.node.scale_up.kind == ScaleUpKind::switched)
    links += 2 * devices;
  else if (cluster.node.scale_up.kind == ScaleUpKind::mesh)
    links += std::ceil(devices / domain) * domain * (domain - 1);
  if (joined_by_host(cluster.node, domain_size(cluster)))
    links += 2 * devices + cluster.nodes;
  const TreeSize tree = tree_size(cluster);
  if (tree.leaves > 0)
    links += 2.0 * cluster.nodes * std::min(cluster.node.nics.count, cluster.node.devices);
  return links + 2 * tree.leaves * tree.spines;
}

Topology::Topology(const Cluster& cluster)
    : devices_(cluster.devices()), per_node_(cluster.node.devices), domain_(domain_size(cluster)),
      ports_(std::min(cluster.node.nics.count, cluster.node.devices)), kind_(cluster.node.scale_up.kind) {
  add_scale_up(cluster.node);
  first_nic_ = id(static_cast<int>(links_.size()));
  first_spine_ = first_nic_;
  const TreeSize tree = tree_size(cluster);
  if (tree.leaves > 0)
    add_network(cluster.node.nics, cluster.fabric.hop_latency, tree);
  first_torus_ = id(static_cast<int>(links_.size()));
  if (cluster.fabric.kind == FabricKind::torus)
    add_torus(cluster.node.scale_up.bandwidth, cluster.fabric);
}

LinkId Topology::add(BytesPerSecond bandwidth, Seconds latency, LinkClass kind, LinkDirection direction) {
  links_.push_back(TopologyLink{.bandwidth = bandwidth, .latency = latency, .kind = kind, .direction = direction});
  return id(static_cast<int>(links_.size()) - 1);
}

void Topology::add_scale_up(const NodeType& node) {
  const ScaleUp& scale_up = node.scale_up;
  const Seconds half = scale_up.latency / 2;
  if (kind_ == ScaleUpKind::switched) {
    for (int device = 0; device < devices_; ++device) {
      add(scale_up.bandwidth, half, LinkClass::scale_up, LinkDirection::up);
      add(scale_up.bandwidth, half, LinkClass::scale_up, LinkDirection::down);
    }
  } else if (kind_ == ScaleUpKind::mesh && domain_ > 1) {
    const int pairs = ceil_div(devices_, domain_) * domain_ * (domain_ - 1);
    for (int pair = 0; pair < pairs; ++pair)
      add(scale_up.bandwidth / (domain_ - 1), scale_up.latency, LinkClass::scale_up, LinkDirection::none);
  }
  first_pcie_ = first_root_ = id(static_cast<int>(links_.size()));
  if (!joined_by_host(node, domain_))
    return;
  const BytesPerSecond own = kind_ == ScaleUpKind::pcie ? scale_up.bandwidth : node.host.device_link;
  for (int device = 0; device < devices_; ++device) {
    add(own, half, LinkClass::pcie, LinkDirection::up);
    add(own, half, LinkClass::pcie, LinkDirection::down);
  }
  first_root_ = id(static_cast<int>(links_.size()));
  for (int root = 0; root < devices_ / per_node_; ++root)
    add(scale_up.root_bandwidth, Seconds{}, LinkClass::root, LinkDirection::none);
}

void Topology::add_network(const Nics& nics, Seconds hop_latency, const TreeSize& tree) {
  rails_ = tree.rails;
  per_leaf_ = tree.per_leaf;
  leaves_ = static_cast<int>(tree.leaves);
  spines_ = static_cast<int>(tree.spines);
  for (int port = 0; port < devices_ / per_node_ * ports_; ++port) {
    add(nics.bandwidth, nics.latency / 2, LinkClass::nic, LinkDirection::up);
    add(nics.bandwidth, nics.latency / 2, LinkClass::nic, LinkDirection::down);
  }
  first_spine_ = id(static_cast<int>(links_.size()));
  for (int pair = 0; pair < leaves_ * spines_; ++pair) {
    add(nics.bandwidth * tree.up_ports / tree.spines, hop_latency, LinkClass::spine, LinkDirection::up);
    add(nics.bandwidth * tree.up_ports / tree.spines, hop_latency, LinkClass::spine, LinkDirection::down);
  }
}

void Topology::add_torus(BytesPerSecond bandwidth, const Fabric& fabric) {
  torus_ = fabric.torus;
  const auto sides = static_cast<int>(2 * torus_.size());
  for (int side = 0; side < devices_ * sides; ++side)
    add(bandwidth / sides, fabric.hop_latency, LinkClass::torus, side % 2 == 0 ? LinkDirection::up : LinkDirection::down);
}

void Topology::step(LinkId id, Route& result) const {
  result.links.push_back(id);
  result.latency += links_[id].latency;
}

bool Topology::reaches_inside(int source, int destination) const {
  return kind_ != ScaleUpKind::none && domain_of(source) == domain_of(destination);
}

void Topology::route_inside(int source, int destination, Route& result) const {
  if (kind_ == ScaleUpKind::switched) {
    step(id(2 * source), result);
    step(id(2 * destination + 1), result);
  } else if (kind_ == ScaleUpKind::mesh) {
    const int from = source % domain_;
    const int to = destination % domain_;
    step(id((domain_of(source) * domain_ + from) * (domain_ - 1) + to - (to > from ? 1 : 0)), result);
  } else {
    route_through_root(source, destination, result);
  }
}

void Topology::route_through_root(int source, int destination, Route& result) const {
  step(first_pcie_ + id(2 * source), result);
  step(first_root_ + id(node_of(source)), result);
  step(first_pcie_ + id(2 * destination + 1), result);
}

void Topology::route_network(int source, int destination, std::uint64_t flow, Route& result) const {
  int sender = source;
  if (rails_ > 1 && port_of(source) != port_of(destination)) {
    const int across = node_of(source) * per_node_ + destination % per_node_;
    if (reaches_inside(source, across)) {
      route_inside(source, across, result);
      sender = across;
    }
  }
  assert(leaves_ > 0 && "devices that no scale-up network joins have ports");
  const int from = node_of(sender) * ports_ + port_of(sender);
  const int to = node_of(destination) * ports_ + port_of(destination);
  step(first_nic_ + id(2 * from), result);
  const int from_leaf = leaf_of(sender);
  const int to_leaf = leaf_of(destination);
  if (from_leaf != to_leaf) {
    const std::uint64_t key = (static_cast<std::uint64_t>(from) << 32U) | static_cast<std::uint32_t>(to);
    const auto spine = static_cast<int>(mixed(mixed(key) + flow) % static_cast<std::uint64_t>(spines_));
    step(first_spine_ + id(2 * (from_leaf * spines_ + spine)), result);
    step(first_spine_ + id(2 * (to_leaf * spines_ + spine) + 1), result);
  }
  step(first_nic_ + id(2 * to + 1), result);
}

void Topology::route_torus(int source, int destination, Route& result) const {
  const auto dimensions = static_cast<int>(torus_.size());
  int stride = 1;
  int at = source;
  for (int dimension = 0; dimension < dimensions; ++dimension) {
    const int size = torus_[static_cast<std::size_t>(dimension)];
    const int from = source / stride % size;
    const int to = destination / stride % size;
    const int ahead = (to - from + size) % size;
    // Half-way round both ways are as long: even places go ahead and odd ones back, so that both are used.
    const bool forward = 2 * ahead < size || (2 * ahead == size && from % 2 == 0);
    const int hops = forward ? ahead : size - ahead;
    int place = from;
    for (int hop = 0; hop < hops; ++hop) {
      step(first_torus_ + id((at * dimensions + dimension) * 2 + (forward ? 0 : 1)), result);
      const int next = (place + (forward ? 1 : size - 1)) % size;
      at += (next - place) * stride;
      place = next;
    }
    stride *= size;
  }
}

void Topology::route(int source, int destination, std::uint64_t flow, Route& result) const {
  assert(source >= 0 && source < devices_ && destination >= 0 && destination < devices_);
  result.links.clear();
  result.latency = Seconds{};
  if (source == destination)
    return;
  if (!torus_.empty())
    route_torus(source, destination, result);
  else if (reaches_inside(source, destination))
    route_inside(source, destination, result);
  else if (first_root_ != first_pcie_ && node_of(source) == node_of(destination))
    route_through_root(source, destination, result);
  else
    route_network(source, destination, flow, result);
}

Route Topology::route(int source, int destination, std::uint64_t flow) const {
  Route result;
  route(source, destination, flow, result);
  return result;
}

BytesPerSecond Topology::bottleneck(const Route& route) const {
  BytesPerSecond least;
  for (const LinkId id : route.links) {
    if (least == BytesPerSecond{} || links_[id].bandwidth < least)
      least = links_[id].bandwidth;
  }
  return least;
}

std::string Topology::name(LinkId link) const {
  const TopologyLink& it = links_[link];
  const char* const way = it.direction == LinkDirection::up ? "up" : "down";
  switch (it.kind) {
  case LinkClass::scale_up:
    if (it.direction == LinkDirection::none) {
      const auto peers = id(domain_ - 1);
      const LinkId from = link / peers;
      const LinkId local = from % id(domain_);
      const LinkId peer = link % peers;
      return fmt::format("device{}/scale-up/device{}", from, from - local + peer + (peer >= local ? 1 : 0));
    }
    return fmt::format("device{}/scale-up/{}", link / 2, way);
  case LinkClass::pcie:
    return fmt::format("device{}/pcie/{}", (link - first_pcie_) / 2, way);
  case LinkClass::root:
    return fmt::format("node{}/root", link - first_root_);
  case LinkClass::nic: {
    const LinkId port = (link - first_nic_) / 2;
    return fmt::format("node{}/nic{}/{}", port / id(ports_), port % id(ports_), way);
  }
  case LinkClass::spine: {
    const LinkId pair = (link - first_spine_) / 2;
    return fmt::format("leaf{}/spine{}/{}", pair / id(spines_), pair % id(spines_), way);
  }
  case LinkClass::torus:
    break;
  }
  const LinkId side = (link - first_torus_) / 2;
  const auto dimensions = id(static_cast<int>(torus_.size()));
  return fmt::format("device{}/torus{}/{}", side / dimensions, side % dimensions, it.direction == LinkDirection::up ? "ahead" : "back");
}

} // namespace orrery
