#include "hardware/catalogue.hpp"
#include "models/plan_cost.hpp"
#include "scenarios/data_files.hpp"
#include "scenarios/run.hpp"
#include "scenarios/search/plan_search.hpp"
#include "tests/benchmarks/rows.hpp"

#include <stdexcept>

namespace orrery::bench {

namespace {

/// GPT-3 175B on 64 A100 with a batch of 64: the space that Calculon enumerates with 666,368 points.
const Scenario& gpt3_on_64_a100() {
  static const Scenario scenario = [] {
    Scenario made = load_scenario(data_file("scenarios/quickstart.yaml"), {"cluster.nodes=8", "jobs.0.training.global_batch=64"});
    made.cluster.node = load_node("dgx-a100");
    return made;
  }();
  return scenario;
}

/// Feasible plans of that machine, as the walk gives them.
const std::vector<Plan>& feasible_plans(std::size_t count) {
  static std::vector<Plan> plans;
  if (plans.size() == count)
    return plans;
  const Scenario& scenario = gpt3_on_64_a100();
  PlanScorer scorer(scenario, {});
  PlanSpace(*scenario.jobs.front().job, scenario.software, scenario.cluster.devices(), {}).walk([&](const Plan& plan) {
    if (scorer.score(plan).violation.empty())
      plans.push_back(plan);
    return plans.size() < count;
  });
  if (plans.size() < count)
    throw std::runtime_error("the space has fewer feasible plans");
  return plans;
}

void cost_feasible_plans(std::size_t count) {
  const Scenario& scenario = gpt3_on_64_a100();
  PlanCoster coster(*scenario.jobs.front().job, scenario.cluster, scenario.software, load_calibration());
  double sum = 0;
  for (const Plan& plan : feasible_plans(count)) {
    const PlanCost cost = coster.cost(plan);
    sum += cost.step.si() + cost.memory.total().si();
  }
  if (sum <= 0)
    throw std::runtime_error("costs are positive");
}

/// Every point is enumerated, checked and, where it fits, costed.
void search_whole_space() {
  constexpr double calculon = 666'368;
  if (const CostedSpace space = cost_space(gpt3_on_64_a100(), {}); space.enumerated < calculon)
    throw std::runtime_error("the space is smaller than Calculon's");
}

} // namespace

Rows search_rows() {
  return {{"50,000 feasible plans, time, energy and memory of each", 1.0, [] { cost_feasible_plans(50'000); }, 3},
          {"the space of GPT-3 175B on 64 A100, batch 64, at least the 666,368 points of Calculon's", 15.0, search_whole_space, 1}};
}

} // namespace orrery::bench
