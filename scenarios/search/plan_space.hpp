// The plans that a search looks at: dimensions, the values that each may take, and the walk through all combinations.
//
// A dimension is one row of search_dimensions(): a key of the plan table, when it has a meaning, and its values where the user bounds
// nothing. Keys that the plan table does not have are not searched. What no dimension names keeps its default.
#pragma once

#include "workloads/software.hpp"
#include "workloads/transformer.hpp"

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace orrery {

/// What the user bounds, by key of the plan table. Values are as SearchDimension::get gives them.
struct SearchBounds {
  std::map<std::string, std::vector<int>> values; ///< instead of the standard ones
  std::map<std::string, int> min;
  std::map<std::string, int> max;
};

/// What the standard values of a dimension may depend on.
struct SpaceInput {
  const TrainingJob& job;
  const SoftwareProfile& software;
  int devices = 1;
};

struct SearchDimension {
  std::string_view key; ///< of the plan table
  int (*get)(const Plan&) = nullptr;
  void (*set)(Plan&, int) = nullptr;
  /// Whether the dimension makes a difference, given those before it; otherwise the plan's default stands and no bound counts.
  bool (*applies)(const SpaceInput&, const Plan&) = nullptr;
  /// Ascending values; none = every word or flag of the plan table.
  std::vector<int> (*standard)(const SpaceInput&, const Plan&) = nullptr;
  bool derived = false; ///< follows from the dimensions before it: the user's bounds only select
  /// Whether the software has what a value asks for; null = always. A value that the user lists is taken as it stands.
  bool (*able)(const SoftwareAbilities&, int) = nullptr;
};

/// In the order of the walk, the outermost first.
const std::vector<SearchDimension>& search_dimensions();

/// The row of a key; null where there is none.
const SearchDimension* find_dimension(std::string_view key);

/// The value of a dimension as the plan table writes it: "8", "true", "interleaved"; "default" for an empty list.
std::string value_text(const SearchDimension& dimension, int value);

class PlanSpace {
public:
  /// `job` and `software` outlive this.
  PlanSpace(const TrainingJob& job, const SoftwareProfile& software, int devices, SearchBounds bounds);
  PlanSpace(const PlanSpace&) = delete;
  PlanSpace& operator=(const PlanSpace&) = delete;

  /// Visits every plan within the bounds, feasible or not, always in the same order, until `visit` returns false.
  void walk(const std::function<bool(const Plan&)>& visit) const;

  /// Plans that walk() visits.
  [[nodiscard]] double size() const;

  /// Values that a dimension takes where all others stand as in `plan`. One value where it does not apply.
  [[nodiscard]] std::vector<int> values(const SearchDimension& dimension, const Plan& plan) const;

private:
  struct Level {
    const SearchDimension* dimension = nullptr;
    const std::vector<int>* given = nullptr; ///< the user's
    std::vector<int> every;                  ///< words and flags
    int low = 0;
    int high = 0;
  };

  void fill_values(const Level& level, const Plan& plan, std::vector<int>& values) const;
  bool descend(std::size_t depth, Plan& plan, std::vector<std::vector<int>>& values, const std::function<bool(const Plan&)>& visit) const;

  const TrainingJob& job_;
  const SoftwareProfile& software_;
  int devices_ = 1;
  SearchBounds bounds_;
  std::vector<Level> levels_;
};

} // namespace orrery
