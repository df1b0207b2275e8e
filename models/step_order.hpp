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

/// What a pass sends, and to whom. A neighbour on the same stage needs no message.
struct PassOutput {
  ChunkPlace to;
  int message = -1; ///< of CostedStage::message(); -1 = none
};
[[nodiscard]] std::optional<PassOutput> pass_output(const CostedGraph& graph, const PassOrder& order, int stage, const Slot& slot);

/// Time of the message of a chunk's forward (backward) pass to its neighbour; 0 where there is none.
[[nodiscard]] Seconds message_time(const CostedGraph& graph, ChunkPlace from, bool backward);

/// Number, for CostedStage::message(), of a message to any stage, where micro-batches take paths of their own.
[[nodiscard]] int message_on_path(const CostedStage& from, int to, bool backward);

} // namespace orrery
