// Published training measurements as scenarios: a row of the validation table becomes a machine, a software profile, a job and its
// plausible plans.
#pragma once

#include "scenarios/scenario.hpp"
#include "sim/base/csv.hpp"

#include <optional>
#include <string>
#include <vector>

namespace orrery {

struct TrainingRow {
  std::string group;
  std::string id;
  double measured = 0;         ///< step time, s
  std::optional<Bytes> memory; ///< per device, where published
  std::string refusal;         ///< what the row needs that is not modelled; empty = the rest is filled in
  Cluster cluster;
  SoftwareProfile software;
  TrainingJob job;
  std::vector<Plan> plans; ///< one where the row says all, else every plausible way to fill its blanks
};

/// Throws UserError where a column is missing or a number is none. Rows of quality C, and rows without a step time, are left out.
std::vector<TrainingRow> training_rows(const CsvTable& table, const std::string& file_name);

} // namespace orrery
