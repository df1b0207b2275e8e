// The order of a step's passes, and which message each of them sends.
#pragma once

#include "models/cost.hpp"
#include "workloads/schedule.hpp"

#include <optional>

namespace orrery {

/// What the order of a split schedule is fitted to; the same for all others.
[[nodiscard]] PassRatios pass_ratios(const CostedGraph& graph);

/// Order of the passes of `micro_batches` of the step's micro-batches.
[[nodiscard]] PassOrder step_order(const CostedGraph& graph, int micro_batches);

/// What a chunk's forward (backward) pass sends, and to whom. A neighbour on the same stage needs no message.
struct PassOutput {
  ChunkPlace to;
  int message = -1; ///< of CostedStage::message(); -1 = none
};
[[nodiscard]] std::optional<PassOutput> pass_output(const CostedGraph& graph, ChunkPlace from, bool backward);

/// Time of that message; 0 where there is none.
[[nodiscard]] Seconds message_time(const CostedGraph& graph, ChunkPlace from, bool backward);

} // namespace orrery
