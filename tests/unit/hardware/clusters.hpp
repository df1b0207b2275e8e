// Clusters made by hand, so that topology tests do not rest on catalogue figures.
#pragma once

#include "hardware/description.hpp"

namespace orrery::testing {

/// 450 GB/s inside a node of eight, one 50 GB/s port per device, leaves of four nodes, full bandwidth.
inline Cluster rail_cluster(int nodes) {
  Cluster cluster;
  cluster.nodes = nodes;
  cluster.node.devices = 8;
  cluster.node.scale_up.bandwidth = BytesPerSecond{450e9};
  cluster.node.scale_up.latency = Seconds{1e-6};
  cluster.node.nics = Nics{.count = 8, .bandwidth = BytesPerSecond{50e9}, .latency = Seconds{2e-6}};
  cluster.node.host.device_link = BytesPerSecond{63e9};
  cluster.fabric.kind = FabricKind::rail_fat_tree;
  cluster.fabric.nodes_per_leaf = 4;
  cluster.fabric.hop_latency = Seconds{0.5e-6};
  return cluster;
}

inline Cluster tree_cluster(int nodes, double oversubscription = 1.0) {
  Cluster cluster = rail_cluster(nodes);
  cluster.fabric.kind = FabricKind::fat_tree;
  cluster.fabric.oversubscription = oversubscription;
  return cluster;
}

inline Cluster mesh_cluster(int nodes) {
  Cluster cluster = rail_cluster(nodes);
  cluster.node.scale_up.kind = ScaleUpKind::mesh;
  cluster.node.nics.count = 4;
  return cluster;
}

inline Cluster pcie_cluster(int nodes) {
  Cluster cluster = tree_cluster(nodes);
  cluster.node.scale_up.kind = ScaleUpKind::pcie;
  cluster.node.scale_up.bandwidth = BytesPerSecond{25e9};
  cluster.node.scale_up.root_bandwidth = BytesPerSecond{100e9};
  cluster.node.nics.count = 1;
  return cluster;
}

/// Bridges join pairs; the pairs of a node reach each other over the host.
inline Cluster pairs_cluster(int nodes) {
  Cluster cluster = tree_cluster(nodes);
  cluster.node.scale_up.domain = 2;
  cluster.node.scale_up.root_bandwidth = BytesPerSecond{100e9};
  return cluster;
}

/// Trays of four under a scale-up switch of 72.
inline Cluster rack_cluster(int nodes) {
  Cluster cluster = rail_cluster(nodes);
  cluster.node.devices = 4;
  cluster.node.nics.count = 4;
  cluster.node.scale_up.domain = 72;
  cluster.fabric.nodes_per_leaf = 18;
  return cluster;
}

inline Cluster torus_cluster(std::vector<int> sizes) {
  Cluster cluster = rail_cluster(1);
  cluster.node.devices = 1;
  for (const int size : sizes)
    cluster.nodes *= size;
  cluster.node.nics = Nics{};
  cluster.node.scale_up.kind = ScaleUpKind::torus;
  cluster.node.scale_up.bandwidth = BytesPerSecond{600e9};
  cluster.fabric.kind = FabricKind::torus;
  cluster.fabric.torus = std::move(sizes);
  return cluster;
}

/// Slices of `sizes`, two devices to a node with one port.
inline Cluster slices_cluster(std::vector<int> sizes, int slices) {
  Cluster cluster = torus_cluster(std::move(sizes));
  cluster.nodes = cluster.nodes * slices / 2;
  cluster.node.devices = 2;
  cluster.node.nics = Nics{.count = 1, .bandwidth = BytesPerSecond{25e9}, .latency = Seconds{10e-6}};
  cluster.fabric.nodes_per_leaf = 4;
  return cluster;
}

/// Groups of four nodes on eight routers; the taper halves what leaves a group.
inline Cluster dragonfly_cluster(int nodes, double detour = 0) {
  Cluster cluster = rail_cluster(nodes);
  cluster.fabric.kind = FabricKind::dragonfly;
  cluster.fabric.oversubscription = 2;
  cluster.fabric.routers = 8;
  cluster.fabric.detour = detour;
  return cluster;
}

/// Pairs of 200 GB/s in a mesh of eight with 150 GB/s per device between the pairs.
inline Cluster islands_cluster(int nodes) {
  Cluster cluster = mesh_cluster(nodes);
  cluster.node.scale_up.bandwidth = BytesPerSecond{150e9};
  cluster.node.scale_up.island = 2;
  cluster.node.scale_up.island_bandwidth = BytesPerSecond{200e9};
  return cluster;
}

} // namespace orrery::testing
