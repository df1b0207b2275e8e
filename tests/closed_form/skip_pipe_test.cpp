// Steps whose micro-batches take paths of their own, in closed form and on the engine.
#include "models/training_estimate.hpp"
#include "sim/base/random.hpp"
#include "sim/engine/pipeline.hpp"
#include "tests/unit/engine/pipeline_cases.hpp"

#include <catch2/catch.hpp>

namespace orrery::skip_pipe_test {

namespace {

CostedGraph skipping(int stages, int micro_batches, int skipped) {
  CostedGraph graph = testing::uniform_pipeline(ScheduleKind::skip_pipe, stages, 1, micro_batches, 1, 2);
  graph.skip_stages = skipped;
  return graph;
}

/// Messages whose times differ from one pair of stages to the next.
void send_unequally(CostedGraph& graph) {
  RandomStream random(5, "links");
  for (CostedStage& stage : graph.stages)
    for (std::size_t i = 0; i < 2 * graph.stages.size(); ++i)
      stage.sends.push_back({.bytes = Bytes{1 + 20 * random.uniform()}, .latency = Seconds{0.01}, .bandwidth = BytesPerSecond{20}});
}

} // namespace

TEST_CASE("a few micro-batches take little longer than their paths", "[estimate]") {
  const double step = estimate_step(skipping(8, 3, 2)).step.si();
  CHECK(step >= 6 * 3); // of any path
  CHECK(step < estimate_step(testing::uniform_pipeline(ScheduleKind::one_f_one_b, 8, 1, 3, 1, 2)).step.si());
}

TEST_CASE("without skipping SkipPipe takes the step of 1F1B where all is alike", "[estimate]") {
  for (const int micro_batches : {1, 8, 32})
    CHECK(estimate_step(skipping(8, micro_batches, 0)).step.si() == Approx((micro_batches + 7) * 3).epsilon(1e-12));
}

TEST_CASE("a step with paths of their own: the closed form is the engine, the busiest stage its bound, its parts its sum", "[estimate]") {
  const bool overlap = GENERATE(false, true);
  const bool unequal = GENERATE(false, true);
  for (const int skipped : {1, 2, 5})
    for (const int micro_batches : {6, 8, 40}) {
      CostedGraph graph = skipping(8, micro_batches, skipped);
      graph.overlap_p2p = overlap;
      if (unequal)
        send_unequally(graph);
      CAPTURE(skipped, micro_batches, overlap, unequal);
      const StepEstimate estimate = estimate_step(graph);
      const StepTimeline timeline = simulate_step(graph, {.record = true});
      CHECK(estimate.step.si() == Approx(timeline.step.si()).epsilon(1e-9));
      CHECK(estimate.step.si() >= micro_batches * 3 - 1e-9);
      for (std::size_t s = 0; s < graph.stages.size(); ++s) {
        const StageTimes& times = estimate.stages[s];
        CHECK(times.compute.si() == Approx(timeline.stages[s].compute.si()).epsilon(1e-9));
        CHECK(times.send.si() == Approx(timeline.stages[s].send.si()).margin(1e-9));
        CHECK(times.compute.si() == Approx(3 * micro_batches_of_stage(graph.schedule, 8, skipped, micro_batches, static_cast<int>(s))));
      }
    }
}

TEST_CASE("the more stages are left out, the sooner a step ends", "[estimate]") {
  double before = 1e9;
  for (const int skipped : {0, 1, 2, 3, 4, 5}) {
    CostedGraph graph = skipping(8, 8, skipped);
    for (std::size_t s : {std::size_t{0}, std::size_t{7}}) // the ends, which all pass, hold less
      graph.stages[s].chunks[0].forward.stretchable = graph.stages[s].chunks[0].backward.stretchable = Seconds{0.1};
    const double step = estimate_step(graph).step.si();
    CHECK(step < before);
    before = step;
  }
}

} // namespace orrery::skip_pipe_test
