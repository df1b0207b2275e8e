// A search gives the plan that trying all of them one by one would give, and accounts for every plan.
#include "scenarios/data_files.hpp"
#include "scenarios/run.hpp"
#include "scenarios/search/plan_pareto.hpp"
#include "scenarios/search/plan_search.hpp"
#include "sim/base/diagnostics.hpp"
#include "tests/support/scenarios.hpp"

#include <catch2/catch.hpp>

#include <numeric>

namespace orrery::plan_search_contract_test {

namespace {

Scenario small_scenario() { return quickstart({"cluster.nodes=8", "jobs.0.training.global_batch=64"}); }

SearchOptions small_options() {
  SearchOptions options;
  options.bounds.values["tp"] = {4, 8};
  options.bounds.values["micro_batch"] = {1, 2};
  options.bounds.values["cp"] = {1};
  options.bounds.values["zero"] = {0, 1};
  options.bounds.values["overlap_p2p"] = {1};
  options.bounds.values["overlap_grad_reduce"] = {1};
  options.bounds.values["schedule"] = {static_cast<int>(ScheduleKind::one_f_one_b), static_cast<int>(ScheduleKind::interleaved)};
  options.bounds.values["virtual_stages"] = {2, 3};
  options.bounds.values["recompute"] = {0, static_cast<int>(Recompute::full)};
  options.finalists = 3;
  return options;
}

TrainingResult estimated_with(Scenario scenario, const Plan& plan) {
  scenario.jobs.front().plan = plan;
  return estimated(scenario);
}

} // namespace

TEST_CASE("the search finds what trying every plan alone finds", "[plan]") {
  const Scenario scenario = small_scenario();
  const SearchOptions options = small_options();
  Seconds best;
  double feasible = 0;
  PlanSpace(*scenario.jobs.front().job, scenario.software, 64, options.bounds).walk([&](const Plan& plan) {
    const TrainingResult result = estimated_with(scenario, plan);
    if (!result.violations.empty())
      return true;
    ++feasible;
    if (best.si() == 0 || result.step_time < best)
      best = result.step_time;
    return true;
  });
  const PlanSearch search = search_plans(scenario, options);
  CHECK(search.costed == feasible);
  const double refused = std::accumulate(search.reasons.begin(), search.reasons.end(), 0.0,
                                         [](double sum, const InfeasibleClass& reason) { return sum + reason.plans; });
  CHECK(search.enumerated == search.costed + refused);
  REQUIRE(search.finalists.size() == 3);
  Seconds fastest = search.finalists.front().estimate.step;
  for (const Finalist& finalist : search.finalists)
    fastest = std::min(fastest, finalist.estimate.step);
  CHECK(fastest.si() == Approx(best.si()).epsilon(1e-12));
  for (std::size_t i = 1; i < search.finalists.size(); ++i)
    CHECK(search.finalists[i - 1].objective <= search.finalists[i].objective);
}

TEST_CASE("a search hears of every plan, costed or with its inequality", "[plan]") {
  double costed = 0;
  double refused = 0;
  const PlanSearch search =
      search_plans(small_scenario(), small_options(), {.plan = [&](const Plan&, const CostedPlan* plan, const std::string& violation) {
                     CHECK((plan == nullptr) != violation.empty());
                     ++(plan != nullptr ? costed : refused);
                   }});
  CHECK(costed == search.costed);
  CHECK(costed + refused == search.enumerated);
}

TEST_CASE("no plan of the trade-offs beats another in every respect, and every other plan is beaten", "[plan]") {
  std::vector<CostedPlan> all;
  const PlanSearch search =
      search_plans(small_scenario(), small_options(), {.plan = [&](const Plan&, const CostedPlan* plan, const std::string&) {
                     if (plan != nullptr)
                       all.push_back(*plan);
                   }});
  const auto covers = [](const CostedPlan& a, const CostedPlan& b) {
    return a.step <= b.step && a.memory <= b.memory && a.energy <= b.energy;
  };
  for (const CostedPlan& a : search.pareto)
    for (const CostedPlan& b : search.pareto)
      CHECK((&a == &b || !covers(a, b)));
  for (const CostedPlan& plan : all)
    CHECK(std::ranges::any_of(search.pareto, [&](const CostedPlan& kept) { return covers(kept, plan); }));
}

TEST_CASE("a mix is the weighted geometric mean of its parts", "[plan]") {
  const Scenario scenario = small_scenario();
  const PlanScorer time(scenario, {.objective = Objective::mix, .weights = {.time = 1, .energy = 0, .cost = 0}});
  CHECK(time.objective(Seconds{3}, Joules{5}, Dollars{7}) == Approx(3));
  const PlanScorer both(scenario, {.objective = Objective::mix, .weights = {.time = 1, .energy = 1, .cost = 0}});
  CHECK(both.objective(Seconds{4}, Joules{9}, Dollars{7}) == Approx(6));
  const PlanScorer all(scenario, {.objective = Objective::mix, .weights = {.time = 1, .energy = 1, .cost = 2}});
  CHECK(all.objective(Seconds{1}, Joules{16}, Dollars{4}) == Approx(4));
}

TEST_CASE("a margin of memory is kept free, and a search without a feasible plan says why", "[plan]") {
  SearchOptions options = small_options();
  options.memory_margin = 0.3;
  const Scenario scenario = small_scenario();
  for (const Finalist& finalist : search_plans(scenario, options).finalists)
    CHECK(finalist.estimate.memory <= 0.7 * scenario.cluster.node.device.memory.front().capacity);
  options.memory_margin = 0.98;
  const PlanSearch none = search_plans(scenario, options);
  CHECK(none.finalists.empty());
  REQUIRE_FALSE(none.reasons.empty());
  CHECK(none.reasons.front().kind == "memory GB > GB of h100-sxm-80gb on the fullest stage");
}

TEST_CASE("the changes of the best plan name what each decision is worth", "[plan]") {
  const Scenario scenario = small_scenario();
  const PlanSearch search = search_plans(scenario, small_options());
  const Plan& best = search.finalists.front().estimate.plan;
  const double own = estimated_with(scenario, best).step_time.si();
  CHECK(search.changes.size() > 8);
  for (const PlanChange& change : search.changes) {
    CAPTURE(change.key, change.from, change.to);
    const TrainingResult result = estimated_with(scenario, change.plan);
    CHECK(result.violations.empty() == change.violation.empty());
    if (change.violation.empty())
      CHECK(change.relative == Approx(result.step_time.si() / own - 1).margin(1e-12));
  }
}

TEST_CASE("a search needs one training job, and prices for cost", "[plan]") {
  Scenario scenario = small_scenario();
  SearchOptions options = small_options();
  options.objective = Objective::cost;
  scenario.cluster.depreciation = Seconds{};
  CHECK_THROWS_AS(search_plans(scenario, options), UserError);
  scenario = small_scenario();
  scenario.jobs.push_back(scenario.jobs.front());
  CHECK_THROWS_AS(search_plans(scenario, small_options()), UserError);
}

} // namespace orrery::plan_search_contract_test
