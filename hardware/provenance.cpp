#include "hardware/provenance.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery {

namespace {

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
    return values.push_back({path, false});
  case ShapeKind::map:
    for (const yaml::Entry& entry : node.entries)
      collect(*shape.item, entry.value, below(path, entry.key), values);
    return;
  case ShapeKind::list:
    if (shape.item->kind != ShapeKind::object)
      return values.push_back({path, !node.items.empty()});
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      const yaml::Node* name = node.items[i].find("name");
      collect(*shape.item, node.items[i], below(path, name != nullptr ? name->text : std::to_string(i)), values);
    }
    return;
  case ShapeKind::count:
  case ShapeKind::number:
  case ShapeKind::quantity:
  case ShapeKind::one_of:
    return values.push_back({path, !is_zero(node)});
  case ShapeKind::flag:
  case ShapeKind::choice:
  case ShapeKind::text:
  case ShapeKind::any:
    return values.push_back({path, false});
  }
}

void collect_table(const TableInfo& table, const yaml::Node& node, const std::string& path, std::vector<DescribedValue>& values) {
  for (const FieldInfo& field : table.fields()) {
    const yaml::Node* given = node.find(field.key);
    if (given != nullptr && field.key != "sources")
      collect(field.shape, *given, below(path, field.key), values);
  }
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

} // namespace orrery
