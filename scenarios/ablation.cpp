#include "scenarios/ablation.hpp"

#include "sim/base/diagnostics.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery {

namespace {

bool has(const Feature& feature, const TrainingScenario& job, const SoftwareProfile& software) {
  return job.job && feature.on(job, software);
}

/// Whether any job had it on.
bool turn_off(Scenario& scenario, const Feature& feature) {
  const SoftwareProfile before = scenario.software;
  bool found = false;
  for (TrainingScenario& job : scenario.jobs)
    if (has(feature, job, before)) {
      feature.off(job, scenario.software);
      found = true;
    }
  return found;
}

AblationRow row_of(const TrainingResult& without, const TrainingResult& reference, std::string feature, std::string help) {
  AblationRow row{.feature = std::move(feature), .help = std::move(help), .memory = without.memory.total()};
  if (!without.violations.empty()) {
    row.violation = without.violations.front();
    return row;
  }
  row.step = without.step_time;
  row.gain = without.step_time - reference.step_time;
  row.relative = row.gain / reference.step_time;
  return row;
}

bool before(const AblationRow& a, const AblationRow& b) {
  if (a.violation.empty() != b.violation.empty())
    return a.violation.empty();
  return a.gain > b.gain;
}

} // namespace

std::vector<std::string> feature_names() {
  std::vector<std::string> names;
  for (const Feature& feature : features())
    names.emplace_back(feature.name);
  return names;
}

bool turn_off(Scenario& scenario, std::string_view name) {
  const auto found = std::ranges::find(features(), name, &Feature::name);
  if (found == features().end()) {
    const std::vector<std::string> names = feature_names();
    throw UserError(
        fmt::format("no feature of the name {}; allowed: {}{}", shown(name), fmt::join(names, ", "), or_did_you_mean(name, names)));
  }
  if (std::ranges::none_of(scenario.jobs, [](const TrainingScenario& job) { return job.job.has_value(); }))
    throw UserError(fmt::format("{}: the scenario has no job of a model and a plan, whose features can be turned off", name));
  return turn_off(scenario, *found);
}

Ablation ablate(const Scenario& scenario, Fidelity fidelity) {
  const auto run = [&](const Scenario& changed) { return run_scenario(changed, {.fidelity = fidelity}); };
  Ablation ablation{.reference = run(scenario)};
  if (!ablation.reference.feasible())
    return ablation;
  for (const TrainingResult& job : ablation.reference.jobs)
    ablation.jobs.push_back({.job = job.name, .step = job.step_time, .memory = job.memory.total()});
  Scenario none = scenario;
  for (const Feature& feature : features()) {
    Scenario without = scenario;
    if (!turn_off(without, feature))
      continue;
    turn_off(none, feature);
    const Result result = run(without);
    for (std::size_t j = 0; j < ablation.jobs.size(); ++j)
      if (has(feature, scenario.jobs[j], scenario.software))
        ablation.jobs[j].rows.push_back(
            row_of(result.jobs[j], ablation.reference.jobs[j], std::string(feature.name), std::string(feature.help)));
  }
  const bool several = std::ranges::any_of(ablation.jobs, [](const JobAblation& job) { return job.rows.size() > 1; });
  const Result result = several ? run(none) : Result{};
  for (std::size_t j = 0; j < ablation.jobs.size(); ++j) {
    JobAblation& job = ablation.jobs[j];
    if (job.rows.size() > 1)
      job.all = row_of(result.jobs[j], ablation.reference.jobs[j], "all", "all of them off at once");
    std::ranges::stable_sort(job.rows, before);
  }
  return ablation;
}

} // namespace orrery
