#include "workloads/schedule.hpp"

#include "workloads/skip_schedule.hpp"
#include "workloads/split_schedule.hpp"

#include <algorithm>

namespace orrery {

namespace {

/// Forward passes that a stage runs before its first backward pass.
int warm_up(ScheduleKind kind, int stages, int virtual_stages, int micro_batches, int stage) {
  const int total = micro_batches * virtual_stages;
  if (kind == ScheduleKind::one_f_one_b)
    return std::min(stages - stage - 1, total);
  if (kind == ScheduleKind::interleaved && micro_batches > stages)
    return std::min((stages - stage - 1) * 2 + (virtual_stages - 1) * stages, total);
  return total;
}

/// The k-th forward (or backward) pass of a stage: micro-batches advance in groups of `stages` through each chunk in turn.
Slot slot_of(ScheduleKind kind, int k, int stages, int virtual_stages, PassKind pass) {
  if (kind != ScheduleKind::interleaved)
    return {.micro_batch = k, .chunk = 0, .kind = pass};
  const int group = stages * virtual_stages;
  const int chunk = k % group / stages;
  return {.micro_batch = k / group * stages + k % stages,
          .chunk = static_cast<std::int16_t>(pass == PassKind::backward ? virtual_stages - 1 - chunk : chunk),
          .kind = pass};
}

} // namespace

bool splits_backward(ScheduleKind kind) { return kind >= ScheduleKind::zb_1p; }

bool has_optimizer_barrier(ScheduleKind kind) {
  return kind != ScheduleKind::zb_1p && kind != ScheduleKind::zb_2p && kind != ScheduleKind::zb_v;
}

int chunks_per_stage(ScheduleKind kind, int virtual_stages) {
  return kind == ScheduleKind::zb_v || kind == ScheduleKind::dualpipe ? 2 : virtual_stages;
}

int model_chunks(ScheduleKind kind, int stages, int virtual_stages) {
  return kind == ScheduleKind::dualpipe ? stages : stages * chunks_per_stage(kind, virtual_stages);
}

int micro_batches_per_chunk(ScheduleKind kind, int micro_batches) {
  return kind == ScheduleKind::dualpipe ? micro_batches / 2 : micro_batches;
}

int micro_batches_of_stage(ScheduleKind kind, int stages, int skip_stages, int micro_batches, int stage) {
  if (skip_stages == 0)
    return micro_batches_per_chunk(kind, micro_batches);
  int seen = 0;
  for (int m = 0; m < micro_batches; ++m)
    seen += skips(stages, skip_stages, m, stage) ? 0 : 1;
  return seen;
}

bool runs_backwards(ScheduleKind kind, int chunk) { return chunk == 1 && (kind == ScheduleKind::zb_v || kind == ScheduleKind::dualpipe); }

int chunk_at(ScheduleKind kind, int stages, int stage, int chunk) {
  if (kind == ScheduleKind::zb_v)
    return chunk == 0 ? stage : 2 * stages - 1 - stage;
  if (kind == ScheduleKind::dualpipe)
    return chunk == 0 ? stage : stages - 1 - stage;
  return chunk * stages + stage;
}

std::optional<ChunkPlace> neighbour(ScheduleKind kind, int stages, int virtual_stages, ChunkPlace from, bool backward) {
  const int position = chunk_at(kind, stages, from.stage, from.chunk) + (backward ? -1 : 1);
  if (position < 0 || position >= model_chunks(kind, stages, virtual_stages))
    return std::nullopt;
  if (kind == ScheduleKind::zb_v)
    return position < stages ? ChunkPlace{position, 0} : ChunkPlace{2 * stages - 1 - position, 1};
  if (kind == ScheduleKind::dualpipe)
    return ChunkPlace{from.chunk == 0 ? position : stages - 1 - position, from.chunk};
  return ChunkPlace{position % stages, position / stages};
}

std::optional<ChunkPlace> next_place(const PassOrder& order, ScheduleKind kind, int virtual_stages, int stage, const Slot& slot) {
  const int stages = static_cast<int>(order.first.size()) - 1;
  const bool backward = slot.kind == PassKind::backward;
  if (order.links.empty())
    return neighbour(kind, stages, virtual_stages, {stage, slot.chunk}, backward);
  const PathLink& link = order.links[static_cast<std::size_t>(slot.micro_batch * stages + stage)];
  const int to = backward ? link.previous : link.next;
  return to < 0 ? std::nullopt : std::optional(ChunkPlace{to, 0});
}

std::size_t last_gradient_pass(const PassOrder& order, ScheduleKind kind, int micro_batches, int stage) {
  const std::span<const Slot> slots = order.of(stage);
  const PassKind gradient = splits_backward(kind) ? PassKind::weight : PassKind::backward;
  if (!order.links.empty()) // of one chunk, whose micro-batches come back in any order
    return static_cast<std::size_t>(
        std::find_if(slots.rbegin(), slots.rend(), [&](const Slot& slot) { return slot.kind == gradient; }).base() - slots.begin() - 1);
  return static_cast<std::size_t>(
      std::find_if(slots.begin(), slots.end(),
                   [&](const Slot& slot) { return slot.kind == gradient && slot.micro_batch == micro_batches - 1; }) -
      slots.begin());
}

std::vector<Slot> stage_order(ScheduleKind kind, int stages, int virtual_stages, int micro_batches, int stage) {
  const int total = micro_batches * virtual_stages;
  const int warm = warm_up(kind, stages, virtual_stages, micro_batches, stage);
  std::vector<Slot> order;
  order.reserve(2 * static_cast<std::size_t>(total));
  const auto add = [&](int k, PassKind pass) { order.push_back(slot_of(kind, k, stages, virtual_stages, pass)); };
  for (int k = 0; k < warm; ++k)
    add(k, PassKind::forward);
  for (int k = warm; k < total; ++k) {
    add(k, PassKind::forward);
    add(k - warm, PassKind::backward);
  }
  for (int k = total - warm; k < total; ++k)
    add(k, PassKind::backward);
  return order;
}

PassOrder schedule_order(ScheduleKind kind, int stages, int virtual_stages, int micro_batches, const PassRatios& ratios, int skip_stages) {
  if (splits_backward(kind))
    return split_order(kind, stages, micro_batches, ratios);
  if (kind == ScheduleKind::skip_pipe)
    return skip_order(stages, micro_batches, skip_stages, ratios);
  PassOrder order;
  order.slots.reserve(2 * static_cast<std::size_t>(micro_batches * virtual_stages) * static_cast<std::size_t>(stages));
  for (int s = 0; s < stages; ++s) {
    order.first.push_back(order.slots.size());
    const std::vector<Slot> of_stage = stage_order(kind, stages, virtual_stages, micro_batches, s);
    order.slots.insert(order.slots.end(), of_stage.begin(), of_stage.end());
  }
  order.first.push_back(order.slots.size());
  return order;
}

int peak_in_flight(ScheduleKind kind, int stages, int virtual_stages, int micro_batches, int stage) {
  if (splits_backward(kind))
    return split_limit(kind, stages, micro_batches);
  if (kind == ScheduleKind::skip_pipe)
    return std::min(stages, micro_batches);
  const int total = micro_batches * virtual_stages;
  return std::min(warm_up(kind, stages, virtual_stages, micro_batches, stage) + 1, total);
}

} // namespace orrery
