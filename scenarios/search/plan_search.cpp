#include "scenarios/search/plan_search.hpp"

#include "hardware/words.hpp"
#include "models/money.hpp"
#include "scenarios/data_files.hpp"
#include "scenarios/power_limits.hpp"
#include "scenarios/run.hpp"
#include "scenarios/search/plan_pareto.hpp"
#include "sim/base/diagnostics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace orrery {

namespace {

const TrainingScenario& only_job(const Scenario& scenario) {
  if (scenario.jobs.size() != 1 || !scenario.jobs.front().job)
    throw UserError("jobs: a plan search needs exactly one job with 'training', here " +
                    (scenario.jobs.size() == 1 ? "is one without" : fmt::format("are {}", scenario.jobs.size())));
  return scenario.jobs.front();
}

bool states_prices(const Cluster& cluster) { return run_cost(cluster, Seconds{1}, Watts{1}).priced; }

/// An inequality without its numbers: those of one kind count together.
std::string without_numbers(const std::string& text) {
  std::string kind;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool starts = i == 0 || text[i - 1] == ' ';
    if (!starts || text[i] < '0' || text[i] > '9') {
      kind += text[i];
      continue;
    }
    while (i + 1 < text.size() && text[i + 1] != ' ' && text[i + 1] != ':')
      ++i;
    if (!kind.empty() && kind.back() == ' ')
      kind.pop_back();
  }
  return kind;
}

/// The best plans so far by the objective. Of plans with equal figures the first stays.
class Leaders {
public:
  explicit Leaders(std::size_t most) : most_(most) {}

  void offer(const CostedPlan& plan) {
    if (plans_.size() == most_ && plan.objective >= plans_.back().objective)
      return;
    const auto place = std::upper_bound(plans_.begin(), plans_.end(), plan,
                                        [](const CostedPlan& a, const CostedPlan& b) { return a.objective < b.objective; });
    // A switch without effect is no alternative.
    if (place != plans_.begin()) {
      const CostedPlan& before = *std::prev(place);
      if (before.objective == plan.objective && before.step == plan.step && before.memory == plan.memory)
        return;
    }
    plans_.insert(place, plan);
    if (plans_.size() > most_)
      plans_.pop_back();
  }

  [[nodiscard]] const std::vector<CostedPlan>& plans() const { return plans_; }

private:
  std::size_t most_;
  std::vector<CostedPlan> plans_;
};

/// Infeasible plans by the kind of inequality.
class Reasons {
public:
  void count(const std::string& violation) {
    std::string kind = without_numbers(violation);
    const auto found = std::ranges::find(classes_, kind, &InfeasibleClass::kind);
    if (found != classes_.end())
      ++found->plans;
    else
      classes_.push_back({std::move(kind), violation, 1});
  }
  std::vector<InfeasibleClass> take() {
    std::ranges::stable_sort(classes_, std::ranges::greater(), &InfeasibleClass::plans);
    return std::move(classes_);
  }

private:
  std::vector<InfeasibleClass> classes_;
};

TrainingResult run_with(const Scenario& scenario, const Plan& plan, Fidelity fidelity) {
  Scenario changed = scenario;
  changed.jobs.front().plan = plan;
  return std::move(run_scenario(changed, {.fidelity = fidelity}).jobs.front());
}

double objective_of(const PlanScorer& scorer, const TrainingResult& result) {
  const Joules energy = result.power.energy_per_step;
  return scorer.objective(result.step_time, energy, scorer.cost_of(result.step_time, energy));
}

std::vector<Finalist> simulate(const Scenario& scenario, const PlanScorer& scorer, const std::vector<CostedPlan>& leaders) {
  std::vector<Finalist> finalists;
  for (const CostedPlan& leader : leaders) {
    Finalist& finalist = finalists.emplace_back(Finalist{.estimate = leader, .estimated_rank = static_cast<int>(finalists.size()) + 1});
    finalist.simulated = run_with(scenario, leader.plan, Fidelity::simulate);
    finalist.objective = objective_of(scorer, finalist.simulated);
  }
  std::ranges::stable_sort(finalists, std::ranges::less(), &Finalist::objective);
  return finalists;
}

} // namespace

