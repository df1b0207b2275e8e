// Pipeline schedules: the order in which one stage runs its passes.
#pragma once

#include "workloads/plan.hpp"

#include <cstdint>
#include <vector>

namespace orrery {

/// One pass of one micro-batch through one chunk of a stage.
struct Slot {
  std::int32_t chunk = 0; ///< virtual stage
  std::int32_t micro_batch = 0;
  bool backward = false;
};

/// Order of passes on `stage`. GPipe: all forward, then all backward. 1F1B: Narayanan et al. 2019 (PipeDream-flush). Interleaved: Narayanan
/// et al. SC21, which needs micro_batches % stages == 0. The chunk of virtual stage v on stage s is the (v * stages + s)-th of the model.
std::vector<Slot> schedule_order(ScheduleKind kind, int stages, int virtual_stages, int micro_batches, int stage);

/// Micro-batches whose activations `stage` holds at its peak, summed over its chunks (a chunk-micro-batch counts 1).
int peak_in_flight(ScheduleKind kind, int stages, int virtual_stages, int micro_batches, int stage);

} // namespace orrery
