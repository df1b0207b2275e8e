#include "hardware/topology.hpp"

#include "sim/base/random.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace orrery {

namespace {

int ceil_div(int a, int b) { return (a + b - 1) / b; }

/// Whether devices of one node reach each other over the host where no scale-up network joins them.
bool joined_by_host(const NodeType& node, int domain) {
  return node.scale_up.root_bandwidth > BytesPerSecond{} && node.devices > 1 && domain <= node.devices;
}

constexpr LinkId id(int index) { return static_cast<LinkId>(index); }

} // namespace

int scale_up_domain(const Cluster& cluster) {
  const ScaleUp& scale_up = cluster.node.scale_up;
  if (scale_up.kind == ScaleUpKind::none)
    return 1;
  if (scale_up.kind != ScaleUpKind::torus)
    return std::max(1, scale_up.domain > 0 ? scale_up.domain : cluster.node.devices);
  double slice = 1; // what a user asks for may be beyond any integer
  for (const int size : cluster.fabric.torus)
    slice *= size;
  return static_cast<int>(std::min(slice, 2e9));
}

namespace {

/// Cubes of 4 x 4 x 4 side by side, as compactly as they go.
std::vector<int> slice_of_cubes(int cubes) {
  std::vector<int> best;
  for (int a = 1; a * a * a <= cubes; ++a)
    for (int b = a; a * b * b <= cubes; ++b)
      if (cubes % (a * b) == 0)
        if (const int c = cubes / (a * b); best.empty() || 4 * c <= best.back())
          best = {4 * a, 4 * b, 4 * c};
  return best;
}

} // namespace

std::vector<int> torus_slice(const NodeType& node, int devices) {
  if (node.scale_up.dimensions == 3 && devices > 0 && devices % 64 == 0)
    return slice_of_cubes(devices / 64);
  std::vector<int> sizes(static_cast<std::size_t>(std::max(1, node.scale_up.dimensions)), 1);
  int filled = 1;
  // The last of the shortest grows, which keeps them in ascending order of use: 4 x 4 x 8, then 4 x 8 x 8.
  for (; filled < devices; filled *= 2)
    *(std::min_element(sizes.rbegin(), sizes.rend())) *= 2;
  return filled == devices ? sizes : std::vector<int>{};
}

TreeSize tree_size(const Cluster& cluster) {
  const Fabric& fabric = cluster.fabric;
  const int ports = std::min(cluster.node.nics.count, cluster.node.devices);
  if (ports == 0 || fabric.kind == FabricKind::single_node ||
      (fabric.kind == FabricKind::torus && scale_up_domain(cluster) == cluster.devices()))
    return {};
  TreeSize tree;
  tree.rails = fabric.kind == FabricKind::rail_fat_tree ? ports : 1;
  tree.per_leaf = std::min(fabric.nodes_per_leaf, cluster.nodes);
  tree.leaves = std::ceil(static_cast<double>(cluster.nodes) / tree.per_leaf) * tree.rails;
  const int ports_of_leaf = tree.per_leaf * (ports / tree.rails);
  tree.up_ports = ports_of_leaf / fabric.oversubscription;
  // The tolerance keeps an exact division from being rounded up by its last bit.
  if (tree.leaves > 1 && fabric.kind != FabricKind::dragonfly)
    tree.spines = fabric.spines > 0 ? fabric.spines : std::max(1.0, std::ceil(tree.up_ports * (1 - 1e-12)));
  return tree;
}

double link_count(const Cluster& cluster) {
  const double devices = static_cast<double>(cluster.nodes) * cluster.node.devices;
  const double domain = scale_up_domain(cluster);
  double links = 0;
  if (cluster.fabric.kind == FabricKind::torus)
    links += devices * 2 * static_cast<double>(cluster.fabric.torus.size());
  if (cluster.node.scale_up.kind == ScaleUpKind::switched)
    links += 2 * devices;
  else if (cluster.node.scale_up.kind == ScaleUpKind::mesh)
    links += std::ceil(devices / domain) * domain * (domain - 1);
  if (joined_by_host(cluster.node, scale_up_domain(cluster)))
    links += 2 * devices + cluster.nodes;
  const TreeSize tree = tree_size(cluster);
  if (tree.leaves > 0)
    links += 2.0 * cluster.nodes * std::min(cluster.node.nics.count, cluster.node.devices);
  if (cluster.fabric.kind == FabricKind::dragonfly)
    return links + tree.leaves * cluster.fabric.routers * (cluster.fabric.routers - 1.0) + tree.leaves * (tree.leaves - 1);
  return links + 2 * tree.leaves * tree.spines;
}

