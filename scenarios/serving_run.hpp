// A serving job of a scenario becomes a ServingResult.
#pragma once

#include "scenarios/run.hpp"
#include "scenarios/serving_result.hpp"
#include "scenarios/serving_scenario.hpp"

namespace orrery {

/// How a pool batches: the policy of the software or of the user, with the limits of the user, else the software's, else the policy's.
[[nodiscard]] BatchingPolicy batching_of(const BatchingChoice& choice, const SoftwareProfile& software, const ServingPlan& plan);

/// Jobs that do not fit are results with their inequality. `first` = its first device of the cluster.
ServingResult run_serving(const Scenario& scenario, const ServingScenario& job, int first, const RunOptions& options);

} // namespace orrery
