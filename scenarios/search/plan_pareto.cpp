#include "scenarios/search/plan_pareto.hpp"

#include <algorithm>

namespace orrery {

bool ParetoSet::covers(const CostedPlan& a, const CostedPlan& b) const {
  return a.step <= b.step && a.memory <= b.memory && (by_cost_ ? a.cost <= b.cost : a.energy <= b.energy);
}

void ParetoSet::offer(const CostedPlan& plan) {
  const auto covering = std::ranges::find_if(plans_, [&](const CostedPlan& kept) { return covers(kept, plan); });
  if (covering != plans_.end()) {
    // What covered one plan is likely to cover the next: it is asked first.
    std::rotate(plans_.begin(), covering, std::next(covering));
    return;
  }
  std::erase_if(plans_, [&](const CostedPlan& kept) { return covers(plan, kept); });
  plans_.push_back(plan);
}

std::vector<CostedPlan> ParetoSet::take() {
  std::ranges::sort(plans_, [](const CostedPlan& a, const CostedPlan& b) {
    return a.step != b.step ? a.step < b.step : a.memory != b.memory ? a.memory < b.memory : a.energy < b.energy;
  });
  return std::move(plans_);
}

} // namespace orrery