Topology::Topology(const Cluster& cluster)
    : devices_(cluster.devices()), per_node_(cluster.node.devices), domain_(scale_up_domain(cluster)),
      ports_(std::min(cluster.node.nics.count, cluster.node.devices)), kind_(cluster.node.scale_up.kind),
      planned_(cluster.fabric.paths == PathKind::planned) {
  links_.reserve(static_cast<std::size_t>(link_count(cluster)));
  add_scale_up(cluster.node);
  first_nic_ = id(static_cast<int>(links_.size()));
  first_spine_ = first_local_ = first_global_ = first_nic_;
  const TreeSize tree = tree_size(cluster);
  if (tree.leaves > 0)
    add_network(cluster.node.nics, cluster.fabric.hop_latency, tree);
  if (cluster.fabric.kind == FabricKind::dragonfly && tree.leaves > 0)
    add_dragonfly(cluster.node.nics, cluster.fabric, tree);
  first_torus_ = id(static_cast<int>(links_.size()));
  if (cluster.fabric.kind == FabricKind::torus)
    add_torus(cluster.node.scale_up, cluster.fabric);
  for (const Degraded& slow : cluster.degraded)
    for (const LinkId link : find(slow.link))
      links_[link].bandwidth = links_[link].bandwidth * slow.factor;
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
    const int island = std::max(1, scale_up.island);
    const int pairs = ceil_div(devices_, domain_) * domain_ * (domain_ - 1);
    for (int pair = 0; pair < pairs; ++pair) {
      const int from = pair / (domain_ - 1) % domain_;
      const int peer = pair % (domain_ - 1);
      const bool together = from / island == (peer + (peer >= from ? 1 : 0)) / island;
      add(together ? scale_up.island_bandwidth / (island - 1) : scale_up.bandwidth / (domain_ - island), scale_up.latency,
          LinkClass::scale_up, LinkDirection::none);
    }
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

void Topology::add_dragonfly(const Nics& nics, const Fabric& fabric, const TreeSize& tree) {
  routers_ = fabric.routers;
  detour_ = fabric.detour;
  const int ports = per_leaf_ * ports_;
  // A balanced dragonfly has twice as many routers in a group as ports on a router, and joins two routers by one link (Kim et al., ISCA
  // 2008). Fewer routers have as many more links between two.
  const double local = std::max(1.0, 2.0 * ports / routers_ / routers_);
  first_local_ = id(static_cast<int>(links_.size()));
  for (int pair = 0; pair < leaves_ * routers_ * (routers_ - 1); ++pair)
    add(nics.bandwidth * local, fabric.hop_latency, LinkClass::local, LinkDirection::none);
  first_global_ = id(static_cast<int>(links_.size()));
  for (int pair = 0; pair < leaves_ * (leaves_ - 1); ++pair)
    add(nics.bandwidth * tree.up_ports / (leaves_ - 1), fabric.hop_latency, LinkClass::global, LinkDirection::none);
}

void Topology::add_torus(const ScaleUp& scale_up, const Fabric& fabric) {
  torus_ = fabric.torus;
  for (const int size : torus_)
    closes_.push_back(closes(scale_up, size));
  const auto sides = static_cast<int>(2 * torus_.size());
  const int links_of_device = scale_up.dimensions > 0 ? 2 * scale_up.dimensions : sides;
  for (int side = 0; side < devices_ * sides; ++side)
    add(scale_up.bandwidth / links_of_device, fabric.hop_latency, LinkClass::torus,
        side % 2 == 0 ? LinkDirection::up : LinkDirection::down);
}

void Topology::step(LinkId id, Route& result) const {
  result.links.push_back(id);
  result.latency += links_[id].latency;
}

bool Topology::reaches_inside(int source, int destination) const {
  return kind_ != ScaleUpKind::none && kind_ != ScaleUpKind::torus && domain_of(source) == domain_of(destination);
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
  const std::uint64_t key = (static_cast<std::uint64_t>(from) << 32U) | static_cast<std::uint32_t>(to);
  const int from_leaf = leaf_of(sender);
  const int to_leaf = leaf_of(destination);
  if (routers_ > 0) {
    route_dragonfly(from, to, mix_bits(mix_bits(key) + flow), result);
  } else if (from_leaf != to_leaf) {
    // Ports of one leaf count on by one from node to node where every rail has its own, from port to port otherwise.
    const int planned = (rails_ > 1 ? to / ports_ : to) % spines_;
    const int spine = planned_ ? planned : static_cast<int>(mix_bits(mix_bits(key) + flow) % static_cast<std::uint64_t>(spines_));
    step(first_spine_ + id(2 * (from_leaf * spines_ + spine)), result);
    step(first_spine_ + id(2 * (to_leaf * spines_ + spine) + 1), result);
  }
  step(first_nic_ + id(2 * to + 1), result);
}

int Topology::router(int port) const {
  // First the first port of every node, then the second one: the ports of a node are on different routers where these are enough.
  const int ports = per_leaf_ * ports_;
  const int place = port % ports_ * per_leaf_ + port / ports_ % per_leaf_;
  return static_cast<int>(static_cast<std::int64_t>(place) * routers_ / ports);
}

void Topology::step_local(int group, int from, int to, Route& result) const {
  if (from != to)
    step(first_local_ + id((group * routers_ + from) * (routers_ - 1) + to - (to > from ? 1 : 0)), result);
}

void Topology::step_global(int from, int to, Route& result) const {
  step(first_global_ + id(from * (leaves_ - 1) + to - (to > from ? 1 : 0)), result);
}

void Topology::route_dragonfly(int from_port, int to_port, std::uint64_t key, Route& result) const {
  const int ports = per_leaf_ * ports_;
  const int goal = to_port / ports;
  int group = from_port / ports;
  int at = router(from_port);
  const auto cross = [&](int next) {
    step_local(group, at, gateway(group, next), result);
    step_global(group, next, result);
    at = gateway(next, group);
    group = next;
  };
  constexpr std::uint64_t parts = 1U << 20U;
  if (group != goal && leaves_ > 2 && static_cast<double>(key % parts) < detour_ * static_cast<double>(parts)) {
    auto third = static_cast<int>((key / parts) % static_cast<std::uint64_t>(leaves_ - 2));
    for (const int taken : {std::min(group, goal), std::max(group, goal)})
      third += third >= taken ? 1 : 0;
    cross(third);
  }
  if (group != goal)
    cross(goal);
  step_local(goal, at, router(to_port), result);
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
    const bool shorter = 2 * ahead < size || (2 * ahead == size && from % 2 == 0);
    const bool forward = closes_[static_cast<std::size_t>(dimension)] ? shorter : to >= from;
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
  if (!torus_.empty() && domain_of(source) == domain_of(destination))
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

} // namespace orrery
