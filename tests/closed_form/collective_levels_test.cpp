// Collectives over nested levels, on a torus and over a tapered fabric take what their formulas say.
#include "models/collective_cost.hpp"
#include "tests/unit/hardware/clusters.hpp"

#include <catch2/catch.hpp>

#include <cmath>

namespace orrery::collective_levels_test {

using namespace testing;

namespace {

constexpr Bytes buffer{8e9};

/// Seconds on the wire at its full rate: the bulk of the time, without the share of the rate that large messages reach.
double wire(const Cluster& cluster, CollectiveKind kind, GroupShape shape) {
  const GroupPlacement placement = place_group(cluster, shape);
  const CollectiveCost cost = CollectiveModel(cluster, Calibration{}).cost(kind, buffer, placement);
  return (cost.time - cost.latency).si() * bulk_share(CollectiveCurve{}, placement.per_domain);
}

} // namespace

TEST_CASE("a torus rings along all its dimensions, both ways round", "[collectives]") {
  // 600 GB/s over six link directions: 100 GB/s each.
  const Cluster cube = torus_cluster({4, 4, 4});
  CHECK(wire(cube, CollectiveKind::all_reduce, {64, 1}) == Approx(2.0 * 63 / 64 * 8e9 / 600e9));
  CHECK(wire(cube, CollectiveKind::all_gather, {64, 1}) == Approx(63.0 / 64 * 8e9 / 600e9));
  CHECK(wire(cube, CollectiveKind::reduce_scatter, {16, 1}) == Approx(15.0 / 16 * 8e9 / 400e9));
  CHECK(wire(cube, CollectiveKind::all_gather, {4, 1}) == Approx(3.0 / 4 * 8e9 / 200e9));
  // Every fourth device: the second and third dimension.
  CHECK(wire(cube, CollectiveKind::all_gather, {16, 4}) == Approx(15.0 / 16 * 8e9 / 400e9));
  // Two of a ring of four have one way; every other of four shares its links with its sibling.
  CHECK(wire(cube, CollectiveKind::all_gather, {2, 1}) == Approx(1.0 / 2 * 8e9 / 100e9));
  CHECK(wire(cube, CollectiveKind::all_gather, {2, 2}) == Approx(1.0 / 2 * 8e9 / 100e9));
}

TEST_CASE("dimensions that do not close have half the links", "[collectives]") {
  Cluster square = torus_cluster({8, 8});
  const double closed = wire(square, CollectiveKind::all_reduce, {64, 1});
  square.node.scale_up.ring_from = 16;
  CHECK(wire(square, CollectiveKind::all_reduce, {64, 1}) == Approx(2 * closed));
}

TEST_CASE("an all-to-all on a torus is bound by its bisection", "[collectives]") {
  // e nodes: half of what a half sends, e/2 x e/2 / e of a node's bytes each way, crosses two links that a ring is cut at, one of a line.
  Cluster ring = torus_cluster({16});
  const double link = 600e9 / 2;
  CHECK(wire(ring, CollectiveKind::all_to_all, {16, 1}) == Approx(15.0 / 16 * 8e9 * (16.0 / 8) / link));
  ring.node.scale_up.ring_from = 32;
  CHECK(wire(ring, CollectiveKind::all_to_all, {16, 1}) == Approx(15.0 / 16 * 8e9 * (16.0 / 4) / link));
  const Cluster cube = torus_cluster({4, 4, 8});
  CHECK(wire(cube, CollectiveKind::all_to_all, {128, 1}) == Approx(127.0 / 128 * 8e9 * (8.0 / 8) / 100e9));
}

TEST_CASE("hops of a torus, not ranks, make its latency", "[collectives]") {
  const Cluster cube = torus_cluster({8, 8, 8});
  const GroupPlacement all = place_group(cube, {512, 1});
  CHECK(all.torus.hops == 12);
  CHECK(CollectiveModel(cube, Calibration{}).cost(CollectiveKind::all_reduce, Bytes{8}, all).latency.si() < 30e-6);
}

TEST_CASE("slices of a torus are joined by the ports of their nodes", "[collectives]") {
  const Cluster cluster = slices_cluster({4, 4}, 8);
  const GroupPlacement all = place_group(cluster, {128, 1});
  CHECK(all.per_domain == 16);
  CHECK(all.domains == 8);
  CHECK(all.torus.lanes == 4);
  const CollectiveCost cost = CollectiveModel(cluster, Calibration{}).cost(CollectiveKind::all_reduce, buffer, all);
  const double port = 12.5e9 * NetworkCurve{}.share; // two devices on 25 GB/s
  CHECK((cost.time - cost.latency).si() == Approx(2.0 * 127 / 128 * 8e9 / 16 / port));
}

TEST_CASE("islands carry their level of the buffer, the mesh the rest", "[collectives]") {
  const Cluster cluster = islands_cluster(1);
  CHECK(wire(cluster, CollectiveKind::all_reduce, {2, 1}) == Approx(8e9 / 200e9));
  // Four islands: all the links out of one carry half a buffer each.
  CHECK(wire(cluster, CollectiveKind::all_reduce, {8, 1}) == Approx(std::max(8e9 / 200e9, 2.0 * 3 / 4 * 4e9 / 150e9)));
  // Two islands have one of three bundles between them.
  CHECK(wire(cluster, CollectiveKind::all_reduce, {4, 1}) == Approx(2.0 * 1 / 2 * 4e9 / 50e9));
  // One die of each package.
  CHECK(wire(cluster, CollectiveKind::all_reduce, {4, 2}) == Approx(2.0 * 3 / 4 * 8e9 / 150e9));
  CHECK(wire(cluster, CollectiveKind::all_to_all, {8, 1}) == Approx(std::max(1.0 / 2 * 8e9 / 200e9, 3.0 / 4 * 8e9 / 150e9)));
}

TEST_CASE("messages take the links of their level", "[collectives]") {
  const Cluster cluster = islands_cluster(2);
  const CollectiveModel model(cluster, Calibration{});
  const auto rate = [&](int stride) { return model.message(Bytes{1e8}, place_group(cluster, {2, stride})).bandwidth.si(); };
  const double share = bulk_share(CollectiveCurve{}, 2);
  CHECK(rate(1) == Approx(200e9 * share));
  CHECK(rate(2) == Approx(50e9 * share));
  CHECK(rate(8) == Approx(25e9 * NetworkCurve{}.send_share));
}

TEST_CASE("over two nodes a large buffer goes round the ring", "[collectives]") {
  const Cluster cluster = rail_cluster(2);
  const CollectiveModel model(cluster, Calibration{});
  const GroupPlacement both = place_group(cluster, {16, 1});
  const CollectiveCost large = model.cost(CollectiveKind::all_reduce, buffer, both);
  CHECK(large.algorithm == "network ring");
  CHECK(large.network_bytes.si() == Approx(2.0 * 15 / 16 * 8e9 / 8));
  const Cluster many = rail_cluster(64);
  CHECK(CollectiveModel(many, Calibration{}).cost(CollectiveKind::all_reduce, Bytes{8e3}, place_group(many, {64, 8})).algorithm ==
        "network tree");
}

TEST_CASE("an all-to-all of small messages goes inside first", "[collectives]") {
  const Cluster cluster = rail_cluster(8);
  const CollectiveModel model(cluster, Calibration{});
  const GroupPlacement all = place_group(cluster, {64, 1});
  CHECK(model.cost(CollectiveKind::all_to_all, Bytes{64e3}, all).algorithm == "network hierarchical");
  const GroupPlacement one_of_each = place_group(cluster, {8, 8});
  CHECK(model.cost(CollectiveKind::all_to_all, Bytes{64e3}, one_of_each).algorithm == "network pairwise");
  // What leaves the node is the same either way.
  CHECK(model.cost(CollectiveKind::all_to_all, buffer, all).network_bytes.si() == Approx(56.0 / 64 * 8e9));
}

TEST_CASE("a taper is felt where all send up, and not by a ring that crosses once", "[collectives]") {
  const Cluster tapered = tree_cluster(16, 4.0); // leaves of four nodes
  const GroupPlacement all = place_group(tapered, {128, 1});
  CHECK(all.ring_share.si() == Approx(50e9));
  CHECK(all.spread_share.si() == Approx(12.5e9));
  CHECK(all.beyond_leaf == Approx(0.75));
  CHECK(place_group(tapered, {4, 8}).beyond_leaf == 0);
  // One node of each leaf: every ring crosses at every step.
  CHECK(place_group(tapered, {4, 32}).ring_share.si() == Approx(12.5e9));
  const CollectiveModel model(tapered, Calibration{});
  const CollectiveCost cost = model.cost(CollectiveKind::all_to_all, buffer, all);
  CHECK((cost.time - cost.latency).si() == Approx(0.75 * 8e9 / (12.5e9 * NetworkCurve{}.share)));
}

TEST_CASE("a dragonfly has one link to another group, and detours use the others", "[collectives]") {
  // Six groups of four nodes; 50 GB/s per device, half of it out of a group.
  CHECK(place_group(dragonfly_cluster(24, 0.0), {2, 32}).far_share.si() == Approx(25e9 / 5));
  CHECK(place_group(dragonfly_cluster(24, 0.5), {2, 32}).far_share.si() == Approx(25e9 * 2 / 5));
  CHECK(place_group(dragonfly_cluster(24, 1.0), {2, 32}).far_share.si() == Approx(25e9 * 4 / 5 / 2));
  CHECK(place_group(dragonfly_cluster(24, 0.0), {192, 1}).spread_share.si() == Approx(25e9));
  CHECK(place_group(dragonfly_cluster(24, 0.5), {192, 1}).spread_share.si() == Approx(25e9 / 1.5));
}

TEST_CASE("the slowest link of a kind paces what crosses it", "[collectives]") {
  Cluster slow = tree_cluster(16);
  const auto times = [](const Cluster& cluster) {
    const CollectiveModel model(cluster, Calibration{});
    std::vector<double> result;
    for (const GroupShape shape : {GroupShape{8, 1}, GroupShape{4, 8}, GroupShape{4, 32}})
      result.push_back(model.cost(CollectiveKind::all_gather, buffer, place_group(cluster, shape)).time.si());
    return result;
  };
  const std::vector<double> whole = times(slow);
  slow.degraded = {{.link = "node3/nic1", .factor = 0.5}};
  std::vector<double> now = times(slow);
  CHECK(now[0] == whole[0]);
  CHECK(now[1] == Approx(2 * whole[1]).epsilon(0.01));
  slow.degraded = {{.link = "leaf1/spine2/up", .factor = 0.25}};
  now = times(slow);
  CHECK(now[1] == whole[1]);
  CHECK(now[2] == Approx(4 * whole[2]).epsilon(0.01));
  slow.degraded = {{.link = "device9/scale-up/up", .factor = 0.5}};
  now = times(slow);
  CHECK(now[0] == Approx(2 * whole[0]).epsilon(0.01));
  CHECK(now[2] == whole[2]);
}

} // namespace orrery::collective_levels_test
