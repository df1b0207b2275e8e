// Whatever the fabric: ways are connected end to end, go out as they come in, and carry what the fabric promises.
#include "hardware/topology.hpp"
#include "tests/support/routes.hpp"
#include "tests/unit/hardware/clusters.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

namespace orrery::topology_contract_test {

using namespace testing;

namespace {

struct Case {
  std::string name;
  Cluster cluster;
};

std::vector<Case> cases() {
  Cluster alone = rail_cluster(8);
  alone.node.scale_up = ScaleUp{.kind = ScaleUpKind::none, .domain = 0, .bandwidth = {}, .latency = {}};
  Cluster open_torus = torus_cluster({4, 5});
  open_torus.node.scale_up.ring_from = 16;
  return {{"one node", rail_cluster(1)},
          {"rails", rail_cluster(16)},
          {"rails, last group not full", rail_cluster(10)},
          {"no scale-up network", alone},
          {"mesh, shared ports", mesh_cluster(9)},
          {"tree", tree_cluster(12, 2.0)},
          {"PCIe", pcie_cluster(6)},
          {"bridged pairs", pairs_cluster(6)},
          {"racks", rack_cluster(40)},
          {"torus of three", torus_cluster({4, 2, 3})},
          {"ring", torus_cluster({5})},
          {"open torus", open_torus},
          {"slices", slices_cluster({4, 2, 4}, 3)},
          {"islands", islands_cluster(6)},
          {"dragonfly", dragonfly_cluster(16)},
          {"dragonfly, last group not full", dragonfly_cluster(10)}};
}

/// The router of a dragonfly, as a word, that a port of a node is on.
std::string router_of(const Topology& topology, const Cluster& cluster, int node, int port) {
  const int ports = cluster.fabric.nodes_per_leaf * cluster.node.nics.count;
  const int inside = port * cluster.fabric.nodes_per_leaf + node % cluster.fabric.nodes_per_leaf;
  return fmt::format("group{}/router{}", topology.leaf_of(node * cluster.node.devices), inside * cluster.fabric.routers / ports);
}

/// The router that a global link begins at: other groups are dealt out to the routers in turn.
std::string gateway_of(const Cluster& cluster, const std::string& group, const std::string& other) {
  const int from = std::stoi(group.substr(5));
  const int to = std::stoi(other.substr(5));
  return fmt::format("{}/router{}", group, (to > from ? to - 1 : to) % cluster.fabric.routers);
}

/// The places that a link joins, as words: a route is connected where each link begins at the place that the one before it ended at.
std::pair<std::string, std::string> ends(const Topology& topology, const Cluster& cluster, const Route& route, std::size_t i, int source,
                                         int destination) {
  const TopologyLink& link = topology.link(route.links[i]);
  const std::string name = topology.name(route.links[i]);
  const std::string head = name.substr(0, name.find('/'));
  const bool up = link.direction == LinkDirection::up;
  switch (link.kind) {
  case LinkClass::scale_up:
    if (link.direction == LinkDirection::none)
      return {head, name.substr(name.rfind('/') + 1)};
    return up ? std::pair{head, std::string("switch")} : std::pair{std::string("switch"), head};
  case LinkClass::pcie:
    return up ? std::pair{head, std::string("below root")} : std::pair{std::string("above root"), head};
  case LinkClass::root:
    return {"below root", "above root"};
  case LinkClass::nic: {
    // A port serves several devices: the one that sends is where the way stands, the one that receives is the destination.
    const std::string before = i > 0 ? topology.name(route.links[i - 1]) : std::string();
    const std::size_t sending = before.rfind("device");
    const int sender = up && i > 0 ? std::stoi(before.substr(sending + 6)) : source;
    const int node = std::stoi(head.substr(4));
    const int port = std::stoi(name.substr(name.find("nic") + 3));
    const int device = up ? sender : destination;
    CHECK(topology.node_of(device) == node);
    CHECK(topology.port_of(device) == port);
    const bool dragonfly = cluster.fabric.kind == FabricKind::dragonfly;
    const std::string leaf = dragonfly ? router_of(topology, cluster, node, port) : fmt::format("leaf{}", topology.leaf_of(device));
    const std::string place = fmt::format("device{}", device);
    return up ? std::pair{place, leaf} : std::pair{leaf, place};
  }
  case LinkClass::spine: {
    const std::string spine = name.substr(head.size() + 1, name.rfind('/') - head.size() - 1);
    return up ? std::pair{head, spine} : std::pair{spine, head};
  }
  case LinkClass::local:
    return {name.substr(0, name.rfind('/')), head + name.substr(name.rfind('/'))};
  case LinkClass::global: {
    const std::string other = name.substr(head.size() + 1);
    return {gateway_of(cluster, head, other), gateway_of(cluster, other, head)};
  }
  case LinkClass::torus:
    break;
  }
  const int from = std::stoi(head.substr(6));
  const int dimension = std::stoi(name.substr(name.find("torus") + 5));
  int stride = 1;
  for (int k = 0; k < dimension; ++k)
    stride *= cluster.fabric.torus[static_cast<std::size_t>(k)];
  const int size = cluster.fabric.torus[static_cast<std::size_t>(dimension)];
  const int place = from / stride % size;
  CHECK((closes(cluster.node.scale_up, size) || (up ? place + 1 < size : place > 0)));
  const int to = from + ((place + (up ? 1 : size - 1)) % size - place) * stride;
  return {head, fmt::format("device{}", to)};
}

} // namespace

TEST_CASE("ways are connected end to end, and latency is the sum over the links") {
  for (const Case& each : cases()) {
    INFO(each.name);
    const Topology topology(each.cluster);
    for (int source = 0; source < topology.devices(); ++source) {
      for (int destination = source % 3; destination < topology.devices(); destination += 3) {
        if (source == destination)
          continue;
        const Route route = topology.route(source, destination);
        std::string at = fmt::format("device{}", source);
        Seconds latency;
        for (std::size_t i = 0; i < route.links.size(); ++i) {
          REQUIRE(route.links[i] < topology.links().size());
          const auto [from, to] = ends(topology, each.cluster, route, i, source, destination);
          REQUIRE(from == at);
          at = to;
          latency += topology.link(route.links[i]).latency;
        }
        REQUIRE(at == fmt::format("device{}", destination));
        REQUIRE(route.latency.si() == Approx(latency.si()));
        REQUIRE(bottleneck(topology, route) > BytesPerSecond{});
      }
    }
  }
}

TEST_CASE("the way back is as long, as fast and as late as the way out") {
  for (const Case& each : cases()) {
    INFO(each.name);
    const Topology topology(each.cluster);
    for (int source = 0; source < topology.devices(); source += 3) {
      for (int destination = 1; destination < topology.devices(); destination += 2) {
        const Route out = topology.route(source, destination);
        const Route back = topology.route(destination, source);
        REQUIRE(out.links.size() == back.links.size());
        REQUIRE(out.latency.si() == Approx(back.latency.si()));
        REQUIRE(bottleneck(topology, out) == bottleneck(topology, back));
      }
    }
  }
}

TEST_CASE("inside a leaf no spine is used, between leaves exactly one") {
  for (const Case& each : cases()) {
    if (each.cluster.fabric.kind == FabricKind::torus || each.cluster.fabric.kind == FabricKind::dragonfly)
      continue;
    INFO(each.name);
    const Topology topology(each.cluster);
    for (int source = 0; source < topology.devices(); source += 5) {
      for (int destination = 0; destination < topology.devices(); ++destination) {
        const Route route = topology.route(source, destination);
        int ports = 0;
        int spines = 0;
        for (const LinkId id : route.links) {
          ports += topology.link(id).kind == LinkClass::nic ? 1 : 0;
          spines += topology.link(id).kind == LinkClass::spine ? 1 : 0;
        }
        if (topology.leaf_of(source) == topology.leaf_of(destination))
          REQUIRE(spines == 0);
        REQUIRE((spines == 0 || (spines == 2 && ports == 2)));
      }
    }
  }
}

TEST_CASE("the number of links is known before they are built") {
  for (const Case& each : cases()) {
    INFO(each.name);
    CHECK(link_count(each.cluster) == static_cast<double>(Topology(each.cluster).links().size()));
  }
}

TEST_CASE("oversubscription sets the bandwidth of a leaf towards the spines") {
  for (const FabricKind kind : {FabricKind::rail_fat_tree, FabricKind::fat_tree}) {
    for (const double oversubscription : {1.0, 1.753, 2.0, 7.0}) {
      Cluster cluster = tree_cluster(16, oversubscription);
      cluster.fabric.kind = kind;
      const Topology topology(cluster);
      double up = 0;
      double down = 0;
      double ports = 0;
      for (const TopologyLink& link : topology.links()) {
        if (link.kind == LinkClass::spine)
          (link.direction == LinkDirection::up ? up : down) += link.bandwidth.si();
        else if (link.kind == LinkClass::nic && link.direction == LinkDirection::up)
          ports += link.bandwidth.si();
      }
      CHECK(up == Approx(ports / oversubscription));
      CHECK(down == Approx(up));
    }
  }
}

TEST_CASE("a dragonfly crosses one global link, two on a detour, and none inside a group") {
  for (const double detour : {0.0, 0.3, 1.0}) {
    const Cluster cluster = dragonfly_cluster(24, detour);
    const Topology topology(cluster);
    int detours = 0;
    int ways = 0;
    for (int source = 0; source < topology.devices(); source += 3) {
      for (int destination = 0; destination < topology.devices(); ++destination) {
        if (source == destination)
          continue;
        const Route route = topology.route(source, destination, 7);
        std::string at = fmt::format("device{}", source);
        int global = 0;
        for (std::size_t i = 0; i < route.links.size(); ++i) {
          const auto [from, to] = ends(topology, cluster, route, i, source, destination);
          REQUIRE(from == at);
          at = to;
          global += topology.link(route.links[i]).kind == LinkClass::global ? 1 : 0;
        }
        REQUIRE(at == fmt::format("device{}", destination));
        const bool apart = topology.leaf_of(source) != topology.leaf_of(destination);
        REQUIRE((apart ? global == 1 || global == 2 : global == 0));
        detours += global == 2 ? 1 : 0;
        ways += apart ? 1 : 0;
      }
    }
    CHECK(static_cast<double>(detours) / ways == Approx(detour).margin(0.03));
  }
}

TEST_CASE("the taper of a dragonfly sets the bandwidth out of a group") {
  const Topology topology(dragonfly_cluster(24));
  double out = 0;
  for (const TopologyLink& link : topology.links())
    out += link.kind == LinkClass::global ? link.bandwidth.si() : 0;
  CHECK(out == Approx(24 * 8 * 50e9 / 2));
}

TEST_CASE("every link is found by its name, and a degraded one is slower") {
  for (const Case& each : cases()) {
    INFO(each.name);
    const Topology whole(each.cluster);
    for (LinkId link = 0; link < whole.links().size(); link += 1 + static_cast<LinkId>(whole.links().size()) / 7) {
      const std::string name = whole.name(link);
      REQUIRE(whole.find(name) == std::vector<LinkId>{link});
      Cluster slow = each.cluster;
      slow.degraded = {{.link = name, .factor = 0.5}};
      const Topology topology(slow);
      for (LinkId other = 0; other < whole.links().size(); ++other)
        REQUIRE(topology.link(other).bandwidth.si() == whole.link(other).bandwidth.si() * (other == link ? 0.5 : 1.0));
    }
    CHECK(whole.find("node0/nic0/sideways").empty());
  }
  const Topology rails(rail_cluster(4));
  CHECK(rails.find("node3/nic1").size() == 2);
  CHECK(rails.find("node3").empty());
}

} // namespace orrery::topology_contract_test
