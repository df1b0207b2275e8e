#include "models/collective_cost.hpp"
#include "tests/support/collective_kinds.hpp"
#include "tests/unit/hardware/clusters.hpp"

#include <catch2/catch.hpp>

#include <cmath>

namespace orrery::collective_cost_test {

namespace {

Cluster cluster(int nodes = 16) {
  Cluster cluster;
  cluster.nodes = nodes;
  cluster.node.devices = 8;
  cluster.node.device.architecture = "hopper";
  cluster.node.scale_up = {.kind = ScaleUpKind::switched, .domain = 0, .bandwidth = BytesPerSecond{450e9}, .in_switch_reduction = true};
  cluster.node.nics = {.count = 8, .bandwidth = BytesPerSecond{50e9}, .latency = Seconds{2e-6}};
  cluster.fabric.hop_latency = Seconds{0.5e-6};
  return cluster;
}

} // namespace

TEST_CASE("groups are placed on domains", "[models][collectives]") {
  const Cluster c = cluster();
  const GroupPlacement tensor = place_group(c, {.size = 8, .stride = 1});
  CHECK(tensor.per_domain == 8);
  CHECK(tensor.domains == 1);
  const GroupPlacement data = place_group(c, {.size = 16, .stride = 8});
  CHECK(data.per_domain == 1);
  CHECK(data.domains == 16);
  CHECK(data.nic_share.si() == Approx(50e9));
  const GroupPlacement mixed = place_group(c, {.size = 32, .stride = 2});
  CHECK(mixed.per_domain == 4);
  CHECK(mixed.domains == 8);
  // Ranks 6, 7 and 8 are a group of three.
  CHECK(place_group(c, {.size = 3, .stride = 1}).domains == 2);
  CHECK(place_group(cluster(1), {.size = 3, .stride = 1}).domains == 1);
}

TEST_CASE("ranks that share NICs share their bandwidth", "[models][collectives]") {
  Cluster c = cluster();
  c.node.nics.count = 2;
  CHECK(place_group(c, {.size = 16, .stride = 8}).nic_share.si() == Approx(12.5e9));
  CHECK(place_group(c, {.size = 16, .stride = 8}, 4).nic_share.si() == Approx(25e9));
  CHECK(place_group(c, {.size = 16, .stride = 8}, 1).nic_share.si() == Approx(50e9));
}

TEST_CASE("a group of one costs nothing", "[models][collectives]") {
  const CollectiveModel model(cluster(), Calibration{});
  for (const CollectiveKind kind : all_kinds) {
    const CollectiveCost cost = model.cost(kind, Bytes{1e9}, place_group(cluster(), {.size = 1, .stride = 1}));
    CHECK(cost.time == Seconds{});
    CHECK(cost.scale_up_bytes == Bytes{});
    CHECK(cost.network_bytes == Bytes{});
  }
  CHECK(model.message(Bytes{1e6}, place_group(cluster(), {.size = 1, .stride = 1})).time() == Seconds{});
}

TEST_CASE("more bytes never take less time, nor less than the wire", "[models][collectives]") {
  for (const bool in_switch : {false, true}) {
    Cluster c = cluster();
    c.node.scale_up.in_switch_reduction = in_switch;
    const CollectiveModel model(c, Calibration{});
    for (const GroupShape shape : {GroupShape{2, 1}, GroupShape{8, 1}, GroupShape{16, 8}, GroupShape{64, 1}, GroupShape{16, 4}}) {
      const GroupPlacement placement = place_group(c, shape);
      for (const CollectiveKind kind : all_kinds) {
        double last = 0;
        for (double bytes = 1024; bytes <= 4e9; bytes *= 4) {
          const CollectiveCost cost = model.cost(kind, Bytes{bytes}, placement);
          CHECK(cost.time.si() >= last);
          CHECK(cost.latency <= cost.time);
          CHECK(cost.time.si() >= cost.scale_up_bytes.si() / 450e9);
          CHECK(cost.time.si() >= cost.network_bytes.si() / 50e9);
          last = cost.time.si();
        }
      }
    }
  }
}

TEST_CASE("rings carry the bytes that a ring must", "[models][collectives]") {
  Cluster c = cluster();
  c.node.scale_up.in_switch_reduction = false;
  const CollectiveModel model(c, Calibration{});
  const Bytes bytes{8e8};
  const GroupPlacement inside = place_group(c, {.size = 8, .stride = 1});
  CHECK(model.cost(CollectiveKind::all_reduce, bytes, inside).scale_up_bytes.si() == Approx(2.0 * 7 / 8 * 8e8));
  CHECK(model.cost(CollectiveKind::all_gather, bytes, inside).scale_up_bytes.si() == Approx(7.0 / 8 * 8e8));
  CHECK(model.cost(CollectiveKind::all_reduce, bytes, inside).network_bytes == Bytes{});
  const GroupPlacement across = place_group(c, {.size = 16, .stride = 8});
  CHECK(model.cost(CollectiveKind::reduce_scatter, bytes, across).network_bytes.si() == Approx(15.0 / 16 * 8e8));
  CHECK(model.cost(CollectiveKind::reduce_scatter, bytes, across).scale_up_bytes == Bytes{});
  // Reduce-scatter and all-gather together carry what an all-reduce does.
  CHECK(2 * wire_factor(CollectiveKind::all_gather, 8) == Approx(wire_factor(CollectiveKind::all_reduce, 8)));
}

TEST_CASE("a switch that reduces helps large buffers of many ranks", "[models][collectives]") {
  Cluster plain = cluster();
  plain.node.scale_up.in_switch_reduction = false;
  const GroupPlacement eight = place_group(plain, {.size = 8, .stride = 1});
  const CollectiveCost ring = CollectiveModel(plain, Calibration{}).cost(CollectiveKind::all_reduce, Bytes{1e9}, eight);
  const CollectiveCost reduced = CollectiveModel(cluster(), Calibration{}).cost(CollectiveKind::all_reduce, Bytes{1e9}, eight);
  CHECK(reduced.time <= ring.time);
  CHECK(reduced.scale_up_bytes.si() <= ring.scale_up_bytes.si());
}

TEST_CASE("leaving the node costs, and a wider scale-up link does not hurt", "[models][collectives]") {
  const Cluster c = cluster();
  const CollectiveModel model(c, Calibration{});
  const CollectiveCost near = model.cost(CollectiveKind::all_reduce, Bytes{1e9}, place_group(c, {.size = 8, .stride = 1}));
  const CollectiveCost far = model.cost(CollectiveKind::all_reduce, Bytes{1e9}, place_group(c, {.size = 8, .stride = 8}));
  CHECK(far.time.si() > 3 * near.time.si());
  Cluster wide = cluster();
  wide.node.scale_up.bandwidth *= 2;
  CHECK(
      CollectiveModel(wide, Calibration{}).cost(CollectiveKind::all_reduce, Bytes{1e9}, place_group(wide, {.size = 8, .stride = 1})).time <
      near.time);
  Cluster mesh = cluster();
  mesh.node.scale_up.kind = ScaleUpKind::mesh;
  CHECK(CollectiveModel(mesh, Calibration{})
            .cost(CollectiveKind::all_gather, Bytes{1e9}, place_group(mesh, {.size = 2, .stride = 1}))
            .time.si() > 3 * model.cost(CollectiveKind::all_gather, Bytes{1e9}, place_group(c, {.size = 2, .stride = 1})).time.si());
}

TEST_CASE("messages between stages", "[models][collectives]") {
  const Cluster c = cluster();
  const CollectiveModel model(c, Calibration{});
  const CostedMessage near = model.message(Bytes{50e6}, place_group(c, {.size = 2, .stride = 4}));
  const CostedMessage far = model.message(Bytes{50e6}, place_group(c, {.size = 2, .stride = 8}));
  CHECK_FALSE(near.over_network);
  CHECK(far.over_network);
  CHECK(far.time().si() > 3 * near.time().si());
  CHECK(far.bandwidth.si() <= 50e9);
  CHECK(model.message(Bytes{}, place_group(c, {.size = 2, .stride = 8})).time() == Seconds{});
}

TEST_CASE("neighbouring stages inside a domain do not use the network", "[models][collectives]") {
  const Cluster nodes = testing::rail_cluster(16);
  CHECK(place_stages(nodes, 2, 0, 1).domains == 1);
  CHECK(place_stages(nodes, 2, 3, 4).domains == 2);
  CHECK(place_stages(nodes, 2, 3, 0).domains == 1);
  CHECK(place_stages(nodes, 8, 0, 1).domains == 2);
  // Stages of three ranks: the second one lies in both domains.
  CHECK(place_stages(nodes, 3, 0, 1).domains == 1);
  CHECK(place_stages(nodes, 3, 1, 2).domains == 2);
  const Cluster racks = testing::rack_cluster(36);
  CHECK(place_stages(racks, 8, 7, 8).domains == 1);
  CHECK(place_stages(racks, 8, 8, 9).domains == 2);
  CHECK(place_stages(racks, 16, 3, 4).domains == 2);
}

TEST_CASE("only the ranks of a stage share the NICs for its messages", "[models][collectives]") {
  Cluster c = testing::rail_cluster(16);
  c.node.nics.count = 2;
  CHECK(place_stages(c, 2, 3, 4).nic_share.si() == Approx(50e9));
  CHECK(place_stages(c, 4, 1, 2).nic_share.si() == Approx(25e9));
  CHECK(place_stages(c, 8, 0, 1).nic_share.si() == Approx(12.5e9));
}

TEST_CASE("stages under different leaves share the up-links", "[models][collectives]") {
  const Cluster tapered = testing::tree_cluster(16, 4.0);
  CHECK(place_stages(tapered, 8, 2, 3).far_share.si() == Approx(50e9));
  CHECK(place_stages(tapered, 8, 3, 4).far_share.si() == Approx(12.5e9));
  CHECK(place_stages(tapered, 32, 0, 1).far_share.si() == Approx(12.5e9));
}

TEST_CASE("an exchange sends a row once to each node that holds one of its experts", "[models][collectives]") {
  Calibration calibration;
  calibration.architectures["hopper"].exchange = CollectiveCurve{.share = 0.7};
  const auto sent = [&](Experts experts) {
    const CollectiveModel model(cluster(4), calibration, {.exchange = true, .experts = experts});
    return model.cost(CollectiveKind::all_to_all, Bytes{1e9}, place_group(cluster(4), {.size = 32})).network_bytes.si();
  };
  const double each = 1e9 * 24 / 32; // three of four nodes are others
  CHECK(sent({}) == Approx(each));
  const double nodes = 4 * (1 - std::pow(0.75, 8)); // of eight experts drawn
  CHECK(sent({.count = 256, .top_k = 8}) == Approx(each * nodes / 7.2).epsilon(0.03));
  CHECK(sent({.count = 256, .top_k = 8, .groups = 8, .top_groups = 2}) == Approx(each * 4 * (1 - 6.0 / 8 * 5 / 7) / 7.2).epsilon(0.03));
  CHECK(sent({.count = 256, .top_k = 1}) == Approx(each)); // one expert lies in one node
}

} // namespace orrery::collective_cost_test
