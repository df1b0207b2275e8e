#include "hardware/topology.hpp"
#include "tests/support/routes.hpp"
#include "tests/unit/hardware/clusters.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

namespace orrery::topology_test {

using namespace testing;

namespace {

std::vector<std::string> names(const Topology& topology, const Route& route) {
  std::vector<std::string> result;
  for (const LinkId id : route.links)
    result.push_back(topology.name(id));
  return result;
}

using Names = std::vector<std::string>;

} // namespace

TEST_CASE("a device reaches itself over nothing") {
  const Topology topology(rail_cluster(2));
  CHECK(topology.route(5, 5).links.empty());
  CHECK(topology.route(5, 5).latency == Seconds{});
}

TEST_CASE("inside a switched domain a transfer goes up and down") {
  const Topology topology(rail_cluster(2));
  const Route route = topology.route(1, 6);
  CHECK(names(topology, route) == Names{"device1/scale-up/up", "device6/scale-up/down"});
  CHECK(route.latency.si() == Approx(1e-6));
  CHECK(bottleneck(topology, route).si() == 450e9);
}

TEST_CASE("a mesh gives a pair its share of the links") {
  const Topology topology(mesh_cluster(2));
  const Route route = topology.route(9, 14);
  CHECK(names(topology, route) == Names{"device9/scale-up/device14"});
  CHECK(names(topology, topology.route(14, 9)) == Names{"device14/scale-up/device9"});
  CHECK(bottleneck(topology, route).si() == Approx(450e9 / 7));
}

TEST_CASE("a PCIe tree shares its root") {
  const Topology topology(pcie_cluster(2));
  const Route route = topology.route(8, 9);
  CHECK(names(topology, route) == Names{"device8/pcie/up", "node1/root", "device9/pcie/down"});
  CHECK(topology.route(10, 11).links[1] == route.links[1]);
  CHECK(bottleneck(topology, route).si() == 25e9);
}

TEST_CASE("pairs of a node reach each other over the host") {
  const Topology topology(pairs_cluster(1));
  CHECK(names(topology, topology.route(2, 3)) == Names{"device2/scale-up/up", "device3/scale-up/down"});
  CHECK(names(topology, topology.route(3, 4)) == Names{"device3/pcie/up", "node0/root", "device4/pcie/down"});
}

TEST_CASE("a scale-up domain may span nodes") {
  const Topology topology(rack_cluster(36));
  CHECK(topology.route(0, 71).links.size() == 2);
  CHECK(topology.link(topology.route(0, 71).links[0]).kind == LinkClass::scale_up);
  CHECK(topology.link(topology.route(71, 75).links[0]).kind == LinkClass::nic);
}

TEST_CASE("rails: the same rail needs one leaf, or a spine between groups") {
  const Topology topology(rail_cluster(8));
  const Route near = topology.route(3, 8 + 3);
  CHECK(names(topology, near) == Names{"node0/nic3/up", "node1/nic3/down"});
  CHECK(near.latency.si() == Approx(2e-6));
  const Route far = topology.route(3, 4 * 8 + 3);
  REQUIRE(far.links.size() == 4);
  CHECK(far.latency.si() == Approx(3e-6));
  CHECK(topology.link(far.links[1]).kind == LinkClass::spine);
  CHECK(topology.link(far.links[1]).direction == LinkDirection::up);
  CHECK(topology.link(far.links[2]).direction == LinkDirection::down);
}

TEST_CASE("rails: another rail is reached through the device of the node that sits on it") {
  const Topology topology(rail_cluster(2));
  const Route route = topology.route(2, 8 + 5);
  CHECK(names(topology, route) == Names{"device2/scale-up/up", "device5/scale-up/down", "node0/nic5/up", "node1/nic5/down"});
  CHECK(route.latency.si() == Approx(3e-6));
}

TEST_CASE("rails: without a scale-up network another rail is reached over a spine") {
  Cluster cluster = rail_cluster(8);
  cluster.node.scale_up = ScaleUp{.kind = ScaleUpKind::none, .domain = 0, .bandwidth = {}, .latency = {}};
  const Topology topology(cluster);
  CHECK(topology.route(2, 8 + 5).links.size() == 4);
}

TEST_CASE("neighbours share a port where ports are fewer than devices") {
  const Topology topology(mesh_cluster(2));
  CHECK(topology.port_of(0) == 0);
  CHECK(topology.port_of(1) == 0);
  CHECK(topology.port_of(2) == 1);
  CHECK(topology.port_of(7) == 3);
  CHECK(topology.port_of(8) == 0);
  CHECK(topology.route(0, 8).links == topology.route(1, 9).links);
  CHECK(topology.route(0, 8).links != topology.route(2, 10).links);
}

TEST_CASE("a plain tree has one leaf for all ports of its nodes") {
  const Topology topology(tree_cluster(8));
  CHECK(topology.leaves() == 2);
  CHECK(topology.spines() == 32);
  CHECK(topology.leaf_of(0) == topology.leaf_of(4 * 8 - 1));
  CHECK(topology.route(0, 3 * 8 + 5).links.size() == 2);
  CHECK(topology.route(0, 4 * 8).links.size() == 4);
}

TEST_CASE("the spine is a matter of ports and flow, and all are used") {
  const Topology topology(tree_cluster(64));
  CHECK(topology.route(0, 400).links == topology.route(0, 400).links);
  std::vector<int> used(topology.links().size());
  for (std::uint64_t flow = 0; flow < 3200; ++flow)
    ++used[topology.route(0, 400, flow).links[1]];
  const auto taken = std::count_if(used.begin(), used.end(), [](int times) { return times > 0; });
  CHECK(taken == topology.spines());
  CHECK(*std::max_element(used.begin(), used.end()) < 160);
}

TEST_CASE("a torus goes the shorter way round, dimension by dimension") {
  const Topology topology(torus_cluster({4, 4, 8}));
  CHECK(names(topology, topology.route(0, 1)) == Names{"device0/torus0/ahead"});
  CHECK(names(topology, topology.route(0, 3)) == Names{"device0/torus0/back"});
  CHECK(names(topology, topology.route(0, 1 + 4 * 3)) == Names{"device0/torus0/ahead", "device1/torus1/back"});
  CHECK(topology.route(0, 2 + 4 * 2 + 16 * 4).links.size() == 2 + 2 + 4);
  CHECK(bottleneck(topology, topology.route(0, 1)).si() == Approx(100e9));
}

TEST_CASE("links of 16,384 devices") {
  const Topology topology(rail_cluster(2048));
  CHECK(topology.devices() == 16384);
  CHECK(topology.links().size() == 16384 * 4 + 512 * 8 * 4 * 2);
}

TEST_CASE("a short dimension of a torus is a line where the machine closes none so short") {
  Cluster cluster = torus_cluster({4, 16});
  cluster.node.scale_up.ring_from = 16;
  const Topology topology(cluster);
  CHECK(topology.route(0, 3).links.size() == 3);
  CHECK(topology.route(3, 0).links.size() == 3);
  CHECK(topology.route(0, 4 * 15).links.size() == 1);
}

TEST_CASE("slices of a torus reach each other over ports") {
  const Topology topology(slices_cluster({4, 4}, 3));
  CHECK(names(topology, topology.route(0, 1)) == Names{"device0/torus0/ahead"});
  CHECK(topology.domain_of(16) == 1);
  CHECK(names(topology, topology.route(17, 16)) == Names{"device17/torus0/back"});
  const Route across = topology.route(3, 16);
  CHECK(topology.name(across.links.front()) == "node1/nic0/up");
  CHECK(topology.name(across.links.back()) == "node8/nic0/down");
}

TEST_CASE("the links of a torus are those that the device has, however few dimensions a slice uses") {
  Cluster cluster = torus_cluster({8});
  cluster.node.scale_up.dimensions = 3;
  const Topology topology(cluster);
  CHECK(bottleneck(topology, topology.route(0, 1)).si() == Approx(100e9));
}

TEST_CASE("slices are as cubic as powers of two allow") {
  NodeType node;
  node.scale_up.dimensions = 3;
  CHECK(torus_slice(node, 64) == std::vector<int>{4, 4, 4});
  CHECK(torus_slice(node, 128) == std::vector<int>{4, 4, 8});
  CHECK(torus_slice(node, 2048) == std::vector<int>{8, 16, 16});
  CHECK(torus_slice(node, 3072) == std::vector<int>{12, 16, 16});
  CHECK(torus_slice(node, 8960) == std::vector<int>{16, 20, 28});
  CHECK(torus_slice(node, 48).empty());
  node.scale_up.dimensions = 2;
  CHECK(torus_slice(node, 256) == std::vector<int>{16, 16});
}

TEST_CASE("the two dies of a package have a faster link than two of different packages") {
  const Topology topology(islands_cluster(2));
  CHECK(bottleneck(topology, topology.route(2, 3)).si() == Approx(200e9));
  CHECK(bottleneck(topology, topology.route(3, 2)).si() == Approx(200e9));
  CHECK(bottleneck(topology, topology.route(3, 4)).si() == Approx(25e9));
}

TEST_CASE("a dragonfly goes over the router with the link to the other group") {
  const Topology topology(dragonfly_cluster(12));
  CHECK(topology.leaves() == 3);
  CHECK(names(topology, topology.route(0, 8)) == Names{"node0/nic0/up", "node1/nic0/down"});
  CHECK(names(topology, topology.route(0, 8 + 2)) == Names{"node0/nic0/up", "group0/router0/router2", "node1/nic2/down"});
  CHECK(names(topology, topology.route(0, 8 * 8)) == Names{"node0/nic0/up", "group0/router0/router1", "group0/group2", "node8/nic0/down"});
  CHECK(bottleneck(topology, topology.route(0, 8 * 8)).si() == Approx(50e9));
}

TEST_CASE("planned paths of a shift between leaves do not meet, hashed ones do") {
  for (const FabricKind kind : {FabricKind::rail_fat_tree, FabricKind::fat_tree}) {
    Cluster cluster = rail_cluster(16);
    cluster.fabric.kind = kind;
    const auto most = [&](PathKind paths) {
      cluster.fabric.paths = paths;
      const Topology topology(cluster);
      std::vector<int> flows(topology.links().size());
      for (int device = 0; device < topology.devices(); ++device)
        for (const LinkId link : topology.route(device, (device + 4 * 8) % topology.devices()).links)
          ++flows[link];
      return *std::max_element(flows.begin(), flows.end());
    };
    CHECK(most(PathKind::planned) == 1);
    CHECK(most(PathKind::hashed) > 1);
  }
}

} // namespace orrery::topology_test
