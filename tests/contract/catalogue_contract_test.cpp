// Every entry of the hardware catalogue: it loads, says where each figure comes from, is sane, and writes back to the same.
#include "hardware/catalogue.hpp"
#include "hardware/provenance.hpp"
#include "hardware/tables.hpp"
#include "hardware/topology.hpp"
#include "tests/support/routes.hpp"
#include "tests/support/yaml_text.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

namespace orrery::catalogue_contract_test {

namespace {

template <class T> void check_entries(const Table<T>& table, const Catalogue& catalogue, const std::function<void(const T&)>& check) {
  const std::vector<std::string> names = catalogue.names();
  REQUIRE_FALSE(names.empty());
  for (const std::string& name : names) {
    INFO(catalogue.kind << " " << name);
    const T value = from_catalogue(name, table, catalogue);
    CHECK(value.name == name);
    CHECK_FALSE(value.sources.empty());
    for (const Provenance& source : value.sources)
      CHECK(source.reference.size() >= 7);
    const yaml::Node written = table.write(value);
    Diagnostics diagnostics;
    const yaml::Node text = yaml::parse_yaml(yaml::to_yaml(written), name, diagnostics);
    const yaml::Node again = table.write(table.read(text, diagnostics));
    INFO(diagnostics.render());
    CHECK(diagnostics.empty());
    CHECK(yaml::to_yaml(again) == yaml::to_yaml(written));
    check(value);
  }
}

/// Fewer bits are never slower. FP16 and INT8 are left out: Gaudi3 runs FP16 at the TF32 rate, Rubin has less INT8 than FP16.
void check_peaks(const ComputeUnit& unit) {
  FlopsPerSecond last;
  for (const Precision precision : {Precision::fp64, Precision::fp32, Precision::tf32, Precision::bf16, Precision::fp8, Precision::fp4}) {
    const auto peak = unit.peak.find(precision);
    if (peak == unit.peak.end())
      continue;
    CHECK(peak->second >= last);
    last = peak->second;
  }
}

} // namespace

TEST_CASE("catalogue: devices") {
  check_entries<Device>(device_table(), device_catalogue(), [](const Device& device) {
    CHECK_FALSE(device.vendor.empty());
    CHECK(device.year >= 2015);
    for (const ComputeUnit& unit : device.units) {
      check_peaks(unit);
      // A rate below one operation per kilobyte, or above a million per byte, is a slip of the unit.
      const auto tier =
          std::find_if(device.memory.begin(), device.memory.end(), [&](const MemoryTier& t) { return t.name == unit.memory; });
      const double bytes = unit.bandwidth.value_or(tier->bandwidth).si();
      for (const auto& [precision, peak] : unit.peak)
        CHECK((peak.si() > 1e-3 * bytes && peak.si() < 1e6 * bytes));
      CHECK(unit.energy.si() > 1e-14);
      CHECK(unit.energy.si() < 1e-10);
    }
    for (const MemoryTier& tier : device.memory)
      CHECK((tier.energy.si() > 1e-13 && tier.energy.si() < 1e-9));
    if (device.power_cap)
      CHECK((device.power_cap->si() > 10 && device.power_cap->si() < 30e3));
  });
}

TEST_CASE("catalogue: links") {
  check_entries<Link>(link_table(), link_catalogue(), [](const Link& link) {
    CHECK((link.latency.si() >= 1e-7 && link.latency.si() <= 1e-5));
    CHECK((link.bandwidth.si() > 1e9 && link.bandwidth.si() < 1e13));
  });
}

TEST_CASE("catalogue: memory tiers") {
  check_entries<MemoryTier>(tier_table(), tier_catalogue(), [](const MemoryTier& tier) { CHECK(tier.energy > JoulesPerByte{}); });
}

TEST_CASE("catalogue: nodes") {
  check_entries<NodeType>(node_table(), node_catalogue(), [](const NodeType& node) {
    CHECK(node.host.power > Watts{});
    CHECK(node.host.device_link > BytesPerSecond{});
    if (node.nics.count > 0)
      CHECK(node.nics.latency > Seconds{});
    if (node.max_power && node.device.power_cap)
      CHECK(*node.max_power > *node.device.power_cap * node.devices);
    if (node.device.scale_up_bandwidth && node.scale_up.kind != ScaleUpKind::none)
      CHECK(node.scale_up.bandwidth <= *node.device.scale_up_bandwidth);
  });
}

TEST_CASE("catalogue: clusters") {
  check_entries<Cluster>(cluster_table(), cluster_catalogue(), [](const Cluster& cluster) {
    const Topology topology(cluster);
    CHECK(topology.devices() == cluster.devices());
    const int last = cluster.devices() - 1;
    for (const int device : {1, last / 3, last / 2, last}) {
      const Route route = topology.route(0, device);
      CHECK_FALSE(route.links.empty());
      CHECK(route.latency > Seconds{});
      CHECK(bottleneck(topology, route) > BytesPerSecond{});
    }
  });
}

TEST_CASE("catalogue: every device of a node is a device of the catalogue") {
  const std::vector<std::string> devices = device_catalogue().names();
  for (const std::string& name : node_catalogue().names())
    CHECK(std::find(devices.begin(), devices.end(), load_node(name).device.name) != devices.end());
}

} // namespace orrery::catalogue_contract_test
