// Energy of one device over a training step.
//
// What:    energy, highest draw and lowest clock of one device of a pipeline stage.
// Formula: sum over its passes and the optimizer of power x time, and waiting power for the rest of the step.
// Source:  models/power.hpp for the power of each span.
// Units:   SI.
// Valid:   every device of a stage alike; communication outside the passes draws waiting power.
// Error:   that of models/power.hpp.
#pragma once

#include "models/cost.hpp"
#include "models/power.hpp"

namespace orrery {

struct DeviceStep {
  Joules energy;
  Watts peak;       ///< of any of its spans
  double clock = 1; ///< lowest that a cap forced
};

/// `micro_batches` that each chunk sees.
DeviceStep device_step(const CostedStage& stage, int micro_batches, Seconds step, const PowerModel& power);

} // namespace orrery
