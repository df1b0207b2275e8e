// Where the ranks of a group sit.
#include "hardware/topology.hpp"
#include "models/collective_cost.hpp"

#include <algorithm>
#include <cstdlib>

namespace orrery {

namespace {

/// Members of the group in the domains that it touches. Ranks `stride` apart with `stride` below the domain.
void spread_over_domains(GroupPlacement& placement, int stride, int domain, bool one_domain) {
  const int size = placement.size;
  const int span = size * stride; // ranks covered by the group and its siblings
  if (one_domain || (span <= domain && domain % span == 0)) {
    placement.per_domain = placement.fewest = size;
    return;
  }
  if (domain % stride != 0) {
    // Some group begins on the last rank of a domain.
    placement.domains = (domain - 1 + (size - 1) * stride) / domain + 1;
    placement.per_domain = std::min(size - 1, (domain + stride - 1) / stride);
    placement.fewest = 1;
    return;
  }
  // A group is a run of neighbouring places, `slots` to a domain. Runs begin at multiples of their greatest common divisor: the worst one
  // leaves that many in its first domain.
  const int slots = domain / stride;
  int common = slots;
  for (int rest = size % slots; rest != 0;) {
    const int next = common % rest;
    common = rest;
    rest = next;
  }
  placement.domains = (slots - common + size + slots - 1) / slots;
  placement.per_domain = size >= slots + common || common == slots ? slots : size - common;
  placement.fewest = common;
}

/// Walks the dimensions of a torus from the one that neighbouring ranks fill first.
TorusPaths on_torus(const Cluster& cluster, int members, int stride) {
  TorusPaths paths;
  int left = members;
  int step = stride;
  for (const int size : cluster.fabric.torus) {
    if (left <= 1)
      break;
    if (step >= size) {
      step = std::max(1, step / size);
      continue;
    }
    const int filled = std::min(left, size / step);
    // Siblings between two members of the group use the same links.
    const bool ring = filled * step == size && closes(cluster.node.scale_up, size);
    paths.lanes += (ring ? 2.0 : 1.0) / step;
    paths.hops += ring ? filled * step / 2 : (filled - 1) * step;
    paths.crossings = std::max(paths.crossings, filled * step * (ring ? 0.125 : 0.25));
    left = (left + filled - 1) / filled;
    step = 1;
  }
  return paths;
}

/// Shares of the NICs while `active` devices of a node send.
void share_nics(const Cluster& cluster, int active, GroupPlacement& placement) {
  const double nics = cluster.node.nics.count;
  // A rank reaches one NIC at most, however few others are active.
  placement.nic_share = cluster.node.nics.bandwidth * std::min(1.0, nics / active);
  placement.ring_share = placement.spread_share = placement.far_share = placement.nic_share;
}

/// Shares of the links up from a leaf, or out of a dragonfly group, for a group with `per_leaf` of its domains there.
void share_up_links(const Cluster& cluster, int active, int per_leaf, GroupPlacement& placement) {
  const Fabric& fabric = cluster.fabric;
  const int leaves = (cluster.nodes + fabric.nodes_per_leaf - 1) / fabric.nodes_per_leaf;
  if (leaves <= 1 || placement.domains <= per_leaf)
    return;
  placement.beyond_leaf = 1 - static_cast<double>(per_leaf) / placement.domains;
  const BytesPerSecond ports = cluster.node.nics.bandwidth * static_cast<double>(cluster.node.nics.count);
  BytesPerSecond far = ports / (active * fabric.oversubscription);
  BytesPerSecond spread = far;
  if (fabric.kind == FabricKind::dragonfly && leaves > 2) {
    // A detour takes two global links. To one other group there is one link; detours spread over all the others.
    spread = spread / (1 + fabric.detour);
    const double direct = 1 / ((leaves - 1) * std::max(1e-9, 1 - fabric.detour));
    const double round = fabric.detour > 0 ? (leaves - 2.0) / (leaves - 1) / (2 * fabric.detour) : 1;
    far = far * std::min({1.0, direct, round});
  }
  placement.spread_share = std::min(placement.nic_share, spread);
  placement.far_share = std::min(placement.nic_share, far);
  placement.ring_share = std::min(placement.nic_share, far * static_cast<double>(per_leaf));
}

int devices_of_leaf(const Cluster& cluster) { return cluster.fabric.nodes_per_leaf * cluster.node.devices; }

/// What lies inside a domain between members `stride` apart.
void place_inside(const Cluster& cluster, int stride, GroupPlacement& placement) {
  const int island = cluster.node.scale_up.island;
  if (stride < island)
    placement.per_island = std::min(placement.per_domain, island / stride);
  if (cluster.node.scale_up.kind == ScaleUpKind::torus && placement.per_domain > 1)
    placement.torus = on_torus(cluster, placement.per_domain, stride);
}

} // namespace

GroupPlacement place_group(const Cluster& cluster, GroupShape shape, int active_per_node) {
  const int domain = scale_up_domain(cluster);
  const int stride = std::max(1, shape.stride);
  GroupPlacement placement;
  placement.size = std::max(1, shape.size);
  if (placement.size > 1 && stride < domain)
    spread_over_domains(placement, stride, domain, cluster.devices() <= domain);
  else
    placement.domains = placement.size;
  place_inside(cluster, stride, placement);
  const int devices = std::max(1, cluster.node.devices);
  const int active = active_per_node > 0 ? std::min(active_per_node, devices) : devices;
  share_nics(cluster, active, placement);
  share_up_links(cluster, active, std::max(1, devices_of_leaf(cluster) / std::max(stride, domain)), placement);
  return placement;
}

GroupPlacement place_stages(const Cluster& cluster, int ranks_per_stage, int from, int to) {
  // Some rank of the stage and its partner lie in different units of so many devices.
  const auto apart = [&](int unit) {
    const int a = from * ranks_per_stage;
    const int b = to * ranks_per_stage;
    return a / unit != b / unit || (a + ranks_per_stage - 1) / unit != (b + ranks_per_stage - 1) / unit;
  };
  const bool crosses = apart(scale_up_domain(cluster));
  GroupPlacement placement{.size = 2, .per_domain = crosses ? 1 : 2, .fewest = crosses ? 1 : 2, .domains = crosses ? 2 : 1};
  if (!crosses)
    place_inside(cluster, std::abs(to - from) * ranks_per_stage, placement);
  const int active = std::min(ranks_per_stage, cluster.node.devices);
  share_nics(cluster, active, placement);
  share_up_links(cluster, active, apart(devices_of_leaf(cluster)) ? 1 : 2, placement);
  return placement;
}

} // namespace orrery
