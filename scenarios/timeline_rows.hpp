// A recorded timeline with names, power and memory, as a trace shows it.
#pragma once

#include "scenarios/result.hpp"
#include "scenarios/run.hpp"
#include "sim/engine/timeline.hpp"

#include <vector>

namespace orrery {

/// Spans in order of their begin. Memory is that of one device when the span begins: activations rise with forward passes and fall with
/// backward.
std::vector<RecordedSpan> timeline_rows(const StepTimeline& timeline, const Scenario& scenario, const Stages& stages);

} // namespace orrery
