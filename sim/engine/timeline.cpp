#include "sim/engine/timeline.hpp"

#include <fmt/format.h>

namespace orrery {

std::string StepTimeline::fold() const {
  const char* stage = "one rank stands for the tensor-parallel ranks of its stage";
  if (replicas == 1)
    return fmt::format("one replica; {}", stage);
  if (simulated_replicas == replicas)
    return fmt::format("all {} replicas simulated; {}", replicas, stage);
  if (simulated_replicas > 1)
    return fmt::format("{} of {} replicas simulated, one for all of the same clocks; {}", simulated_replicas, replicas, stage);
  return fmt::format("{} of {} identical replicas simulated; {}", simulated_replicas, replicas, stage);
}

} // namespace orrery
