#include "models/device_part.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace orrery {

Device device_part(const Device& device, double share, double taken) {
  assert(share > 0 && share <= 1 && taken >= 0 && taken < 1);
  Device part = device;
  part.multiprocessors = static_cast<int>(std::lround(device.multiprocessors * share));
  const double bandwidth = std::min(1.0, share / saturating_share) * (1 - taken);
  for (ComputeUnit& unit : part.units) {
    for (auto& [precision, peak] : unit.peak)
      peak *= share;
    if (unit.bandwidth)
      *unit.bandwidth *= bandwidth;
  }
  part.memory.front().bandwidth *= bandwidth;
  return part;
}

} // namespace orrery
