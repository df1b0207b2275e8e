// Parameter tables of a study file.
#pragma once

#include "scenarios/sweep/study.hpp"
#include "sim/base/random.hpp"

#include <optional>

namespace orrery {

/// What a study file says below one path.
template <class V> struct PathEntry {
  std::string path;
  Location where;
  V value;
};
template <class V> using ByPath = std::vector<PathEntry<V>>;

/// How values of one parameter are drawn: one of the three.
struct Draw {
  std::optional<std::vector<yaml::Node>> choice;
  std::optional<std::vector<yaml::Node>> uniform; ///< low and high end, both included where the parameter is a count
  std::optional<std::vector<yaml::Node>> log;     ///< the same; the logarithm is uniform
};

struct RandomAxes {
  std::uint64_t count = 0;
  std::uint64_t seed = 1;
  ByPath<Draw> draw;
};

/// One of the four.
struct AxisGroup {
  std::optional<ByPath<std::vector<yaml::Node>>> grid;
  std::optional<ByPath<std::vector<yaml::Node>>> zip;
  std::optional<std::vector<ByPath<yaml::Node>>> list;
  std::optional<RandomAxes> random;
};

struct StudyFile {
  std::string name;
  yaml::Node scenario;
  Fidelity method = Fidelity::estimate;
  std::vector<AxisGroup> axes;
  std::vector<yaml::Node> metrics;
};

const Table<StudyFile>& study_table();

/// A scenario by the name of a shipped one, by its file, or inline: its document, not yet read.
Codec<yaml::Node> document_codec();

/// A map from parameter paths to values: { jobs.0.plan.tp: 4 }.
Codec<ByPath<yaml::Node>> assignments_codec();
Codec<std::vector<ByPath<yaml::Node>>> assignment_lists_codec();

/// A random value of a parameter of `shape`, with six significant digits. Precondition: the ends are values of the shape.
yaml::Node drawn(const Draw& draw, const Shape& shape, RandomStream& stream);

} // namespace orrery
