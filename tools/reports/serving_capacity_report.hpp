// What `orrery capacity` found for a job that serves, as a page, as JSON and as CSV.
#pragma once

#include "scenarios/search/serving_capacity.hpp"
#include "tools/reports/json_object.hpp"
#include "tools/reports/text.hpp"

#include <string>

namespace orrery {

std::string serving_capacity_text(const ServingCapacity& result, const Style& style = {});
OrderedJson serving_capacity_json(const ServingCapacity& result);
/// One row per deployment looked at.
std::string serving_capacity_csv(const ServingCapacity& result);

} // namespace orrery
