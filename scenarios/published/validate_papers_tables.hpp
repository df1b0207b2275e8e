// Parameter table of a claim's file.
#pragma once

#include "scenarios/published/validate_papers.hpp"
#include "sim/base/params.hpp"

namespace orrery {

const Table<Claim>& claim_table();

/// The word of a unit as it follows a number: "%", "TFLOP/s"; empty for none.
std::string unit_word(FigureUnit unit);

} // namespace orrery
