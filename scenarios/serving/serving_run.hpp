// A serving job of a scenario becomes a ServingResult.
#pragma once

#include "scenarios/run.hpp"
#include "scenarios/serving/serving_result.hpp"
#include "scenarios/serving/serving_scenario.hpp"

namespace orrery {

/// Jobs that do not fit are results with their inequality. `first` = its first device of the cluster.
ServingResult run_serving(const Scenario& scenario, const ServingScenario& job, int first, const RunOptions& options);

} // namespace orrery
