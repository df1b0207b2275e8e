// `orrery catalog`: what the project knows by name, with its sources.
#include "hardware/catalogue.hpp"
#include "sim/base/diagnostics.hpp"
#include "tools/commands/command.hpp"
#include "tools/reports/text.hpp"
#include "workloads/image_tables.hpp"
#include "workloads/tables.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery {

namespace {

struct Shelf {
  std::string kind;
  const Catalogue& (*catalogue)();
  /// Keys shown beside a name in the list.
  std::vector<std::string> summary;
};

const std::vector<Shelf>& shelves() {
  static const std::vector<Shelf> rows = {{"devices", device_catalogue, {"vendor", "architecture", "year"}},
                                          {"nodes", node_catalogue, {"devices", "device"}},
                                          {"clusters", cluster_catalogue, {"nodes", "node"}},
                                          {"links", link_catalogue, {"bandwidth", "latency"}},
                                          {"tiers", tier_catalogue, {"capacity", "bandwidth"}},
                                          {"models", model_catalogue, {"layers", "hidden", "heads"}},
                                          {"image_models", image_model_catalogue, {"parameters"}},
                                          {"software", software_catalogue, {"attention"}}};
  return rows;
}

std::vector<std::string> shelf_names() {
  std::vector<std::string> names;
  for (const Shelf& shelf : shelves())
    names.push_back(shelf.kind);
  return names;
}

std::string kinds_text() { return fmt::format("{}", fmt::join(shelf_names(), ", ")); }

/// The entry as its file writes it.
yaml::Node entry(const Shelf& shelf, const std::string& name) {
  Diagnostics diagnostics;
  const std::optional<yaml::Node> found = shelf.catalogue().find(yaml::scalar(name), diagnostics);
  diagnostics.throw_if_any();
  return found.value_or(yaml::Node{});
}

void list(const Shelf& shelf, Console& console) {
  const std::vector<std::string> names = shelf.catalogue().names();
  Columns columns({Align::left, Align::left});
  for (const std::string& name : names) {
    const yaml::Node node = entry(shelf, name);
    std::string summary;
    for (const std::string& key : shelf.summary) {
      const yaml::Node* value = node.find(key);
      if (value != nullptr && value->is_scalar())
        summary += (summary.empty() ? "" : ", ") + key + " " + value->text;
    }
    columns.row({name, summary});
  }
  console.out << Style{.colour = console.colour}.heading(shelf.kind + " (" + std::to_string(names.size()) + ")") << '\n' << columns.str();
}

Exit list_all(const std::string& kind, Console& console) {
  const std::vector<std::string> kinds = shelf_names();
  if (!kind.empty() && std::ranges::find(kinds, kind) == kinds.end()) {
    Diagnostics diagnostics;
    diagnostics.add({.path = "KIND", .message = shown(kind), .allowed = kinds_text(), .suggestion = did_you_mean(kind, kinds)});
    diagnostics.throw_if_any();
  }
  for (const Shelf& shelf : shelves()) {
    if (kind.empty() || kind == shelf.kind)
      list(shelf, console);
  }
  return Exit::ok;
}

Exit show(const std::string& name, Console& console) {
  std::vector<std::string> known;
  bool found = false;
  for (const Shelf& shelf : shelves()) {
    const std::vector<std::string> names = shelf.catalogue().names();
    known.insert(known.end(), names.begin(), names.end());
    if (std::ranges::find(names, name) == names.end())
      continue;
    console.out << (found ? "\n" : "") << "# " << shelf.kind << ": " << name << '\n' << yaml::to_yaml(entry(shelf, name));
    found = true;
  }
  if (!found)
    throw UserError("NAME: " + shown(name) + " is in no catalogue" + or_did_you_mean(name, known) +
                    "\n'orrery catalog list' shows all names.");
  return Exit::ok;
}

Exit run_catalog(const Arguments& arguments, Console& console) {
  if (arguments.text("ACTION") == "list")
    return list_all(arguments.text("NAME"), console);
  if (!arguments.has("NAME"))
    throw UserError("catalog show: NAME is missing; 'orrery catalog list' shows all names");
  return show(arguments.text("NAME"), console);
}

} // namespace

Command catalog_command_row() {
  return {.name = "catalog",
          .summary = "lists what is known by name, or shows an entry with its sources",
          .details = "catalog list [KIND], catalog show NAME. Kinds: " + kinds_text() + ".",
          .options = {{.name = "ACTION",
                       .kind = OptionKind::positional,
                       .value = {},
                       .help = "what to do",
                       .required = true,
                       .choices = {"list", "show"}},
                      {.name = "NAME", .kind = OptionKind::positional, .value = {}, .help = "a kind to list, or an entry to show"}},
          .run = run_catalog};
}

} // namespace orrery
