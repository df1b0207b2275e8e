// The closed form of a step against the engine, and both against hand-made formulas.
#include "models/training_estimate.hpp"
#include "sim/base/random.hpp"
#include "sim/engine/pipeline.hpp"
#include "tests/unit/engine/pipeline_cases.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <iterator>

namespace orrery::estimate_test {

namespace {

CostedGraph uniform(ScheduleKind kind, int stages, int chunks, int micro_batches, double send) {
  CostedGraph graph{.schedule = kind, .micro_batches = micro_batches, .virtual_stages = chunks};
  for (int s = 0; s < stages; ++s) {
    CostedStage& stage = graph.stages.emplace_back();
    for (int v = 0; v < chunks; ++v)
      stage.chunks.push_back({.forward = {.stretchable = Seconds{0.8}, .rigid = Seconds{0.2}},
                              .backward = {.stretchable = Seconds{splits_backward(kind) ? 1.1 : 2}},
                              .weight = {.stretchable = Seconds{splits_backward(kind) ? 0.9 : 0}}});
    stage.optimizer.rigid = Seconds{0.5};
    if (stages > 1)
      stage.forward_return = stage.backward_return = stage.forward_send =
          stage.backward_send = {.bytes = Bytes{send}, .latency = Seconds{0.01 * send}, .bandwidth = BytesPerSecond{100}};
  }
  return graph;
}

} // namespace

TEST_CASE("uniform stages without messages: the textbook bubble", "[estimate]") {
  for (const int m : {1, 4, 16, 100}) {
    CHECK(estimate_step(uniform(ScheduleKind::one_f_one_b, 4, 1, m, 0)).step.si() == Approx((m + 3) * 3 + 0.5).epsilon(1e-12));
    CHECK(estimate_step(uniform(ScheduleKind::gpipe, 4, 1, m, 0)).step.si() == Approx((m + 3) * 3 + 0.5).epsilon(1e-12));
  }
  for (const int m : {8, 16, 64}) // v chunks: the bubble shrinks by v
    CHECK(estimate_step(uniform(ScheduleKind::interleaved, 4, 3, m, 0)).step.si() == Approx((3 * m + 3) * 3 + 0.5).epsilon(1e-12));
}

TEST_CASE("estimate equals the engine to 1e-9 for uniform stages", "[estimate]") {
  for (const double send : {0.0, 3.0})
    for (const ScheduleKind kind : testing::all_schedules)
      for (const int stages : {2, 4, 8})
        for (const int rounds : {1, 2, 3, 12}) {
          const CostedGraph graph = uniform(kind, stages, testing::some_chunks(kind, 3), stages * rounds, send);
          CAPTURE(static_cast<int>(kind), stages, rounds, send);
          CHECK(estimate_step(graph).step.si() == Approx(simulate_step(graph).step.si()).epsilon(1e-9));
        }
}

TEST_CASE("estimate equals the engine for uneven stages too, and its ranking depth is within 3% of it", "[estimate]") {
  RandomStream random(7, "uneven stages");
  Replayer replayer;
  double worst = 0;
  for (int trial = 0; trial < 210; ++trial) {
    const ScheduleKind kind = testing::all_schedules[trial % std::size(testing::all_schedules)];
    const int stages = kind == ScheduleKind::dualpipe ? 2 * (1 + trial % 4) : 2 + trial % 5;
    CostedGraph graph = uniform(kind, stages, testing::some_chunks(kind, 2), 2 * stages * (1 + trial % 9), 0.5);
    graph.overlap_p2p = trial % 2 == 0;
    for (CostedStage& stage : graph.stages)
      for (CostedChunk& chunk : stage.chunks)
        for (Span* span : {&chunk.forward, &chunk.backward, &chunk.weight})
          span->stretchable *= 1 + 0.4 * random.uniform();
    CAPTURE(trial, stages);
    const double full = estimate_step(graph).step.si();
    const double ranked = estimate_step(graph, ReplayDepth::rank, replayer).step.si();
    CHECK(full == Approx(simulate_step(graph).step.si()).epsilon(1e-9));
    worst = std::max(worst, std::abs(ranked / full - 1));
  }
  CHECK(worst < 0.03);
}

TEST_CASE("the parts of every stage add up to the step", "[estimate]") {
  const StepEstimate estimate = estimate_step(uniform(ScheduleKind::one_f_one_b, 4, 1, 9, 2));
  for (const StageTimes& times : estimate.stages) {
    const Seconds sum = times.compute + times.send + times.bubble + times.reduction + times.optimizer + times.gather + times.host;
    CHECK(sum.si() == Approx(estimate.step.si()).epsilon(1e-12));
    CHECK(times.bubble.si() >= -1e-12);
  }
}

} // namespace orrery::estimate_test
