// A study: one scenario, and the axes along which its parameters vary. Every combination is a point.
//
//   name: Tensor against pipeline parallelism
//   scenario: quickstart.yaml                 # a file, a shipped name, or a map (`base: quickstart.yaml` and what differs)
//   method: estimate                          # or simulate
//   axes:                                     # groups multiply; the first varies slowest
//     - grid: { jobs.0.plan.tp: [1, 2, 4, 8], jobs.0.plan.micro_batch: [1, 2] }    # every combination
//     - zip: { cluster.nodes: [64, 128], jobs.0.plan.dp: [8, 16] }                 # moved together
//     - list: [{ software: megatron-core-2024 }, { software: megatron-lm-2022, jobs.0.plan.overlap_p2p: false }]   # as they stand
//     - random: { count: 100, seed: 1, draw: { cluster.fabric.oversubscription: { uniform: [1, 4] } } }
#pragma once

#include "scenarios/run.hpp"
#include "sim/base/params.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace orrery {

/// Rows of values that several parameters take together.
struct PointGroup {
  std::vector<std::string> paths;
  std::vector<Location> places;              ///< of the paths
  std::vector<std::vector<yaml::Node>> rows; ///< each one value per path; a null node leaves the scenario's own
};

struct Study {
  std::string name;
  yaml::Node document; ///< of the scenario, before any axis
  Scenario scenario;   ///< what it says
  Fidelity method = Fidelity::estimate;
  std::vector<PointGroup> groups;  ///< the points are their product, the last one varies fastest
  std::vector<yaml::Node> metrics; ///< names of those to show; empty = all

  [[nodiscard]] std::uint64_t points() const;
  [[nodiscard]] std::vector<std::string> paths() const;
};

/// Throws UserError with every mistake of the file, of its scenario and of the axes' paths. A value that a parameter refuses is a mistake
/// of its point alone.
Study load_study(const std::string& file);

/// One value per path of the study.
std::vector<const yaml::Node*> point_values(const Study& study, std::uint64_t point);

/// The scenario of a point. Throws UserError where there is none.
Scenario point_scenario(const Study& study, std::uint64_t point);

/// A value as it is shown and stored: the text of a scalar, anything else as YAML on one line.
std::string value_text(const yaml::Node& value);

/// Of all that decides the results but the program and its catalogues: equal studies have equal ones.
std::uint64_t study_fingerprint(const Study& study);

/// Of the program and the files of its catalogues and curves.
std::uint64_t program_fingerprint();

inline constexpr std::uint64_t most_points = 1'000'000;

} // namespace orrery
