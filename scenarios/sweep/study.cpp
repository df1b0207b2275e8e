#include "scenarios/sweep/study.hpp"

#include "scenarios/scenario_tables.hpp"
#include "scenarios/sweep/study_tables.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery {

namespace {

template <class V> void add_path(PointGroup& group, const PathEntry<V>& entry) {
  group.paths.push_back(entry.path);
  group.places.push_back(entry.where);
}

/// Every axis of a grid is a group of its own: groups multiply.
void add_grid(std::vector<PointGroup>& groups, const ByPath<std::vector<yaml::Node>>& axes) {
  for (const auto& axis : axes) {
    PointGroup& group = groups.emplace_back();
    add_path(group, axis);
    for (const yaml::Node& value : axis.value)
      group.rows.push_back({value});
  }
}

PointGroup zipped(const ByPath<std::vector<yaml::Node>>& axes) {
  PointGroup group;
  group.rows.resize(axes.front().value.size());
  for (const auto& axis : axes) {
    add_path(group, axis);
    for (std::size_t i = 0; i < group.rows.size(); ++i)
      group.rows[i].push_back(axis.value[i]);
  }
  return group;
}

PointGroup listed(const std::vector<ByPath<yaml::Node>>& points) {
  PointGroup group;
  for (const auto& point : points)
    for (const auto& entry : point)
      if (std::ranges::find(group.paths, entry.path) == group.paths.end())
        add_path(group, entry);
  for (const auto& point : points) {
    std::vector<yaml::Node>& row = group.rows.emplace_back(group.paths.size());
    for (const auto& entry : point)
      row[static_cast<std::size_t>(std::ranges::find(group.paths, entry.path) - group.paths.begin())] = entry.value;
  }
  return group;
}

PointGroup sampled(const RandomAxes& axes) {
  PointGroup group;
  group.rows.resize(axes.count);
  for (const auto& axis : axes.draw) {
    add_path(group, axis);
    const Shape* shape = shape_at(scenario_table(), axis.path);
    RandomStream stream(axes.seed, axis.path);
    for (auto& row : group.rows)
      row.push_back(shape == nullptr && !axis.value.choice ? yaml::Node{} : drawn(axis.value, shape == nullptr ? Shape{} : *shape, stream));
  }
  return group;
}

std::vector<PointGroup> groups_of(const std::vector<AxisGroup>& axes) {
  std::vector<PointGroup> groups;
  for (const AxisGroup& group : axes) {
    if (group.grid)
      add_grid(groups, *group.grid);
    if (group.zip)
      groups.push_back(zipped(*group.zip));
    if (group.list)
      groups.push_back(listed(*group.list));
    if (group.random)
      groups.push_back(sampled(*group.random));
  }
  return groups;
}

/// A path is set once, and nothing set before it is replaced by a whole that it is a part of.
void check_repeats(const Study& study, Diagnostics& diagnostics) {
  std::vector<std::string> before;
  for (const PointGroup& group : study.groups)
    for (std::size_t i = 0; i < group.paths.size(); ++i) {
      const std::string& path = group.paths[i];
      for (const std::string& other : before) {
        if (path == other)
          diagnostics.add(group.places[i], path, "is set by two axes", "one axis per path");
        else if (other.starts_with(path + "."))
          diagnostics.add(group.places[i], path, fmt::format("replaces what the axis {} before it sets", other),
                          "the whole before its parts");
      }
      before.push_back(path);
    }
}

void check_size(const Study& study, const yaml::Node& root, Diagnostics& diagnostics) {
  double points = 1;
  for (const PointGroup& group : study.groups)
    points *= static_cast<double>(group.rows.size());
  const yaml::Node* axes = root.find("axes");
  if (points > static_cast<double>(most_points))
    diagnostics.add(axes->location, "axes", fmt::format("{:.6g} points", points), fmt::format("at most {}", most_points));
}

/// Whether every path leads somewhere: each with the first value that it takes, on one document.
void check_paths(const Study& study, Diagnostics& diagnostics) {
  yaml::Node document = study.document;
  for (const PointGroup& group : study.groups)
    for (std::size_t i = 0; i < group.paths.size(); ++i) {
      const auto given = std::ranges::find_if(group.rows, [i](const auto& row) { return !row[i].is_null(); });
      const yaml::Node value = given == group.rows.end() ? yaml::Node{} : (*given)[i];
      set_path(document, group.paths[i], value, group.places[i], scenario_table(), diagnostics);
    }
}

} // namespace

std::uint64_t Study::points() const {
  std::uint64_t points = 1;
  for (const PointGroup& group : groups)
    points *= group.rows.size();
  return points;
}

std::vector<std::string> Study::paths() const {
  std::vector<std::string> paths;
  for (const PointGroup& group : groups)
    paths.insert(paths.end(), group.paths.begin(), group.paths.end());
  return paths;
}

Study load_study(const std::string& file) {
  const yaml::Node root = yaml::read_yaml_file(file);
  Diagnostics diagnostics;
  StudyFile read = study_table().read(root, diagnostics);
  diagnostics.throw_if_any();
  Study study{.name = std::move(read.name),
              .document = std::move(read.scenario),
              .scenario = {},
              .method = read.method,
              .groups = groups_of(read.axes),
              .metrics = std::move(read.metrics)};
  study.scenario = scenario_table().read(study.document, diagnostics);
  check_repeats(study, diagnostics);
  check_size(study, root, diagnostics);
  check_paths(study, diagnostics);
  diagnostics.throw_if_any();
  return study;
}

std::vector<const yaml::Node*> point_values(const Study& study, std::uint64_t point) {
  std::vector<const std::vector<yaml::Node>*> rows(study.groups.size());
  for (std::size_t i = study.groups.size(); i-- > 0;) {
    const auto& choices = study.groups[i].rows;
    rows[i] = &choices[point % choices.size()];
    point /= choices.size();
  }
  std::vector<const yaml::Node*> values;
  for (const auto* row : rows)
    for (const yaml::Node& value : *row)
      values.push_back(&value);
  return values;
}

Scenario point_scenario(const Study& study, std::uint64_t point) {
  yaml::Node document = study.document;
  Diagnostics diagnostics;
  const std::vector<const yaml::Node*> values = point_values(study, point);
  std::vector<std::string> changed;
  std::size_t next = 0;
  for (const PointGroup& group : study.groups)
    for (std::size_t i = 0; i < group.paths.size(); ++i) {
      const yaml::Node& value = *values[next++];
      if (value.is_null())
        continue;
      set_path(document, group.paths[i], value, group.places[i], scenario_table(), diagnostics);
      changed.push_back(group.paths[i].substr(0, group.paths[i].find('.')));
    }
  Scenario scenario = scenario_table().read_changed(document, study.scenario, changed, diagnostics);
  diagnostics.throw_if_any();
  return scenario;
}

std::string value_text(const yaml::Node& value) {
  if (value.is_scalar())
    return value.text;
  if (value.is_null())
    return {};
  std::string text = yaml::to_yaml(yaml::on_one_line(value));
  while (!text.empty() && text.back() == '\n')
    text.pop_back();
  return text;
}

} // namespace orrery
