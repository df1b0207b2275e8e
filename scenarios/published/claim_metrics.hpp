// What the figures of a published claim are read from.
#pragma once

#include "scenarios/published/validate_papers.hpp"

#include <optional>

namespace orrery {

/// What a figure is made of: the result of a scenario's first job, or the devices of a fleet.
struct Ran {
  std::optional<TrainingResult> job;
  std::optional<ServingResult> serving;
  double fleet = 0;

  /// Why the job cannot run; null where it can, or is a fleet.
  [[nodiscard]] const std::string* violation() const {
    const std::vector<std::string>* found = job ? &job->violations : serving ? &serving->violations : nullptr;
    return found != nullptr && !found->empty() ? &found->front() : nullptr;
  }
};

/// In SI; nothing for a plan that cannot run, and for what the job has no figure of.
std::optional<double> metric_of(const Ran& ran, ClaimMetric metric);

} // namespace orrery
