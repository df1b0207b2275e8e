// Search of the best plan of a training job on one machine.
//
// Every plan of the space is checked, then costed in closed form (memory and time); the best of them, the finalists, are simulated. Plans
// that compare equal keep the order of the walk, so that the same scenario gives the same answer.
#pragma once

#include "models/plan_cost.hpp"
#include "scenarios/result.hpp"
#include "scenarios/scenario.hpp"

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace orrery {

/// A feasible plan in closed form.
struct CostedPlan {
  Plan plan;
  Seconds step;
  Bytes memory;         ///< of the fullest stage
  Joules energy;        ///< per step, at the facility's feed
  Dollars cost;         ///< per step; 0 where the cluster states no prices
  double objective = 0; ///< what the search minimises: s, J or $ per step, or their weighted geometric mean
};

/// Plans that break the same kind of inequality first.
struct InfeasibleClass {
  std::string kind;    ///< the inequality without its numbers
  std::string example; ///< the first that was met
  double plans = 0;
};

/// One of the best plans in closed form, after simulation.
struct Finalist {
  CostedPlan estimate;
  int estimated_rank = 0; ///< from 1
  TrainingResult simulated;
  double objective = 0; ///< of the simulated step
};

/// A time share of one plan against the same of another.
struct TimeDifference {
  TimeKind kind = TimeKind::compute;
  std::string name;
  Seconds difference; ///< other - best
};

/// The best plan with one decision changed.
struct PlanChange {
  std::string key; ///< of the plan table
  std::string from;
  std::string to;
  Plan plan;                         ///< with what had to follow: dp fills the machine
  std::string violation;             ///< why it cannot be; empty = it can, and the rest is filled in
  double relative = 0;               ///< objective over the best plan's, minus 1, both in closed form
  std::vector<TimeDifference> parts; ///< the largest first
};

struct PlanSearch {
  std::string scenario;
  std::string cluster;
  std::string software;
  std::string model;
  Objective objective = Objective::time;
  bool priced = false;                   ///< the cluster states what costs need
  double enumerated = 0;                 ///< plans within the bounds
  double costed = 0;                     ///< feasible ones, time and memory
  std::vector<InfeasibleClass> reasons;  ///< the largest first; with `costed` they add up to `enumerated`
  Bytes memory_capacity;                 ///< after the margin
  std::vector<Finalist> finalists;       ///< by the simulated objective
  std::vector<TimeDifference> runner_up; ///< what the second has more (or less) of than the first
  std::vector<CostedPlan> pareto;        ///< in (time, energy or cost, memory), by time
  std::vector<PlanChange> changes;
  std::optional<CostedPlan> given; ///< the scenario's own plan, where it fits the machine
  double better_than_given = 0;    ///< feasible plans with a lower objective
  double largest_difference = 0;   ///< of simulated and estimated step over the finalists, relative
};

struct SearchProgress {
  double done = 0;
  double total = 0;
};

/// What the caller wants to hear of while the search runs.
struct SearchCallbacks {
  std::function<void(const SearchProgress&)> progress;
  /// Every plan of the walk: costed, or with the inequality that it breaks.
  std::function<void(const Plan& plan, const CostedPlan* costed, const std::string& violation)> plan;
};

/// What a walk through the space finds, all in closed form.
struct CostedSpace {
  double enumerated = 0;
  double costed = 0;
  std::vector<InfeasibleClass> reasons; ///< the largest first
  std::vector<CostedPlan> best;         ///< at most as many as there are finalists, by the objective
  std::vector<CostedPlan> pareto;       ///< in (time, energy or cost, memory), by time
};

/// Throws UserError as search_plans does.
CostedSpace cost_space(const Scenario& scenario, const SearchOptions& options, const SearchCallbacks& callbacks = {});

/// Throws UserError where the scenario is not one training job given by model and plan, or where the objective needs prices that the
/// cluster does not state. No feasible plan = no finalists, and the reasons say why.
PlanSearch search_plans(const Scenario& scenario, const SearchOptions& options, const SearchCallbacks& callbacks = {});

/// Figures of one plan in closed form. A pure function of (scenario's cluster and job, plan): the pieces that a search is made of.
class PlanScorer {
public:
  /// `scenario` outlives this.
  PlanScorer(const Scenario& scenario, const SearchOptions& options);

  struct Score {
    CostedPlan costed;     ///< valid where `violation` is empty
    std::string violation; ///< deciding inequality
  };

  /// Checks and costs a plan.
  Score score(const Plan& plan);

  [[nodiscard]] double objective(Seconds step, Joules energy, Dollars cost) const;
  [[nodiscard]] Dollars cost_of(Seconds step, Joules energy) const;
  [[nodiscard]] bool priced() const { return priced_; }
  [[nodiscard]] Bytes capacity() const { return capacity_; }

private:
  const Scenario& scenario_;
  SearchOptions options_;
  PlanCoster coster_;
  Bytes capacity_;
  bool priced_ = false;
  std::string unsupported_; ///< the job's precision, where no unit computes in it
};

/// Shares of `other` minus those of `best`, the largest first; those below `crumb` are left out.
std::vector<TimeDifference> time_differences(const std::vector<TimeShare>& best, const std::vector<TimeShare>& other, Seconds crumb);

/// The best plan with one decision changed at a time: the neighbouring counts, all other words and switches.
std::vector<PlanChange> single_changes(const Scenario& scenario, const SearchOptions& options, const Plan& best);

} // namespace orrery
