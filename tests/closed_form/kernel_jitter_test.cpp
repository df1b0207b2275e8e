// Kernels of uneven length against what their formula says.
#include "scenarios/data_files.hpp"
#include "scenarios/kernel_jitter.hpp"
#include "scenarios/run.hpp"
#include "tests/support/scenarios.hpp"

#include <catch2/catch.hpp>

#include <cmath>

namespace orrery::kernel_jitter_test {

namespace {

/// One stage of one chunk: `count` forward kernels of one second each, a collective over `ranks` after every one of them.
std::pair<OpGraph, CostedGraph> kernels(int count, int ranks) {
  OpGraph graph;
  graph.groups[Group::tensor] = {.size = ranks, .stride = 1};
  Block block;
  block.forward = {{.name = "kernel", .shape = Streaming{}}, {.name = "sum", .shape = Collective{.group = Group::tensor}}};
  graph.blocks = {block};
  graph.chunks = {Chunk{.blocks = {{.block = 0, .count = count}}}};
  graph.stages = {Stage{.chunks = {0}}};
  CostedGraph costs;
  costs.groups = graph.groups;
  costs.blocks = {{.forward = {{.time = Seconds{1}}, {.time = Seconds{0}}}, .backward = {}}};
  CostedStage stage;
  stage.chunks = {{.forward = {.stretchable = Seconds{static_cast<double>(count)}}}};
  costs.stages = {stage};
  return {graph, costs};
}

PassNoise forward_noise(int count, int ranks, double sigma) {
  const auto [graph, costs] = kernels(count, ranks);
  return kernel_noise(sigma, graph, costs).front();
}

} // namespace

TEST_CASE("kernels of a pass average out", "[kernel_jitter]") {
  CHECK(forward_noise(1, 1, 0.2).spread == Approx(0.2));
  CHECK(forward_noise(16, 1, 0.2).spread == Approx(0.2 / 4));
  CHECK(forward_noise(16, 1, 0.2).mean == 1);
  const auto [graph, costs] = kernels(4, 2);
  CHECK(kernel_noise(0, graph, costs).empty());
}

TEST_CASE("ranks that meet after every kernel wait for the slowest each time", "[kernel_jitter]") {
  // Exact means of the largest of 2, 4, 8 and 16 standard normals.
  for (const auto& [ranks, largest] : {std::pair(2, 0.5642), std::pair(4, 1.0294), std::pair(8, 1.4236), std::pair(16, 1.7660)}) {
    CAPTURE(ranks);
    CHECK(mean_largest(ranks) == Approx(largest).epsilon(0.05));
    CHECK(forward_noise(10, ranks, 0.1).mean == Approx(1 + 0.1 * largest).epsilon(0.01));
  }
  CHECK(mean_largest(1) == 0);
}

TEST_CASE("uneven kernels lengthen a step and simulate every replica", "[kernel_jitter]") {
  const auto run_with = [](const char* jitter) {
    return run_scenario(quickstart({std::string("simulation.kernel_jitter=") + jitter})).jobs.front();
  };
  const TrainingResult even = run_with("0");
  const TrainingResult uneven = run_with("0.1");
  CHECK(uneven.step_time > 1.02 * even.step_time);
  CHECK(uneven.step_time < 1.25 * even.step_time);
  CHECK(uneven.method.fold.find("all 16 replicas simulated") == 0);
  CHECK(run_with("0.1").step_time == uneven.step_time);
}

} // namespace orrery::kernel_jitter_test
