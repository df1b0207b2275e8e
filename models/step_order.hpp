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

/// What a collective beside the passes of a step costs them: its latency behind the last of them, and of the rest the share that running
/// side by side does not save, since it takes multiprocessors and memory bandwidth from them (overlap_gain).
[[nodiscard]] Seconds felt_beside_passes(Seconds time, Seconds latency);
/// The same of a gather of parameters: a chunk's part of it has to end before the first forward pass of that chunk does, and what those
/// passes leave of it nothing hides. An interleaved stage comes to its next chunk once it has run a round of micro-batches through the one
/// before.
[[nodiscard]] Seconds felt_gather(const CostedGraph& graph, const CostedStage& stage, Seconds time, Seconds latency);

/// Number, for CostedStage::message(), of a message to any stage, where micro-batches take paths of their own.
[[nodiscard]] int message_on_path(const CostedStage& from, int to, bool backward);

} // namespace orrery
