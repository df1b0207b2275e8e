// From costs and stage times to what a planner reads.
#pragma once

#include "models/training_estimate.hpp"
#include "scenarios/result.hpp"
#include "scenarios/run.hpp"
#include "scenarios/scenario.hpp"

namespace orrery {

/// Step time, throughput, time shares, power and energy of a feasible job. `times` comes from the estimate or from the engine.
void fill_step_metrics(TrainingResult& result, const Scenario& scenario, const Stages& stages, const StepEstimate& times);

/// Goodput over the run, and time, cost and energy to the token budget. Needs the step metrics.
void fill_run_metrics(TrainingResult& result, const Scenario& scenario, const TrainingScenario& job, const Stages& stages);

/// What the result rests on without a source: figures of the cluster and software, and terms of the cost models.
std::vector<Assumption> assumptions_of(const Scenario& scenario, const std::vector<Stages>& stages);

} // namespace orrery
