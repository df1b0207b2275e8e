// The closed form of a step against the engine, and both against hand-made formulas.
#include "models/training_estimate.hpp"
#include "sim/base/random.hpp"
#include "sim/engine/pipeline.hpp"

#include <catch2/catch.hpp>

using namespace orrery;

namespace {

CostedGraph uniform(ScheduleKind kind, int stages, int chunks, int micro_batches, double send) {
  CostedGraph graph{.schedule = kind, .micro_batches = micro_batches, .virtual_stages = chunks};
  for (int s = 0; s < stages; ++s) {
    CostedStage& stage = graph.stages.emplace_back();
    for (int v = 0; v < chunks; ++v)
      stage.chunks.push_back({.forward = {.stretchable = Seconds{0.8}, .rigid = Seconds{0.2}}, .backward = {.stretchable = Seconds{2}}});
    stage.optimizer.rigid = Seconds{0.5};
    if (stages > 1)
      stage.forward_send = stage.backward_send = {.bytes = Bytes{send}, .latency = Seconds{0.01 * send}, .bandwidth = BytesPerSecond{100}};
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
    for (const ScheduleKind kind : {ScheduleKind::gpipe, ScheduleKind::one_f_one_b, ScheduleKind::interleaved})
      for (const int stages : {1, 2, 4, 8})
        for (const int rounds : {1, 2, 3, 12}) {
          const int chunks = kind == ScheduleKind::interleaved ? 3 : 1;
          const CostedGraph graph = uniform(kind, stages, chunks, stages * rounds, send);
          CAPTURE(static_cast<int>(kind), stages, rounds, send);
          CHECK(estimate_step(graph).step.si() == Approx(simulate_step(graph).step.si()).epsilon(1e-9));
        }
}

TEST_CASE("estimate is within 1% of the engine for uneven stages", "[estimate]") {
  RandomStream random(7, "uneven stages");
  for (int trial = 0; trial < 60; ++trial) {
    const int stages = 2 + trial % 7;
    const ScheduleKind kind = trial % 3 == 0 ? ScheduleKind::gpipe : trial % 3 == 1 ? ScheduleKind::one_f_one_b : ScheduleKind::interleaved;
    CostedGraph graph = uniform(kind, stages, kind == ScheduleKind::interleaved ? 2 : 1, stages * (1 + trial % 9), 0.5);
    for (CostedStage& stage : graph.stages)
      for (CostedChunk& chunk : stage.chunks) {
        chunk.forward.stretchable *= 1 + 0.4 * random.uniform();
        chunk.backward.stretchable *= 1 + 0.4 * random.uniform();
      }
    CAPTURE(trial, stages);
    CHECK(estimate_step(graph).step.si() == Approx(simulate_step(graph).step.si()).epsilon(0.01));
  }
}

TEST_CASE("the parts of every stage add up to the step", "[estimate]") {
  const StepEstimate estimate = estimate_step(uniform(ScheduleKind::one_f_one_b, 4, 1, 9, 2));
  for (const StageTimes& times : estimate.stages) {
    const Seconds sum = times.compute + times.send + times.bubble + times.reduction + times.optimizer + times.gather + times.host;
    CHECK(sum.si() == Approx(estimate.step.si()).epsilon(1e-12));
    CHECK(times.bubble.si() >= -1e-12);
  }
}
