// The answer of `orrery validate papers`: published claims, what is simulated, and the verdicts.
#pragma once

#include "scenarios/published/validate_papers.hpp"
#include "tools/reports/text.hpp"

#include <ostream>
#include <string>
#include <vector>

namespace orrery {

std::string verdict_word(Verdict verdict);

/// With `full`, the set-ups too.
std::string claims_text(const std::vector<ClaimOutcome>& claims, bool full, const Style& style);

/// One line per figure: claim, priority, claim_verdict, figure, published, simulated, unit, verdict, note, missing.
void write_claims_csv(std::ostream& out, const std::vector<ClaimOutcome>& claims);

void write_claims_json(std::ostream& out, const std::vector<ClaimOutcome>& claims);

} // namespace orrery
