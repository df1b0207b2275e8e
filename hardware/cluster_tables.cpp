// Tables of nodes and clusters.
#include "hardware/catalogue.hpp"
#include "hardware/provenance.hpp"
#include "hardware/tables.hpp"
#include "hardware/topology.hpp"
#include "hardware/words.hpp"

#include <fmt/format.h>

namespace orrery {

namespace {

const Choices<ScaleUpKind> scale_up_kinds = {{"switched", ScaleUpKind::switched},
                                             {"mesh", ScaleUpKind::mesh},
                                             {"pcie", ScaleUpKind::pcie},
                                             {"torus", ScaleUpKind::torus},
                                             {"none", ScaleUpKind::none}};

const Choices<FabricKind> fabric_kinds = {{"single_node", FabricKind::single_node},
                                          {"rail_fat_tree", FabricKind::rail_fat_tree},
                                          {"fat_tree", FabricKind::fat_tree},
                                          {"torus", FabricKind::torus}};

const Table<ScaleUp>& scale_up_table() {
  static const Table<ScaleUp> table =
      Table<ScaleUp>("scale-up network", "How devices reach each other without a NIC.")
          .choice("kind", &ScaleUp::kind, scale_up_kinds)
          .count("domain", &ScaleUp::domain, {.max = max_devices, .help = "devices that it joins; 0 = those of one node"})
          .quantity("bandwidth", &ScaleUp::bandwidth, {.unit_hint = "GB/s", .help = "per device and direction, all its links together"})
          .quantity("latency", &ScaleUp::latency, {.unit_hint = "us", .help = "one hop"})
          .flag("in_switch_reduction", &ScaleUp::in_switch_reduction, {.help = "the switches add up all-reduces"})
          .quantity("root_bandwidth", &ScaleUp::root_bandwidth,
                    {.unit_hint = "GB/s", .help = "what a pcie tree, or the host between domains, shares among the devices of a node"})
          .check([](const ScaleUp& scale_up, const Report& report) {
            if (scale_up.kind != ScaleUpKind::none && scale_up.bandwidth == BytesPerSecond{})
              report.error("bandwidth", "not given", "the bandwidth of one device and direction",
                           "write 'bandwidth: 450 GB/s', or 'kind: none'");
            if (scale_up.kind == ScaleUpKind::pcie && scale_up.root_bandwidth == BytesPerSecond{})
              report.error("root_bandwidth", "not given", "what the devices of a pcie tree share", "write 'root_bandwidth: 100 GB/s'");
          });
  return table;
}

const Table<Nics>& nics_table() {
  static const Table<Nics> table =
      Table<Nics>("NICs", "Network interfaces of a node.")
          .count("count", &Nics::count, {.max = 1024, .help = "fewer than devices: neighbours share one"})
          .quantity("bandwidth", &Nics::bandwidth, {.unit_hint = "Gb/s", .help = "per NIC and direction"})
          .quantity("latency", &Nics::latency, {.unit_hint = "us", .help = "device to device over one switch"})
          .check([](const Nics& nics, const Report& report) {
            if (nics.count > 0 && nics.bandwidth == BytesPerSecond{})
              report.error("bandwidth", "not given", "the bandwidth of one NIC and direction", "write 'bandwidth: 400 Gb/s'");
          });
  return table;
}

const Table<Host>& host_table() {
  static const Table<Host> table =
      Table<Host>("host", "Processors and memory of a node.")
          .object("memory", &Host::memory, tier_table(), {.required = true})
          .quantity("cpu_peak", &Host::cpu_peak, {.unit_hint = "TFLOP/s", .help = "FP32, all cores"})
          .quantity("device_link", &Host::device_link, {.unit_hint = "GB/s", .help = "host to one device, per direction"})
          .quantity("power", &Host::power, {.unit_hint = "W", .help = "processors, memory and boards under load"});
  return table;
}

const Table<Fabric>& fabric_table() {
  static const Table<Fabric> table =
      Table<Fabric>("fabric", "The network between nodes.")
          .choice("kind", &Fabric::kind, fabric_kinds)
          .number("oversubscription", &Fabric::oversubscription, {.above = 0.0, .max = 1000, .help = "bandwidth of a leaf down / up"})
          .count("nodes_per_leaf", &Fabric::nodes_per_leaf,
                 {.min = 1, .max = max_devices, .help = "nodes under one leaf, or one leaf per rail"})
          .count("spines", &Fabric::spines, {.max = 100'000, .help = "0 = as many as the bandwidth up asks for"})
          .counts("torus", &Fabric::torus, {.min = 1, .max = max_devices, .help = "devices per dimension"})
          .quantity("hop_latency", &Fabric::hop_latency, {.unit_hint = "us", .help = "one switch and its cable"});
  return table;
}

/// Devices that a scale-up network joins inside one cluster.
int joined(const ScaleUp& scale_up, int devices_of_node) {
  if (scale_up.kind == ScaleUpKind::none)
    return 1;
  return scale_up.domain > 0 ? scale_up.domain : devices_of_node;
}

void check_node(const NodeType& node, const Report& report) {
  const ScaleUp& scale_up = node.scale_up;
  if (node.nics.count > node.devices)
    report.error("nics.count", fmt::format("{} NICs for {} devices", node.nics.count, node.devices), "at most one NIC per device",
                 "add up the bandwidth of the NICs that a device owns");
  const int domain = joined(scale_up, node.devices);
  if (scale_up.kind == ScaleUpKind::pcie && domain != node.devices)
    report.error("scale_up.domain", fmt::format("a pcie tree of {} in a node of {}", domain, node.devices), "the devices of one node");
  else if (domain % node.devices != 0 && node.devices % domain != 0)
    report.error("scale_up.domain", fmt::format("{} devices, with {} in a node", domain, node.devices),
                 "a divisor or a multiple of the devices of a node");
  if (domain < node.devices && node.nics.count == 0 && scale_up.root_bandwidth == BytesPerSecond{})
    report.error("scale_up", "nothing joins the devices of the node", "a domain of all devices, a root_bandwidth, or NICs");
}

void check_torus(const Cluster& cluster, const Report& report) {
  const bool fabric = cluster.fabric.kind == FabricKind::torus;
  const bool scale_up = cluster.node.scale_up.kind == ScaleUpKind::torus;
  if (fabric != scale_up)
    report.error("fabric.kind", fabric ? "a torus of devices without torus links" : "no torus, but the devices have torus links",
                 "torus for nodes whose scale_up.kind is torus, and for no others");
  if (!fabric)
    return;
  double product = 1;
  for (const int size : cluster.fabric.torus)
    product *= size;
  if (cluster.fabric.torus.empty() || product != cluster.devices())
    report.error("fabric.torus", fmt::format("{} places for {} devices", cluster.fabric.torus.empty() ? 0 : product, cluster.devices()),
                 "sizes whose product is the number of devices");
}

void check_cluster(const Cluster& cluster, const Report& report) {
  if (static_cast<double>(cluster.nodes) * cluster.node.devices > max_devices) {
    report.error("nodes", fmt::format("{} nodes of {} devices", cluster.nodes, cluster.node.devices),
                 fmt::format("at most {} devices", max_devices));
    return;
  }
  if (link_count(cluster) > max_links) {
    report.error("fabric", fmt::format("a network of {:.3g} links", link_count(cluster)), fmt::format("at most {:.3g} links", max_links),
                 "more nodes under a leaf, or fewer spines");
    return;
  }
  check_torus(cluster, report);
  const bool networked = cluster.fabric.kind == FabricKind::rail_fat_tree || cluster.fabric.kind == FabricKind::fat_tree;
  const int domain = joined(cluster.node.scale_up, cluster.node.devices);
  if (domain >= cluster.devices() || cluster.fabric.kind == FabricKind::torus)
    return;
  const bool one_host = cluster.nodes == 1 && cluster.node.scale_up.root_bandwidth > BytesPerSecond{};
  if (!networked && !one_host)
    report.error("fabric.kind", fmt::format("single_node, but a scale-up network joins {} of {} devices", domain, cluster.devices()),
                 "rail_fat_tree or fat_tree");
  if (networked && cluster.node.nics.count == 0 && !one_host)
    report.error("node", fmt::format("no NICs, but a scale-up network joins {} of {} devices", domain, cluster.devices()),
                 "nodes with NICs, or no more devices than the scale-up network joins");
}

} // namespace

const Table<NodeType>& node_table() {
  static const Table<NodeType> table =
      Table<NodeType>("node", "A server, or a tray of a rack-scale system.")
          .text("name", &NodeType::name, {.required = true})
          .reference("device", &NodeType::device, device_table(), device_catalogue(), {.required = true})
          .count("devices", &NodeType::devices, {.min = 1, .max = 1024})
          .object("scale_up", &NodeType::scale_up, scale_up_table(), {.required = true})
          .object("nics", &NodeType::nics, nics_table())
          .object("host", &NodeType::host, host_table(), {.required = true})
          .number("fan_share", &NodeType::fan_share, {.max = 0.5, .help = "fans as a share of the DC power"})
          .number("power_supply_efficiency", &NodeType::power_supply_efficiency, {.above = 0.0, .max = 1})
          .quantity("max_power", &NodeType::max_power, {.above = Watts{}, .unit_hint = "kW", .help = "nameplate"})
          .quantity("price", &NodeType::price, {.unit_hint = "USD"})
          .list("sources", &NodeType::sources, provenance_table(), {.help = "where the figures come from"})
          .check(check_node)
          .check([](const NodeType& node, const Report& report) {
            check_sources(node_table(), node_table().write(node), node.sources, report);
          });
  return table;
}

const Table<Cluster>& cluster_table() {
  static const Table<Cluster> table =
      Table<Cluster>("cluster", "Nodes, the network between them and the house around them.")
          .text("name", &Cluster::name)
          .reference("node", &Cluster::node, node_table(), node_catalogue(), {.required = true})
          .count("nodes", &Cluster::nodes, {.min = 1, .max = max_devices})
          .object("fabric", &Cluster::fabric, fabric_table())
          .number("pue", &Cluster::pue, {.min = 1, .max = 10, .help = "power of the facility / power of the machines"})
          .quantity("electricity_price", &Cluster::electricity_price, {.unit_hint = "USD/kWh"})
          .quantity("depreciation", &Cluster::depreciation, {.unit_hint = "y", .help = "straight line over this time"})
          .list("sources", &Cluster::sources, provenance_table(), {.help = "where the figures come from"})
          .check(check_cluster)
          .check([](const Cluster& cluster, const Report& report) {
            check_sources(cluster_table(), cluster_table().write(cluster), cluster.sources, report);
          });
  return table;
}

} // namespace orrery
