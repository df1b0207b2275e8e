// The answer of `orrery run --ablation`: what each feature of a scenario buys.
#pragma once

#include "scenarios/ablation.hpp"
#include "tools/reports/json_object.hpp"
#include "tools/reports/text.hpp"

#include <string>

namespace orrery {

/// Precondition: the reference is feasible.
std::string ablation_text(const Ablation& ablation, const Style& style);
OrderedJson ablation_json(const Ablation& ablation);
/// One row per job and feature.
std::string ablation_csv(const Ablation& ablation);

} // namespace orrery
