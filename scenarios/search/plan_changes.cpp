// What each decision of the best plan is worth.
#include "scenarios/run.hpp"
#include "scenarios/search/plan_search.hpp"

#include <algorithm>

namespace orrery {

namespace {

bool is_degree(std::string_view key) { return key == "tp" || key == "cp" || key == "pp"; }

/// Values worth trying instead of the plan's own: the next count on either side, every other word or switch.
std::vector<int> alternatives(const PlanSpace& space, const SearchDimension& dimension, const Plan& plan) {
  const int own = dimension.get(plan);
  const std::vector<int> values = space.values(dimension, plan);
  if (dimension.standard == nullptr || dimension.key == "order") {
    std::vector<int> others = values;
    std::erase(others, own);
    return others;
  }
  std::vector<int> others;
  const auto above = std::ranges::upper_bound(values, own);
  const auto below = std::ranges::lower_bound(values, own);
  if (below != values.begin())
    others.push_back(*std::prev(below));
  if (above != values.end())
    others.push_back(*above);
  return others;
}

/// The plan with one value changed, and what has to follow: dp fills the machine, chunks go with the interleaved schedule, switches that
/// come into play are on.
Plan changed(const Plan& plan, const SearchDimension& dimension, int value, int devices, const PlanSpace& space) {
  Plan other = plan;
  dimension.set(other, value);
  if (is_degree(dimension.key))
    other.dp = std::max(1, devices / (other.tp * other.cp * other.pp));
  for (const SearchDimension& each : search_dimensions()) {
    if (each.key == dimension.key || each.derived || is_degree(each.key))
      continue;
    const std::vector<int> values = space.values(each, other);
    // A switch that comes to mean something is on.
    const bool comes = each.standard == nullptr && values == std::vector<int>{0, 1} && space.values(each, plan).size() == 1;
    if (comes)
      each.set(other, 1);
    const bool fits = std::ranges::find(values, each.get(other)) != values.end();
    // A micro-batch that no longer divides is a violation worth reading; a meaningless switch is not.
    if (!fits && !values.empty() && (values.size() == 1 || each.key == "virtual_stages"))
      each.set(other, values.front());
  }
  return other;
}

Scenario with_plan(const Scenario& scenario, const Plan& plan) {
  Scenario other = scenario;
  other.jobs.front().plan = plan;
  return other;
}

} // namespace

std::vector<PlanChange> single_changes(const Scenario& scenario, const SearchOptions& options, const Plan& best) {
  PlanScorer scorer(scenario, options);
  const PlanSpace space(*scenario.jobs.front().job, scenario.software, scenario.cluster.devices(), {});
  const auto estimate = [&](const Plan& plan) {
    return std::move(run_scenario(with_plan(scenario, plan), {.fidelity = Fidelity::estimate}).jobs.front());
  };
  const TrainingResult reference = estimate(best);
  const double objective = scorer.score(best).costed.objective;
  std::vector<PlanChange> changes;
  for (const SearchDimension& dimension : search_dimensions()) {
    if (dimension.derived)
      continue;
    for (const int value : alternatives(space, dimension, best)) {
      PlanChange change{.key = std::string(dimension.key),
                        .from = value_text(dimension, dimension.get(best)),
                        .to = value_text(dimension, value),
                        .plan = changed(best, dimension, value, scenario.cluster.devices(), space)};
      const PlanScorer::Score score = scorer.score(change.plan);
      change.violation = score.violation;
      if (change.violation.empty()) {
        change.relative = score.costed.objective / objective - 1;
        change.parts = time_differences(reference.time, estimate(change.plan).time, 0.001 * reference.step_time);
      }
      changes.push_back(std::move(change));
    }
  }
  return changes;
}

} // namespace orrery
