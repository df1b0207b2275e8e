#include "scenarios/sweep/study_tables.hpp"

#include "scenarios/scenario_tables.hpp"
#include "sim/base/catalogue.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace orrery {

namespace {

using Values = std::vector<yaml::Node>;

Codec<yaml::Node> any_codec() {
  Codec<yaml::Node> codec;
  codec.shape = Shape{.kind = ShapeKind::any};
  codec.read = [](const yaml::Node& node, const Site&, yaml::Node& value) { value = node; };
  codec.write = [](const yaml::Node& value) { return value; };
  return codec;
}

/// At least one value.
Codec<Values> values_codec() {
  Codec<Values> codec;
  codec.shape = Shape{.kind = ShapeKind::list, .item = std::make_shared<const Shape>(any_codec().shape)};
  codec.read = [](const yaml::Node& node, const Site& site, Values& values) {
    if (node.is_sequence() && !node.items.empty())
      values = node.items;
    else
      site.error(node, node.is_sequence() ? "an empty list" : yaml::described(node), "a list of values",
                 node.is_scalar() ? fmt::format("write '[{}]'", node.text) : "");
  };
  codec.write = [](const Values& values) { return yaml::sequence(values); };
  return codec;
}

/// A map from parameter paths to what `item` reads. `check` sees every entry that was read.
template <class V> Codec<ByPath<V>> by_path_codec(Codec<V> item, std::function<void(const PathEntry<V>&, const Site&)> check = {}) {
  Codec<ByPath<V>> codec;
  codec.shape = Shape{.kind = ShapeKind::map, .item = std::make_shared<const Shape>(item.shape)};
  codec.read = [shape = codec.shape, item, check](const yaml::Node& node, const Site& site, ByPath<V>& entries) {
    if (!node.is_map() || node.entries.empty())
      return site.error(node, node.is_map() ? "an empty map" : yaml::described(node), "a map from parameter paths such as jobs.0.plan.tp");
    for (const yaml::Entry& entry : node.entries) {
      const std::size_t before = site.diagnostics.size();
      PathEntry<V> read{.path = entry.key, .where = entry.location, .value = {}};
      item.read(entry.value, site.below(entry.key), read.value);
      if (check && site.diagnostics.size() == before)
        check(read, site.below(entry.key));
      entries.push_back(std::move(read));
    }
  };
  codec.write = [write = item.write](const ByPath<V>& entries) {
    yaml::Node node = yaml::map();
    for (const PathEntry<V>& entry : entries)
      node.set(entry.path, write(entry.value));
    return node;
  };
  return codec;
}

/// At least one of them.
template <class V> Codec<std::vector<V>> list_of(Codec<V> item) {
  Codec<std::vector<V>> codec = detail::list_codec(std::move(item));
  codec.read = [read = codec.read](const yaml::Node& node, const Site& site, std::vector<V>& values) {
    if (!node.is_sequence() || node.items.empty())
      return site.error(node, node.is_sequence() ? "an empty list" : yaml::described(node),
                        "a list of points, each a map from paths to values");
    read(node, site, values);
  };
  return codec;
}

/// Reads an end of an interval as the parameter would read it.
std::optional<double> end_of(const yaml::Node& node, const Shape& shape, const Site& site) {
  switch (shape.kind) {
  case ShapeKind::count:
    return read_count(node, shape, site);
  case ShapeKind::number:
    return read_number(node, shape, site);
  case ShapeKind::quantity:
    return read_quantity(node, shape, site);
  default:
    site.error(node, "an interval of what is no number", {}, "use 'choice'");
    return std::nullopt;
  }
}

void check_draw(const PathEntry<Draw>& entry, const Site& site) {
  const Draw& draw = entry.value;
  const std::optional<Values>& ends = draw.uniform ? draw.uniform : draw.log;
  const Shape* shape = shape_at(scenario_table(), entry.path);
  if (!ends || shape == nullptr) // a path that no table knows is reported where all paths are tried
    return;
  const Site at = site.below(draw.uniform ? "uniform" : "log");
  const Location& where = ends->front().location;
  if (ends->size() != 2)
    return site.diagnostics.add(where, at.path, fmt::format("{} values", ends->size()), "the low and the high end");
  const std::optional<double> low = end_of(ends->front(), *shape, at);
  const std::optional<double> high = low ? end_of(ends->back(), *shape, at) : std::nullopt;
  if (high && *low > *high)
    site.diagnostics.add(where, at.path, "the low end is above the high end", "the low and the high end");
  else if (high && draw.log && *low <= 0)
    site.diagnostics.add(where, at.path, shown(ends->front().text), "a low end above 0");
}

const Table<Draw>& draw_table() {
  static const Table<Draw> table =
      Table<Draw>("draw", "How the values of a parameter are drawn.")
          .value("choice", &Draw::choice, values_codec(), {.help = "one of these, all equally likely"})
          .value("uniform", &Draw::uniform, values_codec(), {.help = "[low, high]; of a count, whole numbers with both ends"})
          .value("log", &Draw::log, values_codec(), {.help = "[low, high], uniform in the logarithm"})
          .check([](const Draw& draw, const Report& report) {
            if (draw.choice.has_value() + draw.uniform.has_value() + draw.log.has_value() != 1)
              report.error("", "not one way of drawing", "one of choice, uniform, log");
          });
  return table;
}

Codec<Draw> draw_codec() {
  Codec<Draw> codec;
  codec.shape = Shape{.kind = ShapeKind::object, .table = &draw_table()};
  codec.read = [](const yaml::Node& node, const Site& site, Draw& draw) { draw_table().read_into(node, site, draw); };
  codec.write = [](const Draw& draw) { return draw_table().write(draw); };
  return codec;
}

const Table<RandomAxes>& random_table() {
  using R = RandomAxes;
  static const Table<R> table =
      Table<R>("random", "Points drawn at random.")
          .count("count", &R::count, {.min = 1, .max = static_cast<double>(most_points), .required = true, .help = "how many"})
          .count("seed", &R::seed, {.help = "of the draws; every path has a random stream of its own"})
          .value("draw", &R::draw, by_path_codec<Draw>(draw_codec(), check_draw),
                 {.required = true, .help = "from paths to distributions"});
  return table;
}

const Table<AxisGroup>& group_table() {
  using G = AxisGroup;
  static const Table<G> table =
      Table<G>("axis group", "Parameters and the values that they take. Groups multiply.")
          .value("grid", &G::grid, by_path_codec<Values>(values_codec()), {.help = "every combination of the values of its paths"})
          .value("zip", &G::zip, by_path_codec<Values>(values_codec()),
                 {.help = "the first values of all its paths, then the second ones, ..."})
          .value("list", &G::list, assignment_lists_codec(),
                 {.help = "points one by one; a path that one of them leaves out keeps the scenario's value there"})
          .object("random", &G::random, random_table(), {.help = "points drawn at random"})
          .check([](const G& group, const Report& report) {
            if (group.grid.has_value() + group.zip.has_value() + group.list.has_value() + group.random.has_value() != 1)
              return report.error("", "not one kind of axes", "one of grid, zip, list, random");
            if (!group.zip)
              return;
            for (const auto& axis : *group.zip)
              if (axis.value.size() != group.zip->front().value.size())
                report.error("zip",
                             fmt::format("{} values of {}, {} of {}", axis.value.size(), axis.path, group.zip->front().value.size(),
                                         group.zip->front().path),
                             "as many values of every path");
          });
  return table;
}

/// Six significant digits: what is drawn reads well, and no parameter is known better.
double rounded(double value) {
  QuantityError none;
  return parse_number(fmt::format("{:.6g}", value), none);
}

} // namespace

