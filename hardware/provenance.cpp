#include "hardware/provenance.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery {

namespace {

constexpr std::string_view sources_key = "sources";

bool covers(std::string_view source, std::string_view path) {
  return path.starts_with(source) && (path.size() == source.size() || path[source.size()] == '.');
}

bool is_zero(const yaml::Node& node) { return node.is_scalar() && (node.text == "0" || node.text.starts_with("0 ")); }

std::string below(const std::string& path, std::string_view key) { return fmt::format("{}{}{}", path, path.empty() ? "" : ".", key); }

void collect_table(const TableInfo& table, const yaml::Node& node, const std::string& path, std::vector<DescribedValue>& values);

void collect(const Shape& shape, const yaml::Node& node, const std::string& path, std::vector<DescribedValue>& values) {
  switch (shape.kind) {
  case ShapeKind::object:
    return collect_table(*shape.table, node, path, values);
  case ShapeKind::reference:
    return values.push_back({path, false, node});
  case ShapeKind::map:
    for (const yaml::Entry& entry : node.entries)
      collect(*shape.item, entry.value, below(path, entry.key), values);
    return;
  case ShapeKind::list:
    if (shape.item->kind != ShapeKind::object)
      return values.push_back({path, !node.items.empty(), node});
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      const yaml::Node* name = node.items[i].find("name");
      collect(*shape.item, node.items[i], below(path, name != nullptr ? name->text : std::to_string(i)), values);
    }
    return;
  case ShapeKind::count:
  case ShapeKind::number:
  case ShapeKind::quantity:
  case ShapeKind::one_of:
    return values.push_back({path, !is_zero(node), node});
  case ShapeKind::flag:
  case ShapeKind::choice:
  case ShapeKind::text:
  case ShapeKind::any:
    return values.push_back({path, false, node});
  }
}

void collect_table(const TableInfo& table, const yaml::Node& node, const std::string& path, std::vector<DescribedValue>& values) {
  for (const FieldInfo& field : table.fields()) {
    const yaml::Node* given = node.find(field.key);
    if (given != nullptr && field.key != sources_key)
      collect(field.shape, *given, below(path, field.key), values);
  }
}

std::string figure_of(const yaml::Node& source) {
  const yaml::Node* figure = source.find("figure");
  return figure != nullptr ? figure->text : std::string();
}

yaml::Node source_node(const std::string& figure, const std::string& kind, const std::string& reference) {
  return yaml::map({{"figure", yaml::scalar(figure)}, {"kind", yaml::scalar(kind)}, {"reference", yaml::scalar(reference)}});
}

/// The sources of an entry as written; none where there are none.
std::vector<yaml::Node> sources_in(const yaml::Node& entry) {
  const yaml::Node* sources = entry.find(sources_key);
  return sources != nullptr ? sources->items : std::vector<yaml::Node>{};
}

/// Figures of `entry` that are not those of `before`.
std::vector<std::string> changed_figures(const TableInfo& table, const yaml::Node& entry, const yaml::Node& before) {
  const std::vector<DescribedValue> old = described_values(table, before);
  std::vector<std::string> changed;
  for (const DescribedValue& value : described_values(table, entry)) {
    const auto same = [&](const DescribedValue& other) { return other.path == value.path && other.value == value.value; };
    if (value.figure && std::ranges::none_of(old, same))
      changed.push_back(value.path);
  }
  return changed;
}

} // namespace

std::vector<DescribedValue> described_values(const TableInfo& table, const yaml::Node& written) {
  std::vector<DescribedValue> values;
  collect_table(table, written, {}, values);
  return values;
}

const Provenance* source_of(const std::vector<Provenance>& sources, std::string_view path) {
  const Provenance* best = nullptr;
  std::size_t length = 0;
  for (const Provenance& source : sources) {
    const std::size_t own = source.figure == "*" ? 0 : source.figure.size();
    if ((own == 0 || covers(source.figure, path)) && (best == nullptr || own > length)) {
      best = &source;
      length = own;
    }
  }
  return best;
}

void check_sources(const TableInfo& table, const yaml::Node& written, const std::vector<Provenance>& sources, const Report& report) {
  if (sources.empty())
    return;
  const std::vector<DescribedValue> values = described_values(table, written);
  std::string without;
  for (const DescribedValue& value : values) {
    if (value.figure && source_of(sources, value.path) == nullptr)
      without += (without.empty() ? "" : ", ") + value.path;
  }
  if (!without.empty())
    report.error("sources", "no source for " + without, "a source for every figure; '*' covers what no other source names");
  std::vector<std::string> paths;
  for (const DescribedValue& value : values)
    paths.push_back(value.path);
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const std::string& figure = sources[i].figure;
    const bool known =
        figure == "*" || std::any_of(paths.begin(), paths.end(), [&](const std::string& path) { return covers(figure, path); });
    if (!known)
      report.error(fmt::format("sources.{}.figure", i), fmt::format("{} is no value of this {}", shown(figure), table.name()),
                   "*, or a dotted path", did_you_mean(figure, paths));
    const auto twin = std::find_if(sources.begin(), sources.begin() + static_cast<std::ptrdiff_t>(i),
                                   [&](const Provenance& other) { return other.figure == figure; });
    if (twin != sources.begin() + static_cast<std::ptrdiff_t>(i))
      report.error(fmt::format("sources.{}.figure", i), fmt::format("a second source for '{}'", figure));
  }
}

void add_source(yaml::Node& entry, const std::string& figure, const std::string& kind, const std::string& reference) {
  std::vector<yaml::Node> sources = sources_in(entry);
  sources.push_back(source_node(figure, kind, reference));
  entry.set(sources_key, yaml::sequence(std::move(sources)));
}

void override_sources(const TableInfo& table, yaml::Node& entry, const yaml::Node& before) {
  const std::vector<yaml::Node> old = sources_in(before);
  const yaml::Node* given = entry.find(sources_key);
  if (old.empty() || given == nullptr || !given->is_sequence())
    return;
  std::vector<yaml::Node> sources = given->items == old ? std::vector<yaml::Node>{} : given->items;
  const auto all = std::ranges::find(sources, "*", figure_of);
  yaml::Node other = source_node("*", "assumed", "given without a source"); // of what the entry gives and names no source of
  if (all != sources.end()) {
    other = *all;
    sources.erase(all);
  }
  const std::vector<DescribedValue> values = described_values(table, entry);
  const std::vector<std::string> changed = changed_figures(table, entry, before);
  std::vector<yaml::Node> rest;
  for (const yaml::Node& source : old) {
    const std::string figure = figure_of(source);
    const bool there = figure == "*" || std::ranges::any_of(values, [&](const DescribedValue& v) { return covers(figure, v.path); });
    const bool replaced = std::ranges::find(sources, figure, figure_of) != sources.end() ||
                          std::ranges::any_of(changed, [&](const std::string& path) { return covers(path, figure); });
    if (there && !replaced)
      rest.push_back(source);
  }
  for (const std::string& path : changed)
    if (std::ranges::none_of(sources, [&](const yaml::Node& source) { return covers(figure_of(source), path); })) {
      rest.push_back(other);
      rest.back().set("figure", yaml::scalar(path));
    }
  sources.insert(sources.end(), rest.begin(), rest.end());
  entry.set(sources_key, yaml::sequence(std::move(sources)));
}

} // namespace orrery
