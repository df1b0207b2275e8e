// The figures of a point of a sweep: the numbers and flags of the jobs of its Result, by their paths in the result's JSON.
#pragma once

#include "scenarios/sweep/sweep.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace orrery {

/// Everything that the result states as a number or a flag, but its plan, which is an input. Of several jobs, under "jobs.INDEX.".
/// And whether the scenario's expectations are met.
std::vector<std::pair<std::string, SweepValue>> sweep_metrics(const Result& result);

/// The names that sweep_metrics() can give, in the order of the result's schema; "*" stands for an element of a list.
const std::vector<std::string>& metric_patterns();

bool is_metric(std::string_view name);

/// In the order of the patterns.
std::vector<std::string> ordered_metrics(std::vector<std::string> names);

} // namespace orrery
