#include "workloads/schedule.hpp"

#include <algorithm>

namespace orrery {

namespace {

/// Forward passes that a stage runs before its first backward pass.
int warm_up(ScheduleKind kind, int stages, int virtual_stages, int micro_batches, int stage) {
  const int total = micro_batches * virtual_stages;
  switch (kind) {
  case ScheduleKind::gpipe:
    return total;
  case ScheduleKind::one_f_one_b:
    return std::min(stages - stage - 1, total);
  case ScheduleKind::interleaved:
    if (micro_batches == stages)
      return total;
    return std::min((stages - stage - 1) * 2 + (virtual_stages - 1) * stages, total);
  }
  return total;
}

/// The k-th forward (or backward) pass of a stage: micro-batches advance in groups of `stages` through each chunk in turn.
Slot slot_of(int k, int stages, int virtual_stages, bool backward) {
  const int group = stages * virtual_stages;
  const int chunk = k % group / stages;
  return {.chunk = backward ? virtual_stages - 1 - chunk : chunk, .micro_batch = k / group * stages + k % stages, .backward = backward};
}

Slot slot_of(ScheduleKind kind, int k, int stages, int virtual_stages, bool backward) {
  if (kind == ScheduleKind::interleaved)
    return slot_of(k, stages, virtual_stages, backward);
  return {.chunk = 0, .micro_batch = k, .backward = backward};
}

} // namespace

std::vector<Slot> schedule_order(ScheduleKind kind, int stages, int virtual_stages, int micro_batches, int stage) {
  const int total = micro_batches * virtual_stages;
  const int warm = warm_up(kind, stages, virtual_stages, micro_batches, stage);
  std::vector<Slot> order;
  order.reserve(2 * static_cast<std::size_t>(total));
  for (int k = 0; k < warm; ++k)
    order.push_back(slot_of(kind, k, stages, virtual_stages, false));
  for (int k = warm; k < total; ++k) {
    order.push_back(slot_of(kind, k, stages, virtual_stages, false));
    order.push_back(slot_of(kind, k - warm, stages, virtual_stages, true));
  }
  for (int k = total - warm; k < total; ++k)
    order.push_back(slot_of(kind, k, stages, virtual_stages, true));
  return order;
}

int peak_in_flight(ScheduleKind kind, int stages, int virtual_stages, int micro_batches, int stage) {
  const int total = micro_batches * virtual_stages;
  return std::min(warm_up(kind, stages, virtual_stages, micro_batches, stage) + 1, total);
}

} // namespace orrery
