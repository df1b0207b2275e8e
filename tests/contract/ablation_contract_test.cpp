// What holds for every feature that can be turned off.
#include "scenarios/ablation.hpp"
#include "scenarios/data_files.hpp"
#include "sim/base/diagnostics.hpp"
#include "tests/support/scenarios.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <numeric>
#include <set>

namespace orrery::ablation_contract_test {

namespace {

Scenario scenario_with(const char* name, const Overrides& overrides = {}) {
  return load_scenario(data_file(std::string("scenarios/") + name + ".yaml"), overrides);
}

const AblationRow* row_of(const JobAblation& job, std::string_view feature) {
  const auto found = std::ranges::find(job.rows, feature, &AblationRow::feature);
  return found == job.rows.end() ? nullptr : &*found;
}

/// A job that has every switch of a plan and of the software that a dense model knows.
const Overrides everything = {"software={base: megatron-core-2024, overlap_tp_forward: true, overlap_tp_backward: true, fused_loss: true, "
                              "fused_bias_activation: true, reduction: bf16}",
                              "jobs.0.training.recipe=fp8-delayed"};

} // namespace

TEST_CASE("a feature that is turned off is off, and its name says which", "[contract][ablation]") {
  std::set<std::string_view> names;
  for (const Feature& feature : features()) {
    CAPTURE(feature.name);
    CHECK(names.insert(feature.name).second);
    CHECK_FALSE(feature.help.empty());
    for (const Overrides& overrides : {Overrides{}, everything}) {
      Scenario scenario = scenario_with("quickstart", overrides);
      const bool on = feature.on(scenario.jobs.front(), scenario.software);
      CHECK(turn_off(scenario, feature.name) == on);
      CHECK_FALSE(feature.on(scenario.jobs.front(), scenario.software));
      CHECK_FALSE(turn_off(scenario, feature.name));
    }
  }
}

TEST_CASE("without a feature is the same as never having had it", "[contract][ablation]") {
  const std::vector<std::pair<std::string, std::string>> same = {
      {"overlap-grad-reduce", "jobs.0.plan.overlap_grad_reduce=false"},
      {"overlap-param-gather", "jobs.0.plan.overlap_param_gather=false"},
      {"overlap-p2p", "jobs.0.plan.overlap_p2p=false"},
      {"sequence-parallel", "jobs.0.plan.sequence_parallel=false"},
      {"recipe", "jobs.0.training.recipe=none"},
      {"flash-attention", "software.attention=unfused"},
      {"fused-loss", "software.fused_loss=false"},
      {"fused-elementwise", "software.fused_bias_activation=false"},
      {"tp-overlap-forward", "software.overlap_tp_forward=false"},
      {"tp-overlap-backward", "software.overlap_tp_backward=false"},
      {"narrow-reduction", "software.reduction=fp32"},
      {"asynchronous-launch", "software.launch_blocking=true"},
  };
  const Ablation ablation = ablate(scenario_with("quickstart", everything), Fidelity::estimate);
  REQUIRE(ablation.jobs.size() == 1);
  const JobAblation& job = ablation.jobs.front();
  for (const auto& [feature, assignment] : same) {
    CAPTURE(feature);
    Overrides overrides = everything;
    overrides.push_back(assignment);
    const AblationRow* row = row_of(job, feature);
    REQUIRE(row != nullptr);
    const TrainingResult without = run_scenario(scenario_with("quickstart", overrides), {.fidelity = Fidelity::estimate}).jobs.front();
    CHECK(row->violation.empty() == without.violations.empty());
    CHECK(row->step == without.step_time);
    CHECK(row->memory == without.memory.total());
  }
}

TEST_CASE("an ablation lists what is on, by what it buys", "[contract][ablation]") {
  const Scenario scenario = scenario_with("quickstart");
  const Ablation ablation = ablate(scenario, Fidelity::simulate);
  const JobAblation& job = ablation.jobs.front();
  CHECK(job.step == ablation.reference.jobs.front().step_time);
  CHECK(row_of(job, "interleaving") != nullptr);
  for (const char* absent : {"zero-bubble", "recipe", "grouped-experts", "scatter-gather", "sharded-parameters"})
    CHECK(row_of(job, absent) == nullptr);
  const auto runs = static_cast<std::size_t>(std::ranges::count_if(job.rows, [](const AblationRow& row) { return row.violation.empty(); }));
  for (std::size_t i = 0; i < job.rows.size(); ++i) {
    CHECK(job.rows[i].violation.empty() == (i < runs));
    if (i > 0 && i < runs)
      CHECK(job.rows[i].gain <= job.rows[i - 1].gain);
  }
  // Hiding communication never costs time; the table would say so.
  for (const char* overlap : {"overlap-grad-reduce", "overlap-p2p"})
    CHECK(row_of(job, overlap)->gain > Seconds{});
  REQUIRE(job.all);
}

TEST_CASE("what a job cannot do without is said with its inequality", "[contract][ablation]") {
  const Ablation ablation = ablate(scenario_with("gpt3-a100-selene"), Fidelity::estimate);
  REQUIRE(ablation.reference.feasible());
  const AblationRow* row = row_of(ablation.jobs.front(), "recomputation");
  REQUIRE(row != nullptr);
  CHECK_THAT(row->violation, Catch::Contains("GB needed >"));
  CHECK(ablation.jobs.front().rows.back().feature == "recomputation");
}

TEST_CASE("layers stay on their stage when a schedule is turned off", "[contract][ablation]") {
  const auto plan_without = [](const char* schedule, int virtual_stages, const char* layers, const char* feature) {
    Scenario scenario = scenario_with(
        "quickstart", {"jobs.0.plan.pp=4", "jobs.0.plan.dp=32", std::string("jobs.0.plan.schedule=") + schedule,
                       "jobs.0.plan.virtual_stages=" + std::to_string(virtual_stages), std::string("jobs.0.plan.stage_layers=") + layers});
    CHECK(turn_off(scenario, feature));
    return scenario.jobs.front().plan;
  };
  const Plan interleaved = plan_without("interleaved", 2, "[10, 12, 12, 12, 14, 12, 12, 12]", "interleaving");
  CHECK(interleaved.schedule == ScheduleKind::one_f_one_b);
  CHECK(interleaved.virtual_stages == 1);
  CHECK(interleaved.stage_layers == std::vector{24, 24, 24, 24});
  // In a V the first stage has the first and the last chunk.
  const Plan v = plan_without("zb-v", 1, "[10, 12, 12, 12, 12, 12, 12, 14]", "zero-bubble");
  CHECK(v.stage_layers == std::vector{24, 24, 24, 24});
  CHECK(plan_without("zb-1p", 1, "[23, 25, 25, 23]", "zero-bubble").stage_layers == std::vector{23, 25, 25, 23});
}

TEST_CASE("a feature that does not exist is answered with the one that was meant", "[contract][ablation]") {
  Scenario scenario = scenario_with("quickstart");
  CHECK_THROWS_WITH(turn_off(scenario, "overlap-p2"), Catch::Contains("'overlap-p2'") && Catch::Contains("did you mean 'overlap-p2p'?"));
}

TEST_CASE("turning off an overlap that hides nothing changes nothing", "[contract][ablation]") {
  Scenario scenario = scenario_with("quickstart", {"jobs.0.plan.pp=1", "jobs.0.plan.schedule=1f1b", "jobs.0.plan.virtual_stages=1",
                                                   "jobs.0.plan.tp=8", "jobs.0.plan.dp=128", "jobs.0.plan.zero=3"});
  const Seconds before = estimated(scenario).step_time;
  CHECK_FALSE(turn_off(scenario, "overlap-p2p"));
  CHECK(estimated(scenario).step_time == before);
}

} // namespace orrery::ablation_contract_test
