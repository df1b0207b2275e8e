#include "scenarios/imports/import_machine.hpp"

#include "hardware/catalogue.hpp"
#include "hardware/tables.hpp"

#include <fmt/format.h>

#include <cmath>

namespace orrery {

namespace {

/// The node under its name, with as many devices and NICs as ranks where those are fewer.
yaml::Node node_of(const std::string& name, const NodeType& node, double ranks) {
  if (ranks >= node.devices)
    return yaml::scalar(name);
  yaml::Node part = yaml::map({{"base", yaml::scalar(name)}, {"devices", yaml::scalar(exact_number(ranks))}});
  if (node.nics.count > ranks)
    part.set("nics", yaml::map({{"count", yaml::scalar(exact_number(ranks))}}));
  return yaml::on_one_line(std::move(part));
}

} // namespace

ImportedMachine import_machine(const MachineOptions& options, double ranks, bool exact, Diagnostics& diagnostics) {
  ImportedMachine machine{.ranks = ranks};
  if (options.cluster.empty() == options.node.empty()) {
    diagnostics.add(
        {.path = "--cluster",
         .message = options.node.empty() ? "missing: what is imported does not say on which machine it runs" : "given beside --node",
         .allowed = "--cluster NAME, or --node NAME with --nodes N",
         .suggestion = "'orrery catalog list clusters' and 'orrery catalog list nodes' show the names"});
    return machine;
  }
  const bool by_node = !options.node.empty();
  Diagnostics found;
  Cluster cluster;
  if (by_node)
    cluster.node = read_reference(yaml::scalar(options.node), node_table(), node_catalogue(), found, "--node");
  else
    cluster = read_reference(yaml::scalar(options.cluster), cluster_table(), cluster_catalogue(), found, "--cluster");
  diagnostics.append(found);
  if (!found.empty())
    return machine;
  const NodeType& node = cluster.node;
  const bool filled = ranks > 0 && (by_node || exact);
  machine.node = node.name;
  machine.nodes = options.nodes > 0 ? options.nodes : filled ? static_cast<int>(std::ceil(ranks / node.devices)) : cluster.nodes;
  if (by_node && options.nodes == 0 && ranks == 0)
    machine.notes.emplace_back("how many ranks there are is not said: one node is taken; --nodes N says otherwise");
  if (options.nodes > 0 || ranks == 0)
    machine.ranks = static_cast<double>(machine.nodes) * node.devices;
  const bool part_of_node = exact && machine.ranks < node.devices;
  if (exact && !part_of_node && std::fmod(machine.ranks, node.devices) != 0)
    diagnostics.add(
        {.path = "--nnodes", .message = fmt::format("{} ranks on nodes of {} devices", exact_number(machine.ranks), node.devices)});
  if (!by_node && machine.nodes == cluster.nodes && !part_of_node) {
    machine.cluster = yaml::scalar(options.cluster);
    return machine;
  }
  const yaml::Node type = node_of(by_node ? options.node : node.name, node, part_of_node ? machine.ranks : node.devices);
  machine.cluster = by_node ? yaml::map({{"name", yaml::scalar(fmt::format("{} x {}", machine.nodes, node.name))}, {"node", type}})
                            : yaml::map({{"base", yaml::scalar(options.cluster)}});
  if (!by_node && part_of_node)
    machine.cluster.set("node", type);
  machine.cluster.set("nodes", yaml::scalar(std::to_string(machine.nodes)));
  if (!by_node)
    return machine;
  const bool alone = machine.nodes == 1 || node.nics.count == 0;
  machine.cluster.set("fabric", yaml::on_one_line(yaml::map({{"kind", yaml::scalar(alone ? "single_node" : "rail_fat_tree")}})));
  if (!alone)
    machine.notes.emplace_back("the network between the nodes is taken as a full rail-optimised fat tree; --cluster NAME says otherwise");
  return machine;
}

} // namespace orrery
