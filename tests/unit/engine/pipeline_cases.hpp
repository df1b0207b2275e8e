// Costed graphs for the tests of the pipeline replay.
#pragma once

#include "models/cost.hpp"
#include "workloads/schedule.hpp"

namespace orrery::testing {

inline constexpr ScheduleKind all_schedules[] = {ScheduleKind::gpipe,    ScheduleKind::one_f_one_b, ScheduleKind::interleaved,
                                                 ScheduleKind::zb_1p,    ScheduleKind::zb_2p,       ScheduleKind::zb_v,
                                                 ScheduleKind::dualpipe, ScheduleKind::skip_pipe};

/// Chunks per stage that a test gives a schedule.
inline int some_chunks(ScheduleKind schedule, int interleaved) {
  return schedule == ScheduleKind::interleaved ? interleaved : chunks_per_stage(schedule, 1);
}

inline CostedGraph uniform_pipeline(ScheduleKind schedule, int stages, int virtual_stages, int micro_batches, double forward,
                                    double backward) {
  CostedGraph graph;
  graph.schedule = schedule;
  graph.micro_batches = micro_batches;
  graph.virtual_stages = virtual_stages;
  const bool split = splits_backward(schedule);
  CostedStage stage;
  stage.chunks.assign(static_cast<std::size_t>(virtual_stages),
                      {.forward = {.stretchable = Seconds{forward / virtual_stages}, .rigid = {}},
                       .backward = {.stretchable = Seconds{(split ? backward / 2 : backward) / virtual_stages}, .rigid = {}},
                       .weight = {.stretchable = Seconds{split ? backward / 2 / virtual_stages : 0}, .rigid = {}}});
  graph.stages.assign(static_cast<std::size_t>(stages), stage);
  return graph;
}

/// As above with messages, reductions, optimizer, gathers and host time.
inline CostedGraph full_pipeline(ScheduleKind schedule, int stages, int virtual_stages, int micro_batches) {
  CostedGraph graph = uniform_pipeline(schedule, stages, virtual_stages, micro_batches, 0.010, 0.019);
  for (CostedStage& stage : graph.stages) {
    stage.forward_send = {.bytes = Bytes{8e6}, .latency = Seconds{5e-6}, .bandwidth = BytesPerSecond{25e9}, .over_network = true};
    stage.backward_send = stage.forward_send;
    if (runs_backwards(schedule, 1))
      stage.forward_return = stage.backward_return = stage.forward_send;
    stage.reductions = {{.name = "gradients", .latency = Seconds{1e-4}, .time = Seconds{0.03}, .network = Bytes{7e8}}};
    stage.optimizer = {.stretchable = Seconds{1e-3}, .rigid = Seconds{2e-3}};
    stage.gathers = {{.name = "parameters",
                      .kind = CollectiveKind::all_gather,
                      .latency = Seconds{1e-4},
                      .time = Seconds{0.016},
                      .network = Bytes{3e8}}};
  }
  graph.step_host = Seconds{5e-3};
  return graph;
}

/// Gives a graph so many replicas of so many tensor-parallel ranks: tensor fastest, then data, then pipeline.
inline void lay_out(CostedGraph& graph, int tp, int replicas) {
  const auto stages = static_cast<int>(graph.stages.size());
  graph.replicas = replicas;
  graph.groups[Group::tensor] = {.size = tp, .stride = 1};
  graph.groups[Group::data] = {.size = replicas, .stride = tp};
  graph.groups[Group::pipeline] = {.size = stages, .stride = tp * replicas};
  graph.groups[Group::embedding] = {.size = stages > 1 ? 2 : 1, .stride = tp * replicas * (stages - 1)};
}

} // namespace orrery::testing
