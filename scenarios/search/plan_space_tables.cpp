#include "scenarios/search/plan_space_tables.hpp"

#include "workloads/tables.hpp"

#include <algorithm>

namespace orrery {

namespace {

const Table<SearchOptions>& options_table() {
  using W = ObjectiveWeights;
  using S = SearchOptions;
  static const Table<W> weights = Table<W>("objective_weights", "Exponents of a weighted geometric mean.")
                                      .number("time", &W::time, {.max = 1000, .help = "of the step time"})
                                      .number("energy", &W::energy, {.max = 1000, .help = "of the energy per step"})
                                      .number("cost", &W::cost, {.max = 1000, .help = "of the cost per step"})
                                      .check([](const W& given, const Report& report) {
                                        if (given.time + given.energy + given.cost <= 0)
                                          report.error("", "all weights are 0", "at least one above 0");
                                      });
  static const Table<S> table =
      Table<S>("search_options", "What a plan search looks for.")
          .choice("objective", &S::objective, objective_words(), {.help = "what the best plan has least of, per step"})
          .object("weights", &S::weights, weights, {.help = "of objective: mix"})
          .count("finalists", &S::finalists, {.min = 1, .max = 1000, .help = "plans of the closed form's ranking that are simulated"})
          .number("memory_margin", &S::memory_margin, {.max = 0.99, .help = "share of the device's memory that stays free"});
  return table;
}

/// Keys of the plan table that take a number: those that `min` and `max` bound.
class LimitsInfo : public TableInfo {
public:
  LimitsInfo() : TableInfo("search_limits", "Bounds of searched degrees.") {
    for (const SearchDimension& dimension : search_dimensions())
      if (const FieldInfo& field = *plan_table().find(dimension.key); field.shape.kind == ShapeKind::count)
        fields_.push_back({.key = field.key, .shape = field.shape, .help = field.help, .optional = true});
  }
};

const LimitsInfo& limits_info() {
  static const LimitsInfo info;
  return info;
}

/// The dimensions, `min`, `max` and the options side by side.
class SearchInfo : public TableInfo {
public:
  SearchInfo() : TableInfo("search", "Bounds and objective of `orrery plan`. A plan key with a list of values bounds its dimension.") {
    for (const SearchDimension& dimension : search_dimensions()) {
      const FieldInfo& field = *plan_table().find(dimension.key);
      fields_.push_back({.key = field.key,
                         .shape = {.kind = ShapeKind::list, .item = std::make_shared<const Shape>(field.shape)},
                         .help = field.help,
                         .optional = true});
    }
    for (const char* bound : {"min", "max"})
      fields_.push_back({.key = bound,
                         .shape = {.kind = ShapeKind::object, .table = &limits_info()},
                         .help = bound == std::string("min") ? "least value of counts" : "largest value of counts",
                         .optional = true});
    for (const FieldInfo& field : options_table().fields())
      fields_.push_back(field);
  }
};

const SearchInfo& search_info() {
  static const SearchInfo info;
  return info;
}

/// One value of a dimension; nothing after a mistake.
std::optional<int> read_value(const yaml::Node& node, const SearchDimension& dimension, const Shape& shape, const Site& site) {
  if (shape.kind == ShapeKind::count) {
    const std::optional<double> count = read_count(node, shape, site);
    return count ? std::optional(static_cast<int>(*count)) : std::nullopt;
  }
  if (shape.kind == ShapeKind::flag) {
    const std::optional<bool> flag = read_flag(node, shape, site);
    return flag ? std::optional(*flag ? 1 : 0) : std::nullopt;
  }
  Diagnostics found;
  const Plan plan = plan_table().read(yaml::map({{std::string(dimension.key), node}}), found);
  if (!found.empty()) { // under the place where the value stands
    site.error(node, yaml::described(node), allowed_text(shape), did_you_mean(node.text, shape.names));
    return std::nullopt;
  }
  return dimension.get(plan);
}

void read_values(const yaml::Node& node, const SearchDimension& dimension, const Site& site, SearchBounds& bounds) {
  const Shape& shape = plan_table().find(dimension.key)->shape;
  if (!node.is_sequence() || node.items.empty())
    return site.error(node, node.is_sequence() ? "an empty list" : yaml::described(node), "a list of values",
                      node.is_scalar() ? "write '[" + node.text + "]'" : "");
  std::vector<int> values;
  for (std::size_t i = 0; i < node.items.size(); ++i)
    if (const auto value = read_value(node.items[i], dimension, shape, site.below(std::to_string(i))))
      values.push_back(*value);
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  bounds.values[std::string(dimension.key)] = std::move(values);
}

void read_limits(const yaml::Node& node, const Site& site, std::map<std::string, int>& limits) {
  if (!check_keys(node, limits_info(), site))
    return;
  for (const yaml::Entry& entry : node.entries)
    if (const FieldInfo* field = limits_info().find(entry.key))
      if (const auto limit = read_count(entry.value, field->shape, site.below(entry.key)))
        limits[entry.key] = static_cast<int>(*limit);
}

void read_search(const yaml::Node& node, const Site& site, SearchOptions& options) {
  if (!check_keys(node, search_info(), site))
    return;
  yaml::Node rest = yaml::map();
  rest.location = node.location;
  for (const yaml::Entry& entry : node.entries) {
    if (const SearchDimension* dimension = find_dimension(entry.key))
      read_values(entry.value, *dimension, site.below(entry.key), options.bounds);
    else if (entry.key == "min" || entry.key == "max")
      read_limits(entry.value, site.below(entry.key), entry.key == "min" ? options.bounds.min : options.bounds.max);
    else if (options_table().find(entry.key) != nullptr)
      rest.entries.push_back(entry);
  }
  options_table().read_into(rest, site, options);
}

yaml::Node write_search(const SearchOptions& options) {
  yaml::Node node = yaml::map();
  for (const auto& [key, values] : options.bounds.values) {
    yaml::Node list = yaml::sequence();
    for (const int value : values) {
      Plan plan;
      find_dimension(key)->set(plan, value);
      list.items.push_back(*plan_table().write(plan).find(key));
    }
    node.set(key, yaml::on_one_line(std::move(list)));
  }
  for (const auto& [key, limits] : {std::pair("min", &options.bounds.min), std::pair("max", &options.bounds.max)}) {
    yaml::Node bounds = yaml::map();
    for (const auto& [degree, limit] : *limits)
      bounds.set(degree, yaml::scalar(std::to_string(limit)));
    if (!limits->empty())
      node.set(key, std::move(bounds));
  }
  for (const yaml::Entry& entry : options_table().write(options).entries)
    node.set(entry.key, entry.value);
  return node;
}

} // namespace

const Choices<Objective>& objective_words() {
  static const Choices<Objective> words = {
      {"time", Objective::time}, {"energy", Objective::energy}, {"cost", Objective::cost}, {"mix", Objective::mix}};
  return words;
}

const Codec<SearchOptions>& search_codec() {
  static const Codec<SearchOptions> codec = {
      .shape = {.kind = ShapeKind::object, .table = &search_info()}, .read = read_search, .write = write_search};
  return codec;
}

} // namespace orrery
