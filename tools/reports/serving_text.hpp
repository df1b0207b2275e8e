// The page of a serving job.
#pragma once

#include "scenarios/result.hpp"
#include "tools/reports/text.hpp"

#include <string>

namespace orrery {

std::string serving_text(const Result& result, const ServingResult& job, const Style& style);

/// "TP 4 · PP 2 · 3 replicas"
std::string serving_plan_text(const ServingPlan& plan);

} // namespace orrery
