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
                                          {"dragonfly", FabricKind::dragonfly},
                                          {"torus", FabricKind::torus}};

void check_islands(const ScaleUp& scale_up, const Report& report) {
  if (scale_up.island == 0)
    return;
  if (scale_up.kind != ScaleUpKind::mesh)
    report.error("island", "islands, but the devices are no mesh", "kind: mesh, or no island");
  if (scale_up.island_bandwidth == BytesPerSecond{})
    report.error("island_bandwidth", "not given", "the bandwidth of one device and direction inside its island",
                 "write 'island_bandwidth: 200 GB/s'");
}

const Choices<PathKind> path_kinds = {{"hashed", PathKind::hashed}, {"planned", PathKind::planned}};

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
          .count("island", &ScaleUp::island, {.max = 1024, .help = "neighbours of a mesh with faster links among them; 0 = none"})
          .quantity("island_bandwidth", &ScaleUp::island_bandwidth,
                    {.unit_hint = "GB/s", .help = "per device and direction inside its island; bandwidth is then that of its other links"})
          .count("dimensions", &ScaleUp::dimensions, {.max = 6, .help = "of a torus; 0 = those of the fabric"})
          .count("ring_from", &ScaleUp::ring_from, {.max = max_devices, .help = "a dimension of a torus shorter than this is a line"})
          .check(check_islands)
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
          .quantity("device_links", &Host::device_links,
                    {.unit_hint = "GB/s", .help = "host to all devices at once, per direction; 0 = the sum of their own links"})
          .object("storage", &Host::storage, tier_table(), {.help = "the node's drives together"})
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
          .choice("paths", &Fabric::paths, path_kinds, {.help = "how a flow finds its spine"})
          .count("routers", &Fabric::routers, {.min = 1, .max = 4096, .help = "of a dragonfly group"})
          .number("detour", &Fabric::detour, {.max = 1, .help = "share of the traffic between dragonfly groups that goes over a third one"})
          .counts("torus", &Fabric::torus, {.min = 1, .max = max_devices, .help = "devices per dimension of a slice"})
          .quantity("hop_latency", &Fabric::hop_latency, {.unit_hint = "us", .help = "one switch and its cable"});
  return table;
}

const Table<Degraded>& degraded_table() {
  static const Table<Degraded> table =
      Table<Degraded>("degraded link", "A link that is slower than built.")
          .text("link", &Degraded::link, {.required = true, .help = "as in 'node3/nic1/up'; without its last part both directions"})
          .number("factor", &Degraded::factor, {.above = 0.0, .max = 1, .required = true, .help = "of its bandwidth"});
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
  if (scale_up.island > 0 && (scale_up.island >= domain || domain % scale_up.island != 0))
    report.error("scale_up.island", fmt::format("islands of {} in a mesh of {}", scale_up.island, domain),
                 "a divisor of the mesh below it");
  if (domain < node.devices && node.nics.count == 0 && scale_up.root_bandwidth == BytesPerSecond{})
    report.error("scale_up", "nothing joins the devices of the node", "a domain of all devices, a root_bandwidth, or NICs");
}

// Each of these says whether it found nothing wrong.

bool check_size(const Cluster& cluster, const Report& report) {
  if (static_cast<double>(cluster.nodes) * cluster.node.devices > max_devices) {
    report.error("nodes", fmt::format("{} nodes of {} devices", cluster.nodes, cluster.node.devices),
                 fmt::format("at most {} devices", max_devices));
    return false;
  }
  if (link_count(cluster) > max_links) {
    report.error("fabric", fmt::format("a network of {:.3g} links", link_count(cluster)), fmt::format("at most {:.3g} links", max_links),
                 "more nodes under a leaf, or fewer spines");
    return false;
  }
  return true;
}

