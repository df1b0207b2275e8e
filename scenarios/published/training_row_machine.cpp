#include "hardware/topology.hpp"
#include "scenarios/published/published_machine.hpp"
#include "scenarios/published/training_row_cells.hpp"

#include <fmt/format.h>

#include <utility>

namespace orrery {

namespace {

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
  NamedMachine named = published_machine(row.text("accelerator"), row.text("inter_node_link"));
  if (!named.node) {
    out.refusal = std::move(named.refusal);
    return false;
  }
  out.cluster.name = out.id;
  out.cluster.node = *std::move(named.node);
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
