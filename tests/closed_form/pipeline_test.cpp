#include "models/step_order.hpp"
#include "models/training_estimate.hpp"
#include "sim/engine/pipeline.hpp"
#include "tests/unit/engine/pipeline_cases.hpp"

#include <catch2/catch.hpp>

#include <iterator>

namespace orrery::pipeline_test {

using testing::full_pipeline;
using testing::uniform_pipeline;

TEST_CASE("A uniform pipeline takes (m + p - 1)(f + b)", "[engine]") {
  const auto kind = GENERATE(ScheduleKind::gpipe, ScheduleKind::one_f_one_b);
  const int stages = GENERATE(1, 2, 4, 8);
  const int micro_batches = GENERATE(1, 3, 8, 32);
  const StepTimeline timeline = simulate_step(uniform_pipeline(kind, stages, 1, micro_batches, 1.0, 2.0));
  CHECK(timeline.step.si() == Approx((micro_batches + stages - 1) * 3.0).epsilon(1e-12));
  for (const StageTimes& stage : timeline.stages)
    CHECK(stage.bubble.si() == Approx((stages - 1) * 3.0).epsilon(1e-12).margin(1e-12));
}

TEST_CASE("Interleaving divides the bubble by the chunks of a stage", "[engine]") {
  const int stages = GENERATE(2, 4, 8);
  const int chunks = GENERATE(2, 3, 6);
  const int rounds = GENERATE(1, 2, 8);
  const int micro_batches = rounds * stages;
  const StepTimeline timeline = simulate_step(uniform_pipeline(ScheduleKind::interleaved, stages, chunks, micro_batches, 1.0, 2.0));
  CHECK(timeline.step.si() == Approx((micro_batches + (stages - 1.0) / chunks) * 3.0).epsilon(1e-12));
}

TEST_CASE("Events and the closed form agree where nothing contends", "[engine]") {
  const auto kind = GENERATE(from_range(std::begin(testing::all_schedules), std::end(testing::all_schedules)));
  const int stages = GENERATE(2, 4, 8);
  const bool overlapped = GENERATE(false, true);
  const int rounds = GENERATE(1, 2, 8);
  constexpr double tolerance = 1e-9;
  CostedGraph graph = full_pipeline(kind, stages, testing::some_chunks(kind, 3), rounds * stages);
  graph.overlap_p2p = overlapped;
  for (CostedStage& stage : graph.stages) {
    stage.reductions[0].overlapped = overlapped;
    stage.gathers[0].overlapped = overlapped;
  }
  const StepEstimate estimate = estimate_step(graph);
  const StepTimeline timeline = simulate_step(graph);
  CHECK(timeline.step.si() == Approx(estimate.step.si()).epsilon(tolerance));
  for (std::size_t s = 0; s < timeline.stages.size(); ++s) {
    const StageTimes& a = timeline.stages[s];
    const StageTimes& b = estimate.stages[s];
    CHECK(a.compute.si() == Approx(b.compute.si()).epsilon(tolerance));
    CHECK(a.send.si() == Approx(b.send.si()).epsilon(tolerance));
    CHECK(a.reduction.si() == Approx(b.reduction.si()).epsilon(tolerance));
    CHECK(a.optimizer.si() == Approx(b.optimizer.si()).epsilon(tolerance));
    CHECK(a.gather.si() == Approx(b.gather.si()).epsilon(tolerance));
    CHECK(a.bubble.si() == Approx(b.bubble.si()).margin(tolerance * timeline.step.si()));
    CHECK((a.compute + a.send + a.bubble + a.reduction + a.optimizer + a.gather + a.host).si() ==
          Approx(timeline.step.si()).epsilon(1e-12));
  }
}

TEST_CASE("Collectives beside passes take what running side by side does not save", "[engine]") {
  CHECK(felt_beside_passes(Seconds{1.5}, Seconds{0.5}).si() == Approx(0.5 + (1 - overlap_gain)));
  CostedGraph graph = uniform_pipeline(ScheduleKind::one_f_one_b, 1, 1, 2, 1.0, 2.0);
  CostedStage& stage = graph.stages.front();
  const double alone = simulate_step(graph).step.si();
  const CostedCollective beside{.latency = Seconds{0.1}, .time = Seconds{1.1}, .overlapped = true};
  stage.reductions = {beside};
  const double reduced = alone + 0.1 + (1 - overlap_gain);
  CHECK(simulate_step(graph).step.si() == Approx(reduced));
  stage.gathers = {beside}; // 0.1 s more than the first forward pass takes, and less than what it loses
  CHECK(simulate_step(graph).step.si() == Approx(reduced + 0.1 + (1 - overlap_gain)));
  stage.gathers.front().time = Seconds{3}; // no other pass hides the rest
  CHECK(simulate_step(graph).step.si() == Approx(reduced + 2));
  CHECK(estimate_step(graph).step.si() == Approx(reduced + 2));
}

TEST_CASE("An interleaved stage gathers its later chunks during the first rounds", "[engine]") {
  const CostedGraph graph = uniform_pipeline(ScheduleKind::interleaved, 4, 2, 8, 1.0, 2.0);
  const auto felt = [&](double time) { return felt_gather(graph, graph.stages.front(), Seconds{time}, {}).si(); };
  CHECK(felt(1) == Approx(1 - overlap_gain));
  CHECK(felt(3) == Approx(3 * 0.5 - 0.5)); // the first chunk's half
  CHECK(felt(6) == Approx(6 - (4 * 0.5 + 0.5)));
}

} // namespace orrery::pipeline_test
