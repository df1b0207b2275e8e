// The links of a cluster and the way between any two of its devices: plain values, no pair is stored.
//
// Devices are numbered 0 .. devices - 1, node by node; a scale-up domain holds neighbouring numbers. Inside a domain a transfer goes up and
// down the switch, over the link of the pair, through the root of the PCIe tree, or along the torus (dimension by dimension, the shorter
// way round). Between domains it goes NIC, leaf, where the leaves differ a spine chosen by a hash of the two ports, leaf, NIC. Where every
// rail has leaves of its own, it first crosses to the device of its node that sits on the rail of the destination (PXN), if the scale-up
// network reaches it.
#pragma once

#include "hardware/description.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace orrery {

enum class LinkClass {
  scale_up, ///< device and switch, or the link of a pair in a mesh
  pcie,     ///< device and the root of its node's tree
  root,     ///< the root itself, shared by the node
  nic,      ///< port and leaf
  spine,    ///< leaf and spine
  torus
};

/// Up leads away from the device. A pair link and a root have one direction only.
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

/// What a fabric of leaves and spines is made of; all zero where there is none.
struct TreeSize {
  int rails = 0;    ///< leaves of a group of nodes
  int per_leaf = 0; ///< nodes of a group
  double leaves = 0;
  double spines = 0;   ///< 0 for a single leaf
  double up_ports = 0; ///< of a leaf, in NIC bandwidths
};

TreeSize tree_size(const Cluster& cluster);

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

  /// The way from one device to another; empty from a device to itself. Flows of different number between the same ports may take different
  /// spines.
  [[nodiscard]] Route route(int source, int destination, std::uint64_t flow = 0) const;
  /// The same into a Route whose storage is used again.
  void route(int source, int destination, std::uint64_t flow, Route& result) const;

  [[nodiscard]] BytesPerSecond bottleneck(const Route& route) const;

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
  void add_torus(BytesPerSecond bandwidth, const Fabric& fabric);
  LinkId add(BytesPerSecond bandwidth, Seconds latency, LinkClass kind, LinkDirection direction);

  [[nodiscard]] int leaf(int node, int port) const { return node / per_leaf_ * rails_ + port % rails_; }
  [[nodiscard]] bool reaches_inside(int source, int destination) const;
  void step(LinkId id, Route& result) const;
  void route_inside(int source, int destination, Route& result) const;
  void route_through_root(int source, int destination, Route& result) const;
  void route_network(int source, int destination, std::uint64_t flow, Route& result) const;
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
  std::vector<int> torus_;
  // Where each kind of link begins in links_; a kind that is absent takes no room.
  LinkId first_pcie_ = 0;
  LinkId first_root_ = 0;
  LinkId first_nic_ = 0;
  LinkId first_spine_ = 0;
  LinkId first_torus_ = 0;
  std::vector<TopologyLink> links_;
};

} // namespace orrery
