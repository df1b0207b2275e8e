// What a user decides about a training run: batch, parallel degrees, schedule, recomputation.
#pragma once

#include "sim/base/units.hpp"

#include <string>
#include <vector>

namespace orrery {

enum class ScheduleKind { gpipe, one_f_one_b, interleaved };
enum class Recompute { none, selective, full };

/// Parallelism plan of a training job. Ranks = tp * pp * dp.
struct Plan {
  int tp = 1;
  int pp = 1;
  int dp = 1;
  int micro_batch = 1; ///< sequences per micro-batch and replica
  ScheduleKind schedule = ScheduleKind::one_f_one_b;
  int virtual_stages = 1;        ///< model chunks per pipeline stage (interleaved)
  std::vector<int> stage_layers; ///< layers per chunk in pipeline order (pp * virtual_stages entries); empty = as even as possible
  Recompute recompute = Recompute::none;
  bool sequence_parallel = false;
  int zero = 0;                      ///< 0 or 1
  bool overlap_grad_reduce = false;  ///< gradient reduction in the shadow of the last micro-batch's backward pass
  bool overlap_param_gather = false; ///< ZeRO-1 parameter gather in the shadow of the next forward pass
  bool overlap_p2p = false;          ///< pipeline sends do not hold up the compute stream

  [[nodiscard]] int ranks() const { return tp * pp * dp; }
};

} // namespace orrery