PlanScorer::PlanScorer(const Scenario& scenario, const SearchOptions& options)
    : scenario_(scenario), options_(options),
      coster_(*only_job(scenario).job, scenario.cluster, scenario.software, load_calibration(), scenario.power.device_cap),
      capacity_(scenario.cluster.node.device.memory.front().capacity * (1 - options.memory_margin)),
      priced_(states_prices(scenario.cluster)) {
  const Precision precision = scenario.jobs.front().job->precision;
  if (!supports(scenario.cluster.node.device, precision))
    unsupported_ =
        fmt::format("{} has no unit that computes in {}", scenario.cluster.node.device.name, choice_name(precision_words(), precision));
  else if (std::optional<std::string> above = above_device_cap(scenario, scenario.cluster.node.device))
    unsupported_ = std::move(*above);
  if (options.objective == Objective::cost && !priced_)
    throw UserError("search.objective: cost, but the cluster does not state what it needs; allowed: a price of the node or the device, "
                    "'depreciation' and 'electricity_price' under 'cluster'");
}

double PlanScorer::objective(Seconds step, Joules energy, Dollars cost) const {
  switch (options_.objective) {
  case Objective::time:
    return step.si();
  case Objective::energy:
    return energy.si();
  case Objective::cost:
    return cost.si();
  case Objective::mix:
    break;
  }
  const ObjectiveWeights& weights = options_.weights;
  const double priced_weight = priced_ ? weights.cost : 0;
  const double sum = weights.time + weights.energy + priced_weight;
  const double logarithm = weights.time * std::log(step.si()) + weights.energy * std::log(energy.si()) +
                           (priced_weight > 0 ? priced_weight * std::log(cost.si()) : 0);
  return std::exp(logarithm / sum);
}

Dollars PlanScorer::cost_of(Seconds step, Joules energy) const {
  return priced_ ? run_cost(scenario_.cluster, step, energy / step).total() : Dollars{};
}

PlanScorer::Score PlanScorer::score(const Plan& plan) {
  Score score;
  if (!unsupported_.empty()) {
    score.violation = unsupported_;
    return score;
  }
  if (std::vector<Violation> violations = check_plan(*scenario_.jobs.front().job, plan, scenario_.cluster.devices()); !violations.empty()) {
    score.violation = std::move(violations.front().constraint);
    return score;
  }
  const PlanCost cost = coster_.cost(plan, capacity_);
  if (cost.memory.total() > capacity_) {
    score.violation = fmt::format("memory {} > {} of {} on the fullest stage", gigabytes(cost.memory.total()), gigabytes(capacity_),
                                  scenario_.cluster.node.device.name);
    return score;
  }
  if (!cost.shortage.empty()) {
    score.violation = cost.shortage;
    return score;
  }
  if (std::optional<std::string> above = above_feed(scenario_, facility_power(scenario_.cluster, cost.device_peak), "peak")) {
    score.violation = std::move(*above);
    return score;
  }
  score.costed = {.plan = plan, .step = cost.step, .memory = cost.memory.total()};
  score.costed.energy = facility_power(scenario_.cluster, cost.device_mean) * cost.step;
  score.costed.cost = cost_of(cost.step, score.costed.energy);
  score.costed.objective = objective(cost.step, score.costed.energy, score.costed.cost);
  return score;
}

