// What each overlap and optimisation of a scenario buys: its step with that one turned off.
//
// What:    a registry of features, each a switch of the plan, of the training job or of the software profile, and the step time of a
//          scenario without each of those that it has.
// Valid:   jobs of a model and a plan. What a feature buys depends on the others, so the gains do not add up to that of all together.
#pragma once

#include "scenarios/run.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace orrery {

/// One row of the registry. Both functions see jobs of a model and a plan alone.
struct Feature {
  std::string_view name;
  std::string_view help;                                                    ///< what it does, in a few words
  bool (*on)(const TrainingScenario& job, const SoftwareProfile& software); ///< whether the job has it, and has a use for it
  void (*off)(TrainingScenario& job, SoftwareProfile& software);
};

const std::vector<Feature>& features();
std::vector<std::string> feature_names();

/// Turns the feature of that name off in every job. False: no job has it on. Throws UserError where there is no such feature, or no job of
/// a model and a plan.
bool turn_off(Scenario& scenario, std::string_view feature);

/// The step of a job without one feature.
struct AblationRow {
  std::string feature;
  std::string help;
  std::string violation; ///< why the job cannot run without it; empty = it can
  Seconds step;
  Seconds gain;        ///< what the feature takes off the step
  double relative = 0; ///< the same as a share of the step with everything
  Bytes memory;        ///< of the fullest stage
};

struct JobAblation {
  std::string job;
  Seconds step;                   ///< with everything
  Bytes memory;                   ///< of the fullest stage
  std::vector<AblationRow> rows;  ///< by falling gain, those that cannot run last
  std::optional<AblationRow> all; ///< all of them off at once, where there are several
};

struct Ablation {
  Result reference; ///< with everything; where it is not feasible there are no jobs below
  std::vector<JobAblation> jobs;
};

Ablation ablate(const Scenario& scenario, Fidelity fidelity);

} // namespace orrery
