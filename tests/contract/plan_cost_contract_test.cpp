// Plans costed one after another, with what they share kept, cost what each costs alone.
#include "models/plan_cost.hpp"
#include "models/step_energy.hpp"
#include "scenarios/data_files.hpp"
#include "scenarios/run.hpp"
#include "scenarios/search/plan_space.hpp"
#include "tests/support/scenarios.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <random>

namespace orrery::plan_cost_contract_test {

namespace {

struct Alone {
  MemoryFootprint memory;
  Seconds step;
  Watts mean;
};

Alone cost_alone(const Scenario& scenario, const TrainingCoster& coster, const Plan& plan) {
  const OpGraph graph = build_training_graph(*scenario.jobs.front().job, plan, scenario.software);
  const CostedGraph costs = coster.cost(graph);
  Alone alone{.memory = fullest_stage(memory_footprint(graph, scenario.software)).memory, .step = estimate_step(costs).step};
  for (const CostedStage& stage : costs.stages)
    alone.mean += device_step(stage, micro_batches_per_chunk(graph.schedule, graph.micro_batches), alone.step, coster.power()).energy /
                  alone.step / static_cast<double>(costs.stages.size());
  return alone;
}

/// Every `stride`-th plan of the machine that check_plan lets pass, in the order of the walk, at most so many.
std::vector<Plan> some_plans(const Scenario& scenario, int stride, std::size_t most) {
  std::vector<Plan> plans;
  int count = 0;
  const TrainingJob& job = *scenario.jobs.front().job;
  PlanSpace(job, scenario.software, scenario.cluster.devices(), {}).walk([&](const Plan& plan) {
    if (++count % stride == 0 && check_plan(job, plan, scenario.cluster.devices()).empty())
      plans.push_back(plan);
    return plans.size() < most;
  });
  return plans;
}

void compare(const Scenario& scenario, const std::vector<Plan>& plans) {
  const TrainingCoster alone(scenario.cluster, scenario.software, load_calibration());
  PlanCoster together(*scenario.jobs.front().job, scenario.cluster, scenario.software, load_calibration());
  double furthest = 0;
  const auto distance = [&](double a, double b) { furthest = std::max(furthest, std::abs(a - b) / std::abs(b)); };
  for (const Plan& plan : plans) {
    const Alone expected = cost_alone(scenario, alone, plan);
    const PlanCost cost = together.cost(plan);
    distance(cost.step.si(), expected.step.si());
    distance(cost.memory.total().si(), expected.memory.total().si());
    distance(cost.memory.optimizer.si() + 1, expected.memory.optimizer.si() + 1);
    distance(cost.device_mean.si(), expected.mean.si());
  }
  CHECK(furthest < 1e-9);
}

} // namespace

TEST_CASE("plans costed together cost what each costs alone", "[plan]") {
  const Scenario scenario = quickstart({"cluster.nodes=4", "jobs.0.training.global_batch=32"});
  const std::vector<Plan> plans = some_plans(scenario, 401, 500);
  REQUIRE(plans.size() > 100);
  SECTION("in the order of a search") { compare(scenario, plans); }
  SECTION("in any order") {
    std::vector<Plan> shuffled = plans;
    std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937(7));
    compare(scenario, shuffled);
  }
  SECTION("neighbours in the walk") { compare(scenario, some_plans(scenario, 1, 200)); }
}

TEST_CASE("switches that a search leaves out make no difference", "[plan]") {
  const Scenario scenario = quickstart({"cluster.nodes=4", "jobs.0.training.global_batch=32", "jobs.0.training.model=gpt-1.7b"});
  PlanCoster coster(*scenario.jobs.front().job, scenario.cluster, scenario.software, load_calibration());
  const PlanSpace space(*scenario.jobs.front().job, scenario.software, scenario.cluster.devices(), {});
  int flipped = 0;
  const auto same = [&](const Plan& plan, std::string_view key, int other) {
    const SearchDimension& dimension = *find_dimension(key);
    if (space.values(dimension, plan).size() > 1 && key != "recompute")
      return true;
    Plan changed = plan;
    dimension.set(changed, other);
    ++flipped;
    const PlanCost a = coster.cost(plan);
    const PlanCost b = coster.cost(changed);
    return a.step == b.step && a.memory.total() == b.memory.total() && a.device_mean == b.device_mean;
  };
  int astray = 0;
  for (const Plan& plan : some_plans(scenario, 211, 400)) {
    if (plan.dp * plan.cp > 1)
      astray += same(plan, "overlap_grad_reduce", 1) ? 0 : 1;
    if (plan.dp * plan.cp > 1 && plan.zero > 0)
      astray += same(plan, "overlap_param_gather", 1) ? 0 : 1;
    if (plan.pp > 1)
      astray += same(plan, "overlap_p2p", 1) ? 0 : 1;
    if (plan.recompute == Recompute::none)
      astray += same(plan, "recompute", static_cast<int>(Recompute::selective)) ? 0 : 1;
  }
  CHECK(astray == 0);
  CHECK(flipped > 100);
}

TEST_CASE("an unfused attention core is worth computing again", "[plan]") {
  const Scenario scenario = quickstart({"software={ base: megatron-core-2024, attention: unfused }"});
  const PlanSpace space(*scenario.jobs.front().job, scenario.software, scenario.cluster.devices(), {});
  CHECK(space.values(*find_dimension("recompute"), {}).size() == 3);
}

TEST_CASE("a plan that does not fit is not timed", "[plan]") {
  const Scenario scenario = quickstart();
  PlanCoster coster(*scenario.jobs.front().job, scenario.cluster, scenario.software, load_calibration());
  const Plan& plan = scenario.jobs.front().plan;
  CHECK(coster.cost(plan, Bytes{1e9}).step == Seconds{});
  CHECK(coster.cost(plan, Bytes{1e12}).step == coster.cost(plan).step);
  CHECK(coster.cost(plan).step > Seconds{});
}

} // namespace orrery::plan_cost_contract_test
