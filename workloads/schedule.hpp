// Pipeline schedules: where the chunks of a model live, and the order in which the stages run their passes.
#pragma once

#include "workloads/plan.hpp"

#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace orrery {

/// A backward pass is one piece, or, in a schedule that splits it, the gradient of the input (that the stage before waits for) and that of
/// the weights (that only the optimizer waits for).
enum class PassKind : std::uint8_t { forward, backward, weight };

/// One pass of one micro-batch through one chunk of a stage.
struct Slot {
  std::int32_t micro_batch = 0;
  std::int16_t chunk = 0; ///< virtual stage
  PassKind kind = PassKind::forward;
};

/// Stages before and after one on the path of a micro-batch; -1 = none, or not on its path.
struct PathLink {
  std::int16_t previous = -1;
  std::int16_t next = -1;
};

/// Passes of all stages.
struct PassOrder {
  std::vector<std::size_t> first; ///< slot of each stage, and the end
  std::vector<Slot> slots;
  std::vector<PathLink> links; ///< by micro-batch, then stage, where micro-batches take paths of their own; else empty

  [[nodiscard]] std::span<const Slot> of(int stage) const {
    const auto s = static_cast<std::size_t>(stage);
    return {slots.data() + first[s], first[s + 1] - first[s]};
  }
};

/// What the passes of a step's chunks take on average, in sixteenths of a forward pass: what the orders of split schedules and of
/// SkipPipe are fitted to.
/// Plans that share them share the order.
struct PassRatios {
  int backward = 16;
  int weight = 16;
  int weight_held = 16; ///< sixteenths of the activations that the gradients of the weights still need
  /// SkipPipe: passes of each stage, forward and backward by turns; empty = as above, on all stages.
  std::vector<int> stages = {};
  /// SkipPipe: messages from each stage to each, forward and backward by turns; empty = they take no time.
  std::vector<int> hops = {};

  friend auto operator<=>(const PassRatios&, const PassRatios&) = default;
};

/// A chunk of a stage.
struct ChunkPlace {
  int stage = 0;
  int chunk = 0;

  friend bool operator==(const ChunkPlace&, const ChunkPlace&) = default;
};

[[nodiscard]] bool splits_backward(ScheduleKind kind);
/// Whether all stages wait for each other before the optimizer. The zero-bubble schedules check the gradients afterwards instead.
[[nodiscard]] bool has_optimizer_barrier(ScheduleKind kind);
/// Chunks that a stage holds under a plan with these virtual stages: two in a V and in DualPipe.
[[nodiscard]] int chunks_per_stage(ScheduleKind kind, int virtual_stages);
/// Chunks that the model is cut into. DualPipe holds each of them twice.
[[nodiscard]] int model_chunks(ScheduleKind kind, int stages, int virtual_stages);
/// Micro-batches that each chunk sees: half of them in DualPipe, whose directions share them.
[[nodiscard]] int micro_batches_per_chunk(ScheduleKind kind, int micro_batches);
/// Micro-batches that each chunk of a stage sees, where some may leave it out.
[[nodiscard]] int micro_batches_of_stage(ScheduleKind kind, int stages, int skip_stages, int micro_batches, int stage);

/// Whether the forward passes of a chunk go from stage to stage in falling order.
[[nodiscard]] bool runs_backwards(ScheduleKind kind, int chunk);
/// Position in the model of a chunk. Interleaved: v * stages + s; V: the second chunk of stage s is the s-th from the end; DualPipe: the
/// second chunk of stage s is the one of the reverse direction.
[[nodiscard]] int chunk_at(ScheduleKind kind, int stages, int stage, int chunk);
/// Where the output of a forward (backward) pass is needed; none after the last (first) chunk. It may be the same stage.
[[nodiscard]] std::optional<ChunkPlace> neighbour(ScheduleKind kind, int stages, int virtual_stages, ChunkPlace from, bool backward);

/// Where the output of a pass is needed under this order: neighbour(), or the next stage on the micro-batch's own path.
[[nodiscard]] std::optional<ChunkPlace> next_place(const PassOrder& order, ScheduleKind kind, int virtual_stages, int stage,
                                                   const Slot& slot);

/// The pass of a stage that is the first to add to some of its weights' gradients for the last time.
[[nodiscard]] std::size_t last_gradient_pass(const PassOrder& order, ScheduleKind kind, int micro_batches, int stage);

/// Order of the passes. GPipe: all forward, then all backward. 1F1B: Narayanan et al. 2019 (PipeDream-flush). Interleaved: Narayanan et al.
/// SC21, which needs micro_batches % stages == 0. Split schedules: workloads/split_schedule.hpp. SkipPipe: workloads/skip_schedule.hpp.
[[nodiscard]] PassOrder schedule_order(ScheduleKind kind, int stages, int virtual_stages, int micro_batches, const PassRatios& ratios = {},
                                       int skip_stages = 0);

/// The order of one stage of a schedule that does not split backward passes.
[[nodiscard]] std::vector<Slot> stage_order(ScheduleKind kind, int stages, int virtual_stages, int micro_batches, int stage);

/// Micro-batches whose activations `stage` holds at its peak, summed over its chunks (a chunk-micro-batch counts 1). For a split schedule
/// and for SkipPipe the limit that its order keeps to.
[[nodiscard]] int peak_in_flight(ScheduleKind kind, int stages, int virtual_stages, int micro_batches, int stage);

} // namespace orrery
