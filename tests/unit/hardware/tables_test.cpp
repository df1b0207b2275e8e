#include "hardware/catalogue.hpp"
#include "hardware/provenance.hpp"
#include "hardware/tables.hpp"
#include "tests/support/yaml_text.hpp"

#include <catch2/catch.hpp>

namespace orrery::tables_test {

namespace {

const std::string small_device =
    "name: d\narchitecture: none\nunits:\n  - { name: u, kind: matrix, peak: { bf16: 1 TFLOP/s }, memory: m }\n"
    "memory:\n  - { name: m, capacity: 1 GB, bandwidth: 1 GB/s }\n";

} // namespace

TEST_CASE("well-known machines by name") {
  const Device h100 = load_device("h100-sxm-80gb");
  CHECK(h100.architecture == "hopper");
  CHECK(h100.multiprocessors == 132);
  CHECK(h100.units[0].peak.at(Precision::bf16) == FlopsPerSecond{989e12});
  CHECK(h100.memory[0].bandwidth == BytesPerSecond{3350e9});
  CHECK(load_device("a100-sxm-80gb").multiprocessors == 108);
  CHECK(load_device("v100-sxm2-32gb").multiprocessors == 80);
  CHECK(load_node("gb200-nvl72").scale_up.domain == 72);
  CHECK(load_node("jean-zay-a100").nics.count == 4);
  CHECK(load_node("dgx-h100").scale_up.in_switch_reduction);
  Diagnostics diagnostics;
  CHECK(read_reference(yaml::scalar("infiniband-ndr"), link_table(), link_catalogue(), diagnostics).bandwidth == BytesPerSecond{50e9});
  CHECK(read_reference(yaml::scalar("bloom-gpfs"), tier_table(), tier_catalogue(), diagnostics).bandwidth == BytesPerSecond{57.5e9});
  CHECK(load_cluster("bloom-jean-zay").devices() == 384);
}

TEST_CASE("a device may hold PIM with a path of its own to the same memory") {
  const Device duplex = load_device("duplex-h100-logic-pim");
  const ComputeUnit& pim = duplex.units.at(2);
  CHECK(pim.kind == UnitKind::pim);
  CHECK(pim.memory == duplex.units.at(0).memory);
  CHECK(pim.bandwidth->si() == Approx(4 * duplex.memory[0].bandwidth.si()));
}

TEST_CASE("an unknown name is met with the one that was meant") {
  CHECK_THROWS_WITH(load_device("h100-sxm-80g"), Catch::Contains("did you mean 'h100-sxm-80gb'?"));
  CHECK_THROWS_WITH(load_node("dgx_h100"), Catch::Contains("did you mean 'dgx-h100'?"));
}

TEST_CASE("a device that contradicts itself is refused") {
  CHECK(mistakes(device_table(), small_device).empty());
  CHECK_THAT(mistakes(device_table(), small_device + "power_cap: 100 W\nidle_power: 200 W\n"),
             Catch::Contains("idle_power: above the power cap"));
  CHECK_THAT(mistakes(device_table(), small_device + "host_link: pcie5_x16\n"), Catch::Contains("did you mean 'pcie5-x16'?"));
  CHECK_THAT(mistakes(device_table(),
                      "name: d\narchitecture: none\nunits:\n  - { name: u, kind: matrix, peak: { bf16: 1 TFLOP/s }, memory: hbn }\n"
                      "memory:\n  - { name: hbm, capacity: 1 GB, bandwidth: 1 GB/s }\n"),
             Catch::Contains("t.yaml:4:65: units.0.memory") && Catch::Contains("did you mean 'hbm'?"));
}

TEST_CASE("sources: each figure needs one, and each names a figure") {
  const std::string all = "sources:\n  - { figure: \"*\", kind: assumed, reference: for a test }\n";
  CHECK(mistakes(device_table(), small_device + all).empty());
  CHECK_THAT(mistakes(device_table(), small_device + "sources:\n  - { figure: units, kind: assumed, reference: for a test }\n"),
             Catch::Contains("no source for memory.m.capacity, memory.m.bandwidth"));
  CHECK_THAT(mistakes(device_table(), small_device + all + "  - { figure: memory.m.bandwith, kind: assumed, reference: for a test }\n"),
             Catch::Contains("sources.1.figure") && Catch::Contains("did you mean 'memory.m.bandwidth'?"));
}

TEST_CASE("sources: the most particular one answers") {
  const std::vector<Provenance> sources = {
      {"*", SourceKind::datasheet, "all"}, {"memory.hbm", SourceKind::paper, "tier"}, {"memory.hbm.energy", SourceKind::assumed, "figure"}};
  CHECK(source_of(sources, "memory.hbm.energy")->reference == "figure");
  CHECK(source_of(sources, "memory.hbm.capacity")->reference == "tier");
  CHECK(source_of(sources, "memory.hbm2.capacity")->reference == "all");
  CHECK(source_of({{"cache", SourceKind::paper, "c"}}, "year") == nullptr);
  const Device h100 = load_device("h100-sxm-80gb");
  CHECK(source_of(h100.sources, "units.tensor.peak.bf16")->kind == SourceKind::datasheet);
  CHECK(source_of(h100.sources, "units.vector.energy")->kind == SourceKind::assumed);
}

TEST_CASE("sources: a figure laid over an entry has its own, or is assumed") {
  const auto cluster_of = [](const std::string& node, const std::string& assignment = {}) {
    Diagnostics diagnostics;
    yaml::Node root = yaml::parse_yaml("node: " + node + "\n", "t.yaml", diagnostics);
    if (!assignment.empty())
      set_path(root, assignment, cluster_table(), diagnostics);
    const Cluster cluster = cluster_table().read(root, diagnostics);
    CHECK(diagnostics.render().empty());
    return cluster;
  };
  const std::string paper = "sources: [{ figure: price, kind: paper, reference: a quote }]";
  const Cluster cluster = cluster_of("{ base: dgx-h100, price: 300000 USD, power_supply_efficiency: 0.9, " + paper +
                                     ", device: { power_cap: 500 W, idle_power: 72 W, memory: [{ name: hbm, capacity: 96 GB, bandwidth: "
                                     "3350 GB/s, energy: 11.7 pJ/bit }] } }");
  const NodeType& node = cluster.node;
  CHECK(source_of(node.sources, "price")->reference == "a quote");
  CHECK(source_of(node.sources, "power_supply_efficiency")->reference == "given without a source");
  CHECK(source_of(node.sources, "fan_share")->reference == source_of(load_node("dgx-h100").sources, "fan_share")->reference);
  CHECK(source_of(node.device.sources, "power_cap")->kind == SourceKind::assumed);
  CHECK(source_of(node.device.sources, "memory.hbm.capacity")->reference == "given without a source");
  CHECK(source_of(node.device.sources, "kernel_cap")->kind == SourceKind::derived);
  for (const char* same : {"idle_power", "memory.hbm.energy", "units.tensor.energy"})
    CHECK(source_of(node.device.sources, same)->reference == source_of(load_device("h100-sxm-80gb").sources, same)->reference);
  const Cluster all = cluster_of("{ base: dgx-h100, price: 300000 USD, sources: [{ figure: '*', kind: paper, reference: a quote }] }");
  CHECK(source_of(all.node.sources, "price")->reference == "a quote");
  CHECK(source_of(all.node.sources, "fan_share")->reference != "a quote");
  const Cluster set = cluster_of("dgx-h100", "node.device.memory.hbm.bandwidth=4 TB/s");
  CHECK(source_of(set.node.device.sources, "memory.hbm.bandwidth")->kind == SourceKind::assumed);
  CHECK(source_of(set.node.device.sources, "memory.hbm.capacity")->kind == SourceKind::datasheet);
  CHECK_THAT(mistakes(cluster_table(), "node: { base: dgx-h100, sources: [{ figure: prise, kind: paper, reference: x }] }\n"),
             Catch::Contains("node.sources.0.figure") && Catch::Contains("is no value of this node"));
}

TEST_CASE("islands lie inside a mesh") {
  const std::string node = "name: n\ndevice: mi250x-gcd\nhost: { memory: { name: m, capacity: 1 TB, bandwidth: 1 TB/s } }\n"
                           "nics: { count: 4, bandwidth: 25 GB/s }\n";
  CHECK_THAT(mistakes(node_table(), node + "scale_up: { kind: mesh, bandwidth: 150 GB/s, island: 3, island_bandwidth: 200 GB/s }\n"),
             Catch::Contains("islands of 3 in a mesh of 8"));
  CHECK_THAT(mistakes(node_table(), node + "scale_up: { kind: switched, bandwidth: 150 GB/s, island: 2 }\n"),
             Catch::Contains("the devices are no mesh") && Catch::Contains("island_bandwidth: not given"));
}

TEST_CASE("a cluster says what its network cannot do") {
  CHECK(mistakes(cluster_table(), "node: dgx-h100\nnodes: 4\n").empty());
  CHECK_THAT(mistakes(cluster_table(), "node: dgx-h100\nnodes: 4\nfabric: { kind: single_node }\n"),
             Catch::Contains("fabric.kind: single_node"));
  CHECK_THAT(mistakes(cluster_table(), "node: rtx-4090-single\nnodes: 4\n"), Catch::Contains("no NICs"));
  CHECK_THAT(mistakes(cluster_table(), "node: tpu-v5p-host\nnodes: 16\nfabric: { kind: torus, torus: [4, 4, 5] }\n"),
             Catch::Contains("80 places for 64 devices"));
  CHECK(mistakes(cluster_table(), "node: tpu-v5p-host\nnodes: 16\nfabric: { kind: torus, torus: [4, 4, 4] }\n").empty());
  CHECK_THAT(mistakes(cluster_table(), "node: tpu-v5p-host\nnodes: 16\n"), Catch::Contains("fabric.kind: no torus"));
  CHECK(mistakes(cluster_table(), "node: tpu-v5p-host\nnodes: 32\nfabric: { kind: torus, torus: [4, 4, 4] }\n").empty());
  CHECK_THAT(mistakes(cluster_table(), "node: tpu-v5p-host\nnodes: 16\nfabric: { kind: torus, torus: [1, 1, 2] }\n"),
             Catch::Contains("slices of whole nodes"));
  CHECK_THAT(mistakes(cluster_table(), "node: tpu-v5e-host\nnodes: 16\nfabric: { kind: torus, torus: [4, 4, 4] }\n"),
             Catch::Contains("at most the 2 that the devices have links for"));
  CHECK_THAT(mistakes(cluster_table(), "node: frontier\nnodes: 16\nfabric: { kind: dragonfly, routers: 100 }\n"),
             Catch::Contains("100 routers for the 64 ports of a group"));
  CHECK_THAT(mistakes(cluster_table(), "node: dgx-a100\nnodes: 2\ndegraded: [{ link: node2/nic0, factor: 0.5 }]\n"),
             Catch::Contains("degraded.0.link: no link of the name 'node2/nic0'"));
  CHECK(mistakes(cluster_table(), "node: dgx-a100\nnodes: 2\ndegraded: [{ link: node1/nic0, factor: 0.5 }]\n").empty());
  CHECK_THAT(mistakes(cluster_table(), "node: { base: dgx-h100, nics: { count: 9 } }\n"),
             Catch::Contains("node.nics.count: 9 NICs for 8 devices"));
}

TEST_CASE("scale-up domains from 2 to 576 devices") {
  CHECK(mistakes(cluster_table(), "node: { base: dgx-h100, scale_up: { domain: 2 } }\nnodes: 4\n").empty());
  for (const std::string domain : {"8", "64", "72", "576"})
    CHECK(mistakes(cluster_table(), "node: { base: gb200-nvl72, scale_up: { domain: " + domain + " } }\nnodes: 288\n").empty());
  CHECK_THAT(mistakes(cluster_table(), "node: { base: gb200-nvl72, scale_up: { domain: 7 } }\nnodes: 36\n"),
             Catch::Contains("node.scale_up.domain: 7 devices, with 4 in a node"));
}

TEST_CASE("a network too large to hold is refused, not built") {
  CHECK_THAT(mistakes(cluster_table(), "node: dgx-h100\nnodes: 1000000\n"), Catch::Contains("nodes: 1000000 nodes of 8 devices"));
  CHECK_THAT(mistakes(cluster_table(), "node: dgx-h100\nnodes: 10000\nfabric: { nodes_per_leaf: 1, spines: 1000 }\n"),
             Catch::Contains("fabric: a network of 1.6e+08 links"));
  CHECK_THAT(mistakes(cluster_table(), "node: { base: mi300x-oam, scale_up: { domain: 1000000 } }\n"),
             Catch::Contains("a network of 1e+12 links"));
}

} // namespace orrery::tables_test
