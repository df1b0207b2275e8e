// The Result as JSON and CSV, and the JSON Schema of the former.
#pragma once

#include "scenarios/result.hpp"
#include "tools/reports/json_object.hpp"

#include <string>
#include <utility>
#include <vector>

namespace orrery {

/// Keys end in their unit and keep their order. A job that cannot run has its violations, and of the figures only its memory.
OrderedJson result_json(const Result& result);

/// JSON Schema 2020-12 of result_json().
OrderedJson result_schema();

/// One row per span.
OrderedJson timeline_json(const TrainingResult& job);

/// The leaves of one job of result_json() under dotted paths, in its order. An element of a list goes by its name, convention or index:
/// "time.matmul.time_s".
std::vector<std::pair<std::string, OrderedJson>> flat_job(const OrderedJson& job);

/// One job of result_json().
OrderedJson job_json(const TrainingResult& job);

/// One row per job, its columns those of flat_job().
std::string result_csv(const Result& result);

/// A word for a value of the plan's enumerations.
std::string schedule_word(ScheduleKind kind);
std::string recompute_word(Recompute mode);
std::string time_kind_word(TimeKind kind);

} // namespace orrery
