#include "hardware/catalogue.hpp"
#include "hardware/topology.hpp"
#include "scenarios/training_row_cells.hpp"

#include <fmt/format.h>

namespace orrery {

namespace {

/// Published names of machines, and the node that each stands for; first match wins. Some are told apart by their network only.
struct MachineRule {
  std::string_view accelerator;
  std::string_view node;
  std::string_view network;
};
constexpr MachineRule machine_rules[] = {{"a100-80g-sxm", "dgx-a100"},
                                         {"a100-sxm", "dgx-a100"},
                                         {"a100-40g-sxm", "dgx-a100-40gb"},
                                         {"h100-80g-sxm", "gcp-a3-high", "A3 GPUDirect-TCPX"},
                                         {"h100-80g-sxm", "dgx-h100"},
                                         {"h100-96g-hbm2e-500w", "h100-96gb-hbm2e"},
                                         {"h200-141g-sxm", "dgx-h200"},
                                         {"b200", "dgx-b200"},
                                         {"b200-power-limited", "b200-power-limited"},
                                         {"gb200-nvl72", "gb200-nvl72"},
                                         {"v100-32g-sxm2", "jean-zay-v100"},
                                         {"v100-32g-sxm3", "dgx-2"},
                                         {"rtx4090-24g", "rtx-4090-single"},
                                         {"tpu-v5e", "tpu-v5e-host"},
                                         {"tpu-v5p", "tpu-v5p-host"},
                                         {"ascend-910b-a2", "atlas-800i-a2"}};

/// NICs as the row states them: "200 Gb/s HDR IB per GPU (8 HCA/node)", "800 Gb/s per node (100 Gb/s per GPU)", "4 links/node (about 50
/// Gb/s per GPU)".
void apply_network(const Cells& row, NodeType& node) {
  const std::string& text = row.text("inter_node_link");
  const auto per_device = first_number(text, R"((\d+(?:\.\d+)?) Gb/s[^(]*per GPU)");
  if (!per_device)
    return;
  constexpr double gigabit = 1e9 / 8;
  const double total = *per_device * gigabit * node.devices;
  // A node rate without a number of ports: as many HDR ports (200 Gb/s, what these machines had) as it asks for.
  const double ports = first_number(text, R"((\d+) (?:links|HCA)/node)").value_or(std::ceil(total / (200 * gigabit)));
  node.nics.count = std::clamp(static_cast<int>(ports), 1, node.devices);
  node.nics.bandwidth = BytesPerSecond{total / node.nics.count};
}

void apply_scale_up(const Cells& row, NodeType& node) {
  const auto links = first_number(row.text("intra_node_link"), R"(NVLink3 \((\d+) links noted\))");
  if (links) // 25 GB/s per link and direction
    node.scale_up.bandwidth = std::min(node.scale_up.bandwidth, BytesPerSecond{*links * 25e9});
}

/// Slices as large as the machine makes them.
bool make_slices(int devices, TrainingRow& out) {
  const int slice = std::min(devices, out.cluster.node.scale_up.domain);
  out.cluster.fabric.kind = FabricKind::torus;
  out.cluster.fabric.torus = torus_slice(out.cluster.node, slice);
  if (!out.cluster.fabric.torus.empty() && devices % slice == 0)
    return true;
  out.refusal = fmt::format("no slice of {} devices", slice);
  return false;
}

} // namespace

bool find_machine(const Cells& row, TrainingRow& out) {
  const std::string& name = row.text("accelerator");
  const auto* const rule = std::find_if(std::begin(machine_rules), std::end(machine_rules), [&](const MachineRule& each) {
    return each.accelerator == name && row.contains("inter_node_link", each.network);
  });
  const std::string node(rule == std::end(machine_rules) ? std::string_view(name) : rule->node);
  const std::vector<std::string> known = node_catalogue().names();
  if (std::find(known.begin(), known.end(), node) == known.end()) {
    out.refusal = "no node description of accelerator " + name;
    return false;
  }
  out.cluster.name = out.id;
  out.cluster.node = load_node(node);
  const int devices = row.count("devices");
  const int per_node = row.count("devices_per_node", out.cluster.node.devices);
  if (per_node > 0 && per_node < out.cluster.node.devices)
    out.cluster.node.devices = per_node;
  if (devices < out.cluster.node.devices)
    out.cluster.node.devices = devices;
  out.cluster.nodes = (devices + out.cluster.node.devices - 1) / std::max(1, out.cluster.node.devices);
  out.cluster.fabric.hop_latency = Seconds{1e-6};
  // Schedulers give jobs of several racks the same number of trays in each, so that groups do not straddle racks: 64 of 72 devices.
  if (int& domain = out.cluster.node.scale_up.domain; domain > out.cluster.node.devices && devices > domain)
    while (devices % domain != 0)
      --domain;
  if (out.cluster.node.scale_up.kind == ScaleUpKind::torus && !make_slices(devices, out))
    return false;
  apply_network(row, out.cluster.node);
  apply_scale_up(row, out.cluster.node);
  return true;
}

} // namespace orrery
