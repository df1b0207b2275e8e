// What the answers of `orrery validate` have in common, and that of `orrery validate serving`.
#pragma once

#include "scenarios/published/validate_serving.hpp"
#include "tools/reports/text.hpp"

#include <ostream>
#include <string>
#include <vector>

namespace orrery {

/// Groups with their errors, and the mean over them.
std::string score_table(const std::vector<GroupScore>& groups, const GroupScore& macro);

/// Refusals by reason, in the order in which they first occur; empty where there is none.
std::string refusals_text(const std::vector<std::string>& reasons);

std::string serving_text(const ServingValidation& validation, const Style& style);

/// One line per measured figure: group, id, class, metric, measured, predicted, error_pct, refusal, layout.
void write_serving_rows(std::ostream& out, const ServingValidation& validation);

} // namespace orrery
