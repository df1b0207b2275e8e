#include "hardware/topology.hpp"
#include "tests/unit/hardware/clusters.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace orrery;
using namespace orrery::testing;

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
  CHECK(topology.bottleneck(route).si() == 450e9);
}

TEST_CASE("a mesh gives a pair its share of the links") {
  const Topology topology(mesh_cluster(2));
  const Route route = topology.route(9, 14);
  CHECK(names(topology, route) == Names{"device9/scale-up/device14"});
  CHECK(names(topology, topology.route(14, 9)) == Names{"device14/scale-up/device9"});
  CHECK(topology.bottleneck(route).si() == Approx(450e9 / 7));
}

TEST_CASE("a PCIe tree shares its root") {
  const Topology topology(pcie_cluster(2));
  const Route route = topology.route(8, 9);
  CHECK(names(topology, route) == Names{"device8/pcie/up", "node1/root", "device9/pcie/down"});
  CHECK(topology.route(10, 11).links[1] == route.links[1]);
  CHECK(topology.bottleneck(route).si() == 25e9);
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
  CHECK(topology.bottleneck(topology.route(0, 1)).si() == Approx(100e9));
}

TEST_CASE("links of 16,384 devices") {
  const Topology topology(rail_cluster(2048));
  CHECK(topology.devices() == 16384);
  CHECK(topology.links().size() == 16384 * 4 + 512 * 8 * 4 * 2);
}
