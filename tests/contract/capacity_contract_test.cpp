// The cluster that `orrery capacity` names is the cheapest that meets the deadline, and every other is accounted for.
#include "hardware/catalogue.hpp"
#include "scenarios/data_files.hpp"
#include "scenarios/run.hpp"
#include "scenarios/search/capacity.hpp"
#include "sim/base/diagnostics.hpp"
#include "tests/support/scenarios.hpp"

#include <catch2/catch.hpp>

namespace orrery::capacity_contract_test {

namespace {

Scenario small_scenario(double deadline_days) {
  Scenario scenario = quickstart({"jobs.0.training.model=llama3-8b", "jobs.0.training.global_batch=64", "jobs.0.training.tokens=20e9"});
  scenario.capacity = CapacityOptions{.deadline = Seconds{deadline_days * 86400}, .max_nodes = 5};
  SearchOptions search;
  search.bounds.values["micro_batch"] = {1};
  search.bounds.max["pp"] = 4;
  search.bounds.values["zero"] = {1};
  search.bounds.values["cp"] = {1};
  search.bounds.values["recompute"] = {0};
  search.bounds.values["overlap_p2p"] = {1};
  scenario.search = search;
  return scenario;
}

} // namespace

TEST_CASE("the cheapest cluster that meets the deadline is found", "[capacity]") {
  const CapacityResult result = find_capacity(small_scenario(1.5));
  REQUIRE(result.points.size() == 5);
  REQUIRE(result.best);
  const CapacityPoint& best = result.points[*result.best];
  CHECK(best.budget.time <= result.deadline);
  int meeting = 0;
  for (const CapacityPoint& point : result.points) {
    CAPTURE(point.nodes, point.binds);
    CHECK(point.devices == 8 * point.nodes);
    if (point.meets()) {
      ++meeting;
      CHECK(point.budget.cost >= best.budget.cost);
    } else {
      CHECK((!point.feasible() || point.budget.time > result.deadline));
    }
  }
  CHECK(meeting < 5); // the deadline rules some out
  REQUIRE(result.answer);
  CHECK(result.answer->step_time.si() == Approx(best.step.si()).epsilon(0.05));
}

TEST_CASE("the frontier finishes earlier with every step", "[capacity]") {
  const CapacityResult result = find_capacity(small_scenario(1.5));
  REQUIRE(result.frontier.size() > 1);
  for (std::size_t i = 1; i < result.frontier.size(); ++i) {
    CHECK(result.points[result.frontier[i]].nodes > result.points[result.frontier[i - 1]].nodes);
    CHECK(result.points[result.frontier[i]].budget.time < result.points[result.frontier[i - 1]].budget.time);
  }
}

TEST_CASE("a deadline that no cluster meets is a result with its inequality", "[capacity]") {
  const CapacityResult result = find_capacity(small_scenario(0.01));
  CHECK_FALSE(result.best);
  CHECK_FALSE(result.answer);
  for (const CapacityPoint& point : result.points)
    CHECK_FALSE(point.binds.empty());
}

TEST_CASE("a faster machine of the same price wins", "[capacity]") {
  Scenario scenario = small_scenario(3);
  NodeType h100 = load_node("dgx-h100");
  NodeType a100 = load_node("dgx-a100");
  h100.price = a100.price = Dollars{300000};
  scenario.capacity->nodes = {a100, h100};
  scenario.capacity->max_nodes = 2;
  const CapacityResult result = find_capacity(scenario);
  REQUIRE(result.best);
  CHECK(result.points[*result.best].node == h100.name);
}

TEST_CASE("capacity needs a deadline, tokens and one training job", "[capacity]") {
  Scenario scenario = small_scenario(1);
  scenario.capacity->deadline.reset();
  CHECK_THROWS_AS(find_capacity(scenario), UserError);
  scenario = small_scenario(1);
  scenario.jobs.front().job->tokens = 0;
  CHECK_THROWS_AS(find_capacity(scenario), UserError);
  scenario.capacity.reset();
  CHECK_THROWS_AS(find_capacity(scenario), UserError);
}

} // namespace orrery::capacity_contract_test
