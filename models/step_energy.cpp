#include "models/step_energy.hpp"

#include <algorithm>

namespace orrery {

DeviceStep device_step(const CostedStage& stage, int micro_batches, Seconds step, const PowerModel& power) {
  DeviceStep device;
  Seconds busy;
  const auto add = [&](const Span& span, int count) {
    if (span.total().si() <= 0)
      return;
    busy += span.total() * count;
    device.energy += span.power * span.total() * count;
    device.peak = std::max(device.peak, span.power);
    device.clock = std::min(device.clock, span.clock);
  };
  for (const CostedChunk& chunk : stage.chunks) {
    for (const Span* span : {&chunk.forward, &chunk.backward, &chunk.weight})
      add(*span, micro_batches);
  }
  add(stage.optimizer, 1);
  const Watts waiting = waiting_power(power);
  device.energy += waiting * (step - busy);
  device.peak = std::max(device.peak, waiting);
  return device;
}

} // namespace orrery
