// The cheapest cluster that trains a model by a deadline.
//
// For every candidate node type and number of nodes the fastest plan within the search bounds is found in closed form; its time to the
// job's tokens, failures included, says whether the deadline holds and what the run costs. The answer is then simulated.
#pragma once

#include "scenarios/result.hpp"
#include "scenarios/scenario.hpp"
#include "scenarios/search/plan_search.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace orrery {

/// One cluster with its best plan.
struct CapacityPoint {
  std::string node; ///< type
  int nodes = 0;
  int devices = 0;
  Plan plan;
  Seconds step;
  double goodput = 1; ///< share of the wall time that is kept work
  Budget budget;      ///< time, cost and energy to the job's tokens; all zero without a feasible plan
  std::string binds;  ///< the inequality that rules the cluster out; empty = it meets the deadline

  [[nodiscard]] bool feasible() const { return budget.time.si() > 0; }
  [[nodiscard]] bool meets() const { return binds.empty(); }
};

struct CapacityResult {
  std::string scenario;
  std::string software;
  std::string model;
  double tokens = 0;
  Seconds deadline;
  double plans = 0;                     ///< looked at
  std::vector<CapacityPoint> points;    ///< by node type, then by number of nodes
  std::vector<std::size_t> frontier;    ///< points that finish before every smaller cluster of their type
  std::optional<std::size_t> best;      ///< the cheapest of those that meet the deadline
  bool by_device_hours = false;         ///< no candidate states what costs need: the least device hours win
  std::optional<TrainingResult> answer; ///< the best point, simulated
  std::string smaller;                  ///< what keeps the next smaller cluster of the same type from doing; empty = there is none
};

/// `progress` is told how many of the candidate clusters are done. Throws UserError where the scenario has no `capacity`, no deadline or no
/// tokens, or is not one training job.
CapacityResult find_capacity(const Scenario& scenario, const std::function<void(const SearchProgress&)>& progress = {});

/// The bounds that hold where the scenario has no `search`: every switch that hides communication on, the schedules that every framework
/// has, ranks in Megatron-LM's order.
SearchOptions capacity_search_options(const Scenario& scenario);

} // namespace orrery
