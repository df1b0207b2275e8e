// Every machine of the catalogue, every kind of collective: nothing for one rank, never above the wire, never slower on faster links; and
// a placement is that of the worst group.
#include "hardware/catalogue.hpp"
#include "hardware/topology.hpp"
#include "models/collective_cost.hpp"
#include "tests/support/collective_kinds.hpp"
#include "tests/unit/hardware/clusters.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <map>

namespace orrery::collective_contract_test {

using namespace testing;

namespace {

constexpr GroupShape shapes[] = {{2, 1}, {4, 1}, {8, 1}, {16, 1}, {32, 1}, {2, 4}, {4, 4}, {8, 4}, {2, 8}, {4, 8}, {2, 16}, {3, 1}, {3, 3}};

/// 32 devices or more of a kind.
Cluster cluster_of(const NodeType& node) {
  Cluster cluster;
  cluster.node = node;
  cluster.nodes = std::max(1, 32 / node.devices);
  if (node.scale_up.kind == ScaleUpKind::torus) {
    cluster.fabric.kind = FabricKind::torus;
    cluster.fabric.torus = torus_slice(node, cluster.devices());
  }
  return cluster;
}

double seconds(const Cluster& cluster, CollectiveKind kind, double bytes, GroupShape shape) {
  return CollectiveModel(cluster, Calibration{}).cost(kind, Bytes{bytes}, place_group(cluster, shape)).time.si();
}

} // namespace

TEST_CASE("collectives on every machine of the catalogue", "[collectives]") {
  for (const std::string& name : node_catalogue().names()) {
    INFO(name);
    const Cluster cluster = cluster_of(load_node(name));
    const CollectiveModel model(cluster, Calibration{});
    Cluster faster = cluster;
    faster.node.scale_up.bandwidth *= 2;
    faster.node.scale_up.island_bandwidth *= 2;
    faster.node.scale_up.root_bandwidth *= 2;
    faster.node.nics.bandwidth *= 2;
    const double scale_up = (cluster.node.scale_up.bandwidth + cluster.node.scale_up.island_bandwidth).si();
    for (const CollectiveKind kind : all_kinds) {
      CHECK(seconds(cluster, kind, 1e9, {1, 1}) == 0);
      for (const GroupShape shape : shapes) {
        if (shape.size * shape.stride > cluster.devices())
          continue;
        INFO(shape.size << " every " << shape.stride);
        const GroupPlacement placement = place_group(cluster, shape);
        if (placement.domains > 1 && cluster.node.nics.count == 0)
          continue;
        double last = 0;
        for (double bytes = 1e3; bytes <= 1e10; bytes *= 100) {
          const CollectiveCost cost = model.cost(kind, Bytes{bytes}, placement);
          REQUIRE(std::isfinite(cost.time.si()));
          REQUIRE(cost.time.si() >= last);
          REQUIRE(cost.latency.si() <= cost.time.si());
          if (cluster.node.scale_up.kind != ScaleUpKind::none && placement.per_domain > 1)
            REQUIRE(cost.time.si() >= cost.scale_up_bytes.si() / scale_up);
          REQUIRE((placement.domains > 1) == (cost.network_bytes > Bytes{}));
          if (placement.domains > 1)
            REQUIRE(cost.time.si() >= cost.network_bytes.si() / cluster.node.nics.bandwidth.si());
          last = cost.time.si();
        }
        REQUIRE(seconds(faster, kind, 1e9, shape) <= seconds(cluster, kind, 1e9, shape));
      }
    }
  }
}

TEST_CASE("a placement is that of the worst group", "[collectives]") {
  // 420 nodes: every offset of a group in its domain occurs.
  for (const int per_node : {4, 8}) {
    Cluster cluster = rail_cluster(420);
    cluster.node.devices = per_node;
    const Topology topology(cluster);
    for (const int stride : {1, 2, 3, 4, 6, 8, 12, 16}) {
      for (int size = 1; size <= 24; ++size) {
        INFO(size << " every " << stride << " of " << per_node);
        const GroupPlacement placement = place_group(cluster, {size, stride});
        int domains = 1;
        int fewest = size;
        const int span = size * stride;
        for (int base = 0; base + span <= cluster.devices(); base += span) {
          for (int first = base; first < base + stride; ++first) {
            std::map<int, int> members;
            for (int i = 0; i < size; ++i)
              ++members[topology.domain_of(first + i * stride)];
            domains = std::max(domains, static_cast<int>(members.size()));
            for (const auto& [domain, count] : members)
              fewest = std::min(fewest, count);
          }
        }
        CHECK(placement.size == size);
        CHECK(placement.per_domain >= placement.fewest);
        CHECK(placement.per_domain <= (per_node + stride - 1) / stride);
        if (per_node % stride == 0 || stride % per_node == 0) {
          CHECK(placement.domains == domains);
          CHECK(placement.fewest == fewest);
        } else { // no better than the worst
          CHECK(placement.domains >= domains);
          CHECK(placement.domains <= domains + 1);
          CHECK(placement.fewest <= fewest);
        }
      }
    }
  }
}

} // namespace orrery::collective_contract_test
