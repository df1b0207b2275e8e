// The search for a deployment: what it answers keeps the bounds, and nothing that it looked at is cheaper.
#include "scenarios/data_files.hpp"
#include "scenarios/run.hpp"
#include "scenarios/search/serving_capacity.hpp"
#include "sim/base/diagnostics.hpp"
#include "tests/support/scenarios.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <set>

namespace orrery::serving_capacity_contract_test {

namespace {

Scenario scenario_with(std::vector<std::string> overrides) {
  overrides.insert(overrides.begin(), "jobs.0.serving.traffic.requests=300");
  return load_scenario(data_file("scenarios/serving-capacity.yaml"), overrides);
}

} // namespace

TEST_CASE("the deployment that is found keeps the bounds and is the cheapest of those", "[contract][serving]") {
  const ServingCapacity found = find_serving_capacity(scenario_with({"capacity.serving.max_devices=16"}));
  REQUIRE(found.best);
  const DeploymentPoint& best = found.points[*found.best];
  CHECK(best.meets());
  CHECK(best.result.attainment >= 0.95);
  bool apart = false;
  for (const DeploymentPoint& point : found.points) {
    CHECK(point.devices <= 16);
    CHECK(point.meets() == (point.result.violations.empty() && !point.result.saturation.saturated && point.result.attainment >= 0.95));
    if (point.meets())
      CHECK(point.result.cost_per_million_output_tokens >= best.result.cost_per_million_output_tokens);
    apart = apart || point.pools.has_value();
  }
  CHECK(apart);
  CHECK_FALSE(found.smaller.empty());
  for (const std::size_t i : found.frontier)
    for (const DeploymentPoint& other : found.points)
      CHECK_FALSE((other.meets() && other.result.latencies.tpot.mean < found.points[i].result.latencies.tpot.mean &&
                   other.result.output_tokens_per_second_per_device > found.points[i].result.output_tokens_per_second_per_device));
}

TEST_CASE("the fewest replicas are those that one less would not do for", "[contract][serving]") {
  const ServingCapacity found = find_serving_capacity(scenario_with({"capacity.serving={ tp: [4], max_devices: 32 }"}));
  REQUIRE(found.best);
  const int replicas = found.points[*found.best].plan.replicas;
  std::set<int> missed;
  for (const DeploymentPoint& point : found.points)
    if (!point.meets())
      missed.insert(point.plan.replicas);
  CHECK((replicas == 1 || missed.contains(replicas - 1)));
}

TEST_CASE("what no deployment can do has no answer, and says why", "[contract][serving]") {
  const ServingCapacity found =
      find_serving_capacity(scenario_with({"jobs.0.serving.slo.tpot=1 us", "capacity.serving={ tp: [2, 8], max_devices: 8 }"}));
  CHECK_FALSE(found.best);
  for (const DeploymentPoint& point : found.points)
    CHECK_FALSE(point.binds.empty());
  CHECK_THROWS_AS(find_serving_capacity(scenario_with({"jobs.0.serving.slo={ attainment: 0.9 }"})), UserError);
  CHECK_THROWS_AS(find_serving_capacity(quickstart()), UserError);
}

} // namespace orrery::serving_capacity_contract_test
