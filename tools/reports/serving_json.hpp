// A serving job's result as JSON, and its requests as CSV.
#pragma once

#include "scenarios/result.hpp"
#include "tools/reports/json_object.hpp"

#include <ostream>
#include <string>

namespace orrery {

const JsonObject<ServingResult>& serving_object();

/// One row per request of all jobs. Times are in seconds since the first arrival; cells of what never came are empty.
void write_requests(std::ostream& out, const Result& result);

std::string pool_word(Pool pool);

} // namespace orrery
