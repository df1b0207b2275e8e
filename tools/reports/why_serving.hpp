// Walks from the latencies of a serving job to the iterations behind them, and to their operators.
#pragma once

#include "scenarios/run.hpp"
#include "tools/reports/text.hpp"

#include <string>
#include <vector>

namespace orrery {

/// The metrics of jobs that serve that can be explained.
std::vector<std::string> why_serving_words();

/// Of every job that is feasible; of the others the violations. Precondition: `metric` is one of why_serving_words().
std::string why_serving(const std::string& metric, const Scenario& scenario, const Result& result, const Style& style = {});

} // namespace orrery
