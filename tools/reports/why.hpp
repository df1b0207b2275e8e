// Walks from a number of the Result to its formula, its inputs and their sources.
#pragma once

#include "scenarios/run.hpp"
#include "tools/reports/text.hpp"

#include <string>
#include <vector>

namespace orrery {

/// The metrics that can be explained.
std::vector<std::string> why_words();

/// Of every job that is feasible; of the others the violations. Precondition: `metric` is one of why_words().
std::string why(const std::string& metric, const Scenario& scenario, const Result& result, const Style& style = {});

} // namespace orrery
