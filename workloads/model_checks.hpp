// Whether a plan can split a model.
#pragma once

#include "workloads/transformer.hpp"

#include <vector>

namespace orrery {

/// Adds what a plan cannot split evenly: heads, feed-forward networks, experts, vocabulary; and what the model cannot take.
void check_split(std::vector<Violation>& found, const TrainingJob& job, const Plan& plan);

/// Adds what a job cannot freeze.
void check_tuning(std::vector<Violation>& found, const TrainingJob& job);

/// Adds `what value is not divisible by by divisor` where that is so.
void require_divisible(std::vector<Violation>& found, const char* what, long long value, const char* by, long long divisor);

} // namespace orrery