bool check_torus(const Cluster& cluster, const Report& report) {
  const bool fabric = cluster.fabric.kind == FabricKind::torus;
  const bool scale_up = cluster.node.scale_up.kind == ScaleUpKind::torus;
  if (fabric != scale_up)
    report.error("fabric.kind", fabric ? "a torus of devices without torus links" : "no torus, but the devices have torus links",
                 "torus for nodes whose scale_up.kind is torus, and for no others");
  if (!fabric)
    return fabric == scale_up;
  double product = 1;
  for (const int size : cluster.fabric.torus)
    product *= size;
  const int devices = cluster.devices();
  const int dimensions = cluster.node.scale_up.dimensions;
  if (cluster.fabric.torus.empty() || product > devices || devices % static_cast<int>(product) != 0)
    report.error("fabric.torus", fmt::format("{} places for {} devices", cluster.fabric.torus.empty() ? 0 : product, devices),
                 "sizes whose product is the number of devices, or divides it");
  else if (product < devices && (static_cast<int>(product) % cluster.node.devices != 0 || cluster.node.nics.count == 0))
    report.error("fabric.torus", fmt::format("slices of {} in a cluster of {} devices", product, devices),
                 "slices of whole nodes, and nodes with NICs");
  else if (dimensions > 0 && static_cast<int>(cluster.fabric.torus.size()) > dimensions)
    report.error("fabric.torus", fmt::format("{} dimensions", cluster.fabric.torus.size()),
                 fmt::format("at most the {} that the devices have links for", dimensions));
  else
    return fabric == scale_up;
  return false;
}

bool check_dragonfly(const Cluster& cluster, const Report& report) {
  if (cluster.fabric.kind != FabricKind::dragonfly)
    return true;
  const int ports = std::min(cluster.fabric.nodes_per_leaf, cluster.nodes) * cluster.node.nics.count;
  if (cluster.fabric.routers <= ports)
    return true;
  report.error("fabric.routers", fmt::format("{} routers for the {} ports of a group", cluster.fabric.routers, ports),
               "no more routers than ports");
  return false;
}

/// Whether something joins the scale-up domains.
bool check_joined(const Cluster& cluster, const Report& report) {
  const FabricKind fabric = cluster.fabric.kind;
  const bool networked = fabric == FabricKind::rail_fat_tree || fabric == FabricKind::fat_tree || fabric == FabricKind::dragonfly;
  const int domain = joined(cluster.node.scale_up, cluster.node.devices);
  const bool one_host = cluster.nodes == 1 && cluster.node.scale_up.root_bandwidth > BytesPerSecond{};
  if (domain >= cluster.devices() || fabric == FabricKind::torus || one_host)
    return true;
  if (!networked)
    report.error("fabric.kind", fmt::format("single_node, but a scale-up network joins {} of {} devices", domain, cluster.devices()),
                 "rail_fat_tree, fat_tree or dragonfly");
  else if (cluster.node.nics.count == 0)
    report.error("node", fmt::format("no NICs, but a scale-up network joins {} of {} devices", domain, cluster.devices()),
                 "nodes with NICs, or no more devices than the scale-up network joins");
  else
    return true;
  return false;
}

void check_degraded(const Cluster& cluster, const Report& report) {
  const Topology topology(cluster);
  for (std::size_t i = 0; i < cluster.degraded.size(); ++i) {
    if (!topology.find(cluster.degraded[i].link).empty())
      continue;
    const auto count = static_cast<LinkId>(topology.links().size());
    report.error(fmt::format("degraded.{}.link", i), fmt::format("no link of the name {}", shown(cluster.degraded[i].link)),
                 count == 0 ? std::string("none: the cluster has no links")
                            : fmt::format("names such as {} and {}", topology.name(0), topology.name(count - 1)));
  }
}

void check_cluster(const Cluster& cluster, const Report& report) {
  if (!check_size(cluster, report))
    return;
  const bool torus = check_torus(cluster, report);
  const bool dragonfly = check_dragonfly(cluster, report);
  const bool whole = check_joined(cluster, report);
  if (torus && dragonfly && whole && !cluster.degraded.empty())
    check_degraded(cluster, report);
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
          .quantity("max_power", &NodeType::max_power,
                    {.above = Watts{}, .unit_hint = "kW", .help = "nameplate; for the reader: no model takes it"})
          .quantity("price", &NodeType::price, {.unit_hint = "USD"})
          .list("sources", &NodeType::sources, provenance_table(), {.help = "where the figures come from"})
          .overlaid(override_sources)
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
          .list("degraded", &Cluster::degraded, degraded_table(), {.help = "links that are slower than built"})
          .number("pue", &Cluster::pue, {.min = 1, .max = 10, .help = "power of the facility / power of the machines"})
          .quantity("electricity_price", &Cluster::electricity_price, {.unit_hint = "USD/kWh"})
          .quantity("depreciation", &Cluster::depreciation, {.unit_hint = "y", .help = "straight line over this time"})
          .list("sources", &Cluster::sources, provenance_table(), {.help = "where the figures come from"})
          .overlaid(override_sources)
          .check(check_cluster)
          .check([](const Cluster& cluster, const Report& report) {
            check_sources(cluster_table(), cluster_table().write(cluster), cluster.sources, report);
          });
  return table;
}

} // namespace orrery