std::vector<TimeDifference> time_differences(const std::vector<TimeShare>& best, const std::vector<TimeShare>& other, Seconds crumb) {
  std::vector<TimeDifference> differences;
  const auto add = [&](const TimeShare& share, int sign) {
    const auto found =
        std::ranges::find_if(differences, [&](const TimeDifference& d) { return d.kind == share.kind && d.name == share.name; });
    if (found != differences.end())
      found->difference += sign * share.time;
    else
      differences.push_back({share.kind, share.name, sign * share.time});
  };
  for (const TimeShare& share : other)
    add(share, 1);
  for (const TimeShare& share : best)
    add(share, -1);
  std::erase_if(differences, [&](const TimeDifference& d) { return std::abs(d.difference.si()) < crumb.si(); });
  std::ranges::stable_sort(differences, std::ranges::greater(), [](const TimeDifference& d) { return std::abs(d.difference.si()); });
  return differences;
}

CostedSpace cost_space(const Scenario& scenario, const SearchOptions& options, const SearchCallbacks& callbacks) {
  constexpr long long report_every = 4096;
  PlanScorer scorer(scenario, options);
  const PlanSpace space(*only_job(scenario).job, scenario.software, scenario.cluster.devices(), options.bounds);
  CostedSpace found;
  Reasons reasons;
  Leaders leaders(static_cast<std::size_t>(options.finalists));
  ParetoSet pareto(options.objective == Objective::cost);
  SearchProgress progress{.total = callbacks.progress ? space.size() : 0};
  space.walk([&](const Plan& plan) {
    const PlanScorer::Score score = scorer.score(plan);
    const bool feasible = score.violation.empty();
    ++found.enumerated;
    if (feasible) {
      ++found.costed;
      leaders.offer(score.costed);
      pareto.offer(score.costed);
    } else {
      reasons.count(score.violation);
    }
    if (callbacks.plan)
      callbacks.plan(plan, feasible ? &score.costed : nullptr, score.violation);
    if (callbacks.progress && static_cast<long long>(found.enumerated) % report_every == 0) {
      progress.done = found.enumerated;
      callbacks.progress(progress);
    }
    return true;
  });
  found.reasons = reasons.take();
  found.best = leaders.plans();
  found.pareto = pareto.take();
  return found;
}

PlanSearch search_plans(const Scenario& scenario, const SearchOptions& options, const SearchCallbacks& callbacks) {
  const TrainingJob& job = *only_job(scenario).job;
  PlanScorer scorer(scenario, options);
  PlanSearch search{.scenario = scenario.name,
                    .cluster = describe(scenario.cluster),
                    .software = scenario.software.name,
                    .model = job.model.name,
                    .objective = options.objective,
                    .priced = scorer.priced(),
                    .memory_capacity = scorer.capacity()};
  const Plan& own = scenario.jobs.front().plan;
  if (own.ranks() == scenario.cluster.devices())
    if (PlanScorer::Score score = scorer.score(own); score.violation.empty())
      search.given = std::move(score.costed);
  SearchCallbacks counting = callbacks;
  counting.plan = [&](const Plan& plan, const CostedPlan* costed, const std::string& violation) {
    if (search.given && costed != nullptr && costed->objective < search.given->objective)
      ++search.better_than_given;
    if (callbacks.plan)
      callbacks.plan(plan, costed, violation);
  };
  CostedSpace space = cost_space(scenario, options, counting);
  search.enumerated = space.enumerated;
  search.costed = space.costed;
  search.reasons = std::move(space.reasons);
  search.pareto = std::move(space.pareto);
  search.finalists = simulate(scenario, scorer, space.best);
  for (const Finalist& finalist : search.finalists)
    search.largest_difference = std::max(search.largest_difference, std::abs(finalist.simulated.method.simulate_minus_estimate));
  if (search.finalists.empty())
    return search;
  const TrainingResult& best = search.finalists.front().simulated;
  if (search.finalists.size() > 1)
    search.runner_up = time_differences(best.time, search.finalists[1].simulated.time,
                                        0.05 * Seconds{std::abs((search.finalists[1].simulated.step_time - best.step_time).si())});
  search.changes = single_changes(scenario, options, search.finalists.front().estimate.plan);
  return search;
}

} // namespace orrery
