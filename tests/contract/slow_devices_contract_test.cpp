// What holds when devices are not all alike.
#include "scenarios/slow_devices.hpp"
#include "sim/base/diagnostics.hpp"
#include "sim/engine/pipeline.hpp"
#include "tests/support/refusal.hpp"
#include "tests/support/scenarios.hpp"
#include "tests/unit/engine/pipeline_cases.hpp"
#include "tests/unit/hardware/clusters.hpp"

#include <catch2/catch.hpp>

#include <iterator>

namespace orrery::slow_devices_contract_test {

namespace {

TrainingResult run_with(const char* name, const Overrides& overrides, Fidelity fidelity = Fidelity::simulate) {
  return run_scenario(load_scenario(data_file(std::string("scenarios/") + name + ".yaml"), overrides), {.fidelity = fidelity}).jobs.front();
}

double step(const char* name, const Overrides& overrides, Fidelity fidelity = Fidelity::simulate) {
  return run_with(name, overrides, fidelity).step_time.si();
}

LaneClocks clocks_of(const Overrides& overrides) {
  const Scenario scenario = quickstart(overrides);
  const Stages stages = stages_of(scenario, scenario.jobs.front());
  return lane_clocks(scenario.simulation.slow, scenario.cluster.node.devices, stages.graph, stages.costs);
}

/// Clocks of every replica, for a step of which nothing is folded.
std::vector<double> all_clocks(int replicas, int stages, const LaneClocks& clocks) {
  return simulated_clocks(each_by_itself(replicas), stages, clocks);
}

} // namespace

TEST_CASE("replicas of the same clocks fold into one, and the step keeps its time", "[contract][slow]") {
  const auto kind = GENERATE(from_range(std::begin(testing::all_schedules), std::end(testing::all_schedules)));
  CAPTURE(static_cast<int>(kind));
  CostedGraph graph = testing::full_pipeline(kind, 4, testing::some_chunks(kind, 2), 8);
  testing::lay_out(graph, 8, 6);
  // Two replicas slow alike, one otherwise, three as they should be.
  const LaneClocks clocks = {{{1, 2}, 0.5}, {{4, 2}, 0.5}, {{3, 0}, 0.8}};
  const ReplicaFold fold = fold_by_clocks(6, clocks);
  REQUIRE(fold.classes == std::vector<std::vector<int>>{{0, 2, 5}, {1, 4}, {3}});
  // Leaves wide enough that no flow meets another: what a fold is exact for.
  Cluster wide = testing::rail_cluster(24);
  wide.fabric.nodes_per_leaf = 24;
  const Topology topology(wide);
  const StepTraffic some = step_traffic(topology, graph, fold);
  const StepTraffic each = step_traffic(topology, graph, each_by_itself(graph.replicas));
  const bool contended = GENERATE(false, true);
  const StepTimeline folded = simulate_step(
      graph, {.weights = fold.weights(), .clocks = simulated_clocks(fold, 4, clocks), .traffic = contended ? &some : nullptr});
  const StepTimeline unfolded = simulate_step(
      graph,
      {.weights = each_by_itself(graph.replicas).weights(), .clocks = all_clocks(6, 4, clocks), .traffic = contended ? &each : nullptr});
  CHECK(folded.step.si() == Approx(unfolded.step.si()).epsilon(1e-9));
  CHECK(folded.step > simulate_step(graph).step * 1.1);
  CHECK(folded.simulated_replicas == 3);
  CHECK(folded.events < unfolded.events);
  for (std::size_t s = 0; s < 4; ++s) {
    CHECK(folded.stages[s].compute.si() == Approx(unfolded.stages[s].compute.si()).epsilon(1e-9));
    CHECK(folded.stages[s].bubble.si() == Approx(unfolded.stages[s].bubble.si()).margin(1e-9 * folded.step.si()));
    const StageTimes& a = folded.stages[s];
    CHECK((a.compute + a.send + a.bubble + a.reduction + a.optimizer + a.gather + a.host).si() == Approx(folded.step.si()).epsilon(1e-9));
  }
  CHECK(folded.fold() == "3 of 6 replicas simulated, one for all of the same clocks; one rank stands for the tensor-parallel ranks of its "
                         "stage");
}

TEST_CASE("a slow device takes its own replica out of the fold and no other", "[contract][slow]") {
  const std::string one_leaf = "cluster.fabric.nodes_per_leaf=128";
  const std::string slow = "simulation.slow=[{ devices: [131], factor: 0.7 }]";
  const TrainingResult folded = run_with("quickstart", {one_leaf, slow});
  CHECK_THAT(folded.method.fold, Catch::Contains("2 of 16 replicas simulated"));
  const TrainingResult unfolded = run_with("quickstart", {one_leaf, slow, "simulation.unfold_replicas=true"});
  CHECK(folded.step_time.si() == Approx(unfolded.step_time.si()).epsilon(1e-9));
  CHECK(folded.method.events < unfolded.method.events / 6);
  // One stage of one replica at 0.7 holds everybody back, by no more than if all were as slow.
  const double equal = step("quickstart", {one_leaf});
  const double all_slow = step("quickstart", {one_leaf, "simulation.slow=[{ nodes: [" + [] {
                                                std::string all = "0";
                                                for (int node = 1; node < 128; ++node)
                                                  all += ", " + std::to_string(node);
                                                return all;
                                              }() + "], factor: 0.7 }]"});
  CHECK(folded.step_time.si() > 1.1 * equal);
  CHECK(folded.step_time.si() < all_slow);
  CHECK(all_slow < equal / 0.7);
}

TEST_CASE("the closed form follows a slow device", "[contract][slow]") {
  const Overrides slow = {"simulation.slow=[{ stage: 3, replica: 5, factor: 0.6 }]"};
  const double estimated = step("quickstart", slow, Fidelity::estimate);
  CHECK(estimated > 1.2 * step("quickstart", {}, Fidelity::estimate));
  CHECK(step("quickstart", slow) == Approx(estimated).epsilon(0.02));
}

TEST_CASE("shares of a step with a slow device add up and name it", "[contract][slow]") {
  const TrainingResult result = run_with("quickstart", {"simulation.slow=[{ stage: 3, factor: 0.6 }]"});
  Seconds sum;
  Seconds uneven;
  for (const TimeShare& share : result.time) {
    sum += share.time;
    if (share.name == "slow devices and jitter")
      uneven = share.time;
  }
  CHECK(sum.si() == Approx(result.step_time.si()).epsilon(1e-9));
  CHECK(uneven.si() > 0.02 * result.step_time.si());
  for (const TimeShare& share : run_with("quickstart", {}).time)
    CHECK(share.name != "slow devices and jitter");
}

TEST_CASE("ranks whose collectives run inside passes wait for each other", "[contract][slow]") {
  // Device 131: tensor rank 3 of replica 0 and stage 1 of the grid 8 x 16 x 8.
  CHECK(clocks_of({"simulation.slow=[{ devices: [131], factor: 0.7 }]"}) == LaneClocks{{{0, 1}, 0.7}});
  CHECK(clocks_of({"simulation.slow=[{ nodes: [3], factor: 0.7 }]"}) == LaneClocks{{{3, 0}, 0.7}});
  CHECK(clocks_of({"simulation.slow=[{ stage: 2, replica: 6, factor: 0.7 }]"}) == LaneClocks{{{6, 2}, 0.7}});
  CHECK(clocks_of({"simulation.slow=[{ replica: 6, factor: 0.7 }]"}).size() == 8);
  // The slower of two factors rules.
  CHECK(clocks_of({"simulation.slow=[{ devices: [130], factor: 0.9 }, { devices: [131], factor: 0.7 }]"}) == LaneClocks{{{0, 1}, 0.7}});
  // Parameters that all replicas gather inside passes make all of them wait.
  const LaneClocks sharded = clocks_of({"jobs.0.plan.zero=3", "jobs.0.plan.pp=1", "jobs.0.plan.dp=128", "jobs.0.plan.schedule=1f1b",
                                        "jobs.0.plan.virtual_stages=1", "simulation.slow=[{ devices: [5], factor: 0.7 }]"});
  CHECK(sharded.size() == 128);
}

TEST_CASE("jitter makes every replica differ, so every one is simulated", "[contract][slow]") {
  const TrainingResult result = run_with("quickstart", {"simulation.jitter=0.03"});
  CHECK_THAT(result.method.fold, Catch::Contains("all 16 replicas simulated"));
  CHECK(result.step_time.si() > 1.001 * step("quickstart", {"simulation.unfold_replicas=true"}));
}

TEST_CASE("slow devices that are not there are answered with what is", "[diagnostics][slow]") {
  const auto said = [](const std::string& slow) { return refusal_of([&] { quickstart({"simulation.slow=" + slow}); }); };
  CHECK_THAT(said("[{ devices: [1024], factor: 0.5 }]"), Catch::Contains("0 to 1023: there are 1024 devices"));
  CHECK_THAT(said("[{ nodes: [128], factor: 0.5 }]"), Catch::Contains("0 to 127"));
  CHECK_THAT(said("[{ stage: 8, replica: 16, factor: 0.5 }]"),
             Catch::Contains("0 to 7: there are 8 stages") && Catch::Contains("0 to 15: there are 16 replicas"));
  CHECK_THAT(said("[{ factor: 0.5 }]"), Catch::Contains("no device named"));
  CHECK_THAT(said("[{ stage: 1, factor: 1.5 }]"), Catch::Contains("factor"));
  CHECK(said("[{ stage: 1, factor: 1 }]") == "no refusal");
}

TEST_CASE("the shipped unequal machine feels each of its faults", "[contract][slow]") {
  const double shipped = step("unequal-h100", {});
  CHECK(step("unequal-h100", {"simulation.slow=[]"}) < 0.99 * shipped);
  const double whole = step("unequal-h100", {"cluster.degraded=[]"});
  CHECK(whole < 0.99 * shipped);
  CHECK(step("unequal-h100", {"cluster.fabric.paths=planned"}) < shipped);
  CHECK(step("unequal-h100", {"cluster.degraded=[]", "cluster.fabric.paths=planned"}) < 0.995 * whole);
}

} // namespace orrery::slow_devices_contract_test
