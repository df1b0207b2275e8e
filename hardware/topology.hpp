// The links of a cluster and the way between any two of its devices: plain values, no pair is stored.
//
// Devices are numbered 0 .. devices - 1, node by node; a scale-up domain holds neighbouring numbers. Inside a domain a transfer goes up and
// down the switch, over the link of the pair, through the root of the PCIe tree, or along the torus (dimension by dimension, the shorter
// way round). Between domains it goes NIC, leaf, where the leaves differ a spine chosen by a hash of the two ports or planned, leaf, NIC.
// Where every rail has leaves of its own, it first crosses to the device of its node that sits on the rail of the destination (PXN), if the
// scale-up network reaches it. In a dragonfly it goes NIC, router, over the router with the link to the other group, where a hash says so
// over a third group, router, NIC: every router of a group is joined to every other, every group by one link to every other, and the ports
// of a node are on different routers.
#pragma once

#include "hardware/description.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace orrery {

enum class LinkClass {
  scale_up, ///< device and switch, or the link of a pair in a mesh
  pcie,     ///< device and the root of its node's tree
  root,     ///< the root itself, shared by the node
  nic,      ///< port and leaf
  spine,    ///< leaf and spine
  local,    ///< from one router of a dragonfly group to another
  global,   ///< from one dragonfly group to another
  torus
};

/// Up leads away from the device. A link from one place to another of its kind and a root have one direction only.
enum class LinkDirection { up, down, none };

using LinkId = std::uint32_t;

struct TopologyLink {
  BytesPerSecond bandwidth;
  Seconds latency;
  LinkClass kind = LinkClass::scale_up;
  LinkDirection direction = LinkDirection::none;
};

struct Route {
  std::vector<LinkId> links; ///< in the order of travel
  Seconds latency;           ///< sum over the links
};

/// What a fabric of leaves and spines, or of dragonfly groups, is made of; all zero where there is none.
struct TreeSize {
  int rails = 0;    ///< leaves of a group of nodes
  int per_leaf = 0; ///< nodes of a group
  double leaves = 0;
  double spines = 0;   ///< 0 for a single leaf
  double up_ports = 0; ///< of a leaf, in NIC bandwidths
};

TreeSize tree_size(const Cluster& cluster);

/// Devices of a scale-up domain; of a torus, those of a slice.
int scale_up_domain(const Cluster& cluster);

/// Whether a dimension of a torus of `size` devices closes to a ring.
inline bool closes(const ScaleUp& scale_up, int size) { return size > 2 && size >= scale_up.ring_from; }

/// The most cubic slice of so many devices in a torus of the node type's dimensions, in steps of two; empty where they do not fill one.
std::vector<int> torus_slice(const NodeType& node, int devices);

/// Links of the topology that a cluster would have. A double: the caller may be about to refuse it.
double link_count(const Cluster& cluster);

/// Immutable. The cluster is one that cluster_table() accepts.
class Topology {
public:
  explicit Topology(const Cluster& cluster);

  [[nodiscard]] int devices() const { return devices_; }
  [[nodiscard]] const std::vector<TopologyLink>& links() const { return links_; }
  [[nodiscard]] const TopologyLink& link(LinkId id) const { return links_[id]; }
  /// "device12/scale-up/up", "node3/nic1/down", "leaf4/spine2/up", ...
  [[nodiscard]] std::string name(LinkId id) const;
  /// The link of a name, or both directions of one whose name lacks the last part; empty where there is none.
  [[nodiscard]] std::vector<LinkId> find(std::string_view name) const;

  /// The way from one device to another; empty from a device to itself. Flows of different number between the same ports may take different
  /// spines.
  [[nodiscard]] Route route(int source, int destination, std::uint64_t flow = 0) const;
  /// The same into a Route whose storage is used again.
  void route(int source, int destination, std::uint64_t flow, Route& result) const;

  [[nodiscard]] int domain_of(int device) const { return device / domain_; }
  [[nodiscard]] int node_of(int device) const { return device / per_node_; }
  /// Index inside its node of the port that a device sends through. Neighbours share one where ports are fewer than devices.
  [[nodiscard]] int port_of(int device) const { return device % per_node_ * ports_ / per_node_; }
  [[nodiscard]] int leaf_of(int device) const { return leaf(node_of(device), port_of(device)); }
  [[nodiscard]] int leaves() const { return leaves_; }
  [[nodiscard]] int spines() const { return spines_; }

private:
  void add_scale_up(const NodeType& node);
  void add_network(const Nics& nics, Seconds hop_latency, const TreeSize& tree);
  void add_dragonfly(const Nics& nics, const Fabric& fabric, const TreeSize& tree);
  void add_torus(const ScaleUp& scale_up, const Fabric& fabric);
  LinkId add(BytesPerSecond bandwidth, Seconds latency, LinkClass kind, LinkDirection direction);

  /// Router, inside its group, of a port that is counted over the whole cluster.
  [[nodiscard]] int router(int port) const;
  /// Router, inside its own group, of the link to another group.
  [[nodiscard]] int gateway(int group, int other) const { return (other - (other > group ? 1 : 0)) % routers_; }
  [[nodiscard]] int leaf(int node, int port) const { return node / per_leaf_ * rails_ + port % rails_; }
  [[nodiscard]] bool reaches_inside(int source, int destination) const;
  void step(LinkId id, Route& result) const;
  void route_inside(int source, int destination, Route& result) const;
  void route_through_root(int source, int destination, Route& result) const;
  void route_network(int source, int destination, std::uint64_t flow, Route& result) const;
  void route_dragonfly(int from_port, int to_port, std::uint64_t key, Route& result) const;
  void step_local(int group, int from, int to, Route& result) const;
  void step_global(int from, int to, Route& result) const;
  void route_torus(int source, int destination, Route& result) const;

  int devices_ = 1;
  int per_node_ = 1;
  int domain_ = 1;   ///< devices of a scale-up domain
  int ports_ = 0;    ///< of a node
  int rails_ = 1;    ///< leaves of a group of nodes
  int per_leaf_ = 1; ///< nodes of a group
  int leaves_ = 0;
  int spines_ = 0;
  ScaleUpKind kind_ = ScaleUpKind::none;
  bool planned_ = false; ///< spines are chosen by destination
  int routers_ = 0;      ///< of a dragonfly group
  double detour_ = 0;    ///< share of the flows between dragonfly groups that goes over a third one
  std::vector<int> torus_;
  std::vector<bool> closes_; ///< by dimension of the torus
  // Where each kind of link begins in links_; a kind that is absent takes no room.
  LinkId first_pcie_ = 0;
  LinkId first_root_ = 0;
  LinkId first_nic_ = 0;
  LinkId first_spine_ = 0;
  LinkId first_local_ = 0;
  LinkId first_global_ = 0;
  LinkId first_torus_ = 0;
  std::vector<TopologyLink> links_;
};

} // namespace orrery