Codec<yaml::Node> document_codec() {
  static const Catalogue catalogue = folder_catalogue("scenario", "scenarios");
  Codec<yaml::Node> codec;
  codec.shape = Shape{.kind = ShapeKind::reference, .table = &scenario_table(), .catalogue = &catalogue};
  codec.read = [](const yaml::Node& node, const Site& site, yaml::Node& document) {
    if (auto expanded = expand_reference(node, scenario_table(), catalogue, site))
      document = std::move(*expanded);
  };
  codec.write = [](const yaml::Node& document) { return document; };
  return codec;
}

Codec<ByPath<yaml::Node>> assignments_codec() { return by_path_codec<yaml::Node>(any_codec()); }

Codec<std::vector<ByPath<yaml::Node>>> assignment_lists_codec() { return list_of(assignments_codec()); }

yaml::Node drawn(const Draw& draw, const Shape& shape, RandomStream& stream) {
  if (draw.choice)
    return (*draw.choice)[stream.below(draw.choice->size())];
  const Values& ends = draw.uniform ? *draw.uniform : *draw.log;
  Diagnostics none;
  const double low = *end_of(ends.front(), shape, Site{none, {}});
  const double high = *end_of(ends.back(), shape, Site{none, {}});
  const bool whole = shape.kind == ShapeKind::count;
  // A count has its whole unit of the interval: [1, 2] gives both equally often.
  const double top = whole ? high + 1 : high;
  double value = draw.uniform ? stream.uniform(low, top) : std::exp(stream.uniform(std::log(low), std::log(top)));
  value = std::clamp(whole ? std::floor(value) : rounded(value), low, high);
  yaml::Node node = yaml::scalar(shape.kind == ShapeKind::quantity ? exact_quantity(value, shape.dimension) : exact_number(value));
  node.location = ends.front().location;
  return node;
}

const Table<StudyFile>& study_table() {
  using S = StudyFile;
  static const Table<S> table =
      Table<S>("study", "A scenario and the axes along which its parameters vary.")
          .text("name", &S::name, {.required = true, .help = "title of the report"})
          .value("scenario", &S::scenario, document_codec(), {.required = true, .help = "what is varied"})
          .choice("method", &S::method, {{"estimate", Fidelity::estimate}, {"simulate", Fidelity::simulate}},
                  {.help = "closed form, or event by event"})
          .list("axes", &S::axes, group_table(), {.required = true, .help = "groups of parameters; every combination of them is a point"})
          .value("metrics", &S::metrics, values_codec(), {.help = "columns of the answer, such as step_time_s; all where none is named"})
          .check([](const S& study, const Report& report) {
            if (study.axes.empty())
              report.error("axes", "an empty list", "at least one group");
          });
  return table;
}

} // namespace orrery
