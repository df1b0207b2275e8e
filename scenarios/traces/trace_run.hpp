// A trace job from its files to its result.
#pragma once

#include "scenarios/run.hpp"

namespace orrery {

/// Throws UserError for files that cannot be read or cannot be replayed; too few devices are a violation of the result.
TrainingResult run_trace(const Scenario& scenario, const TraceJob& job, const RunOptions& options);

} // namespace orrery
