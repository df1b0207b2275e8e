// Orders of schedules that run the gradients of the weights as passes of their own.
//
// What:    a list scheduler, played in time on a pipeline of like chunks without messages: every stage, as soon as it is free, runs a
//          backward pass that can run, else a forward pass that its memory has room for, else gradients of weights, unless a pass that
//          others wait for arrives before those would end and the wait does not make it the stage that has waited longest. It plays the
//          step twice, the second time with forward passes first after a backward pass, and keeps the order in which the busiest stage is
//          busy least long.
// Source:  the heuristic of Qi et al., "Zero Bubble Pipeline Parallelism", ICLR 2024, section 3.1 (ZB-1p, ZB-2p: memory of one and of two
//          1F1B pipelines on every stage); Qi et al., "Pipeline Parallelism with Controllable Memory", NeurIPS 2024 (ZB-V: two chunks per
//          stage in a V, memory of 1F1B); DeepSeek-V3 technical report, section 3.2.1 (DualPipe: both directions at once, parameters
//          twice, activations of stages + 1 micro-batches).
// Error:   with the pass times that Qi et al. print for 8 stages, the bubbles of their table within 0.7 points (tests/unit/workloads).
// Valid:   memory in units of a chunk's activations, alike on all stages. DualPipe needs even stages and micro-batches; its pairs of a
//          forward and a backward pass that hide each other's messages run one after the other here, and the sum of the gradients of its
//          two copies of a stage counts as part of the data-parallel reduction.
#pragma once

#include "workloads/schedule.hpp"

namespace orrery {

[[nodiscard]] PassOrder split_order(ScheduleKind kind, int stages, int micro_batches, const PassRatios& ratios);

/// Chunk-micro-batches whose activations a stage may hold.
[[nodiscard]] int split_limit(ScheduleKind kind, int stages, int micro_batches);

/// Forward passes of the chunk at this position of the model that may be ahead of their backward passes.
[[nodiscard]] int split_ahead(ScheduleKind kind, int stages, int micro_batches, int position);

} // namespace orrery
