// The page that a planner acts on.
#pragma once

#include "scenarios/result.hpp"
#include "tools/reports/text.hpp"

#include <string>

namespace orrery {

/// At most page_width columns; ends in a newline.
std::string report_text(const Result& result, const Style& style = {});

/// The inequalities that keep a job from running.
std::string infeasible_text(const std::vector<std::string>& violations, const Style& style);

/// That devices exceed their cap at their lowest clock; empty where they keep it.
std::string cap_text(bool above_cap, const Style& style);

/// "8.1 s to 9.0 s": the step time with its error band; empty where there is none.
std::string range_text(const TrainingResult& job);

/// "TP 8 · PP 8 · DP 16 · micro-batch 1 · ..."
std::string plan_text(const Plan& plan);

/// "step_time = 8.5 s, at most 9 s"
std::string expectation_text(const ExpectationOutcome& outcome);

} // namespace orrery
