// The plans that no other beats in every respect.
#pragma once

#include "scenarios/search/plan_search.hpp"

#include <vector>

namespace orrery {

/// Keeps the plans of which no other is at least as good in time, in energy (or cost) and in memory. Of equals the first stays.
class ParetoSet {
public:
  /// `by_cost`: money instead of energy.
  explicit ParetoSet(bool by_cost) : by_cost_(by_cost) {}

  void offer(const CostedPlan& plan);
  /// By time.
  std::vector<CostedPlan> take();

private:
  [[nodiscard]] bool covers(const CostedPlan& a, const CostedPlan& b) const;

  bool by_cost_;
  std::vector<CostedPlan> plans_;
};

} // namespace orrery
