// What `orrery capacity` found, as a page, as JSON and as CSV.
#pragma once

#include "scenarios/search/capacity.hpp"
#include "tools/reports/json_object.hpp"
#include "tools/reports/text.hpp"

#include <string>

namespace orrery {

/// At most page_width columns; ends in a newline.
std::string capacity_text(const CapacityResult& result, const Style& style = {});

OrderedJson capacity_json(const CapacityResult& result);

/// One row per cluster looked at.
std::string capacity_csv(const CapacityResult& result);

} // namespace orrery
