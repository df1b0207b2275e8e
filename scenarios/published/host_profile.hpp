// Host times of a software profile, fitted to small models that keep the device waiting.
#pragma once

#include "models/kernel_curves.hpp"
#include "scenarios/published/training_rows.hpp"
#include "sim/base/units.hpp"

#include <string>
#include <vector>

namespace orrery {

/// The host constants of workloads/software.hpp.
struct HostProfile {
  Seconds kernel_launch;
  Seconds step_host;
};

/// Whether a published row is of the third that host constants may be fitted on: by its id alone.
bool in_fitted_third(const std::string& id);

/// The third of the single-node rows of vTrain (by a hash of the id) that the host profile of megatron-deepspeed-2022 is fitted on. They
/// are not scored; no other end-to-end row is fitted on.
bool fits_host_profile(const TrainingRow& row);

/// The profile with the least mean relative error of step time over the rows that fits_host_profile() names.
HostProfile fit_host_profile(const std::vector<TrainingRow>& rows, const Calibration& calibration);

} // namespace orrery
