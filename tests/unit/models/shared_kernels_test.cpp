// What the sequences of an iteration share, and what grows with their context.
#include "hardware/catalogue.hpp"
#include "models/iteration_model.hpp"
#include "models/kernel_cost.hpp"
#include "scenarios/data_files.hpp"
#include "tests/unit/models/serving_models.hpp"

#include <catch2/catch.hpp>

#include <vector>

namespace orrery::shared_kernels_test {

using Catch::Detail::Approx;

namespace {

Cluster one_device() {
  Cluster cluster{.node = load_node("dgx-h100"), .nodes = 1};
  cluster.node.devices = 1;
  return cluster;
}

ServingJob llama_job() {
  return {.model = llama(), .precision = Precision::fp16, .weights = *find_weight_format("fp16"), .kv = Precision::fp16};
}

Matmul product(double m, double n, double k) { return {.m = m, .n = n, .k = k}; }

} // namespace

TEST_CASE("prompts of an iteration share their attention kernels", "[models][serving]") {
  SoftwareProfile software = load_software("tensorrt-llm-2024");
  software.serving.iteration_host = software.serving.sequence_host = Seconds{};
  ReplicaModel model(one_device(), llama_job(), {}, software, load_calibration());
  const auto latency = [&](std::size_t prompts, std::uint32_t tokens) {
    const std::vector<PrefillChunk> chunks(prompts, PrefillChunk{.tokens = tokens});
    return model.cost(chunks, 0, 0).latency.si();
  };
  // As many tokens in one long prompt have more scores than in many short ones; one kernel for each of those would take longer still.
  CHECK(latency(64, 128) < latency(8, 1024));
  CHECK(latency(8, 1024) < latency(1, 8192));
  // Attention of one prompt alone is its own operators' time.
  const ServingGraph& graph = model.graph();
  double alone = 0;
  double many = 0;
  for (const OpCost& cost : model.operator_costs(graph.prompt(graph.kinds().front(), 128, 0)))
    alone += cost.time.si();
  for (const OpCost& cost : model.operator_costs(graph.prompt(graph.kinds().front(), 128, 0, 64)))
    many += cost.time.si();
  CHECK(many < 16 * alone);
}

TEST_CASE("decoding by unfused attention takes longer behind more keys", "[models][serving]") {
  const SoftwareProfile software = load_software("llama.cpp-2024");
  ReplicaModel model(one_device(), llama_job(), {}, software, load_calibration());
  const double empty = model.cost({}, 1, 1).latency.si();
  const double full = model.cost({}, 1, 8192).latency.si();
  // Keys and values of 8192 tokens, 128 KiB each, are read at no more than the memory's rate.
  CHECK(full - empty > 8192.0 * 131072 / 3.35e12);
  // Cells of the cache are multiplied 32 at a time.
  const ServingGraph& graph = model.graph();
  const std::vector<Operator> mixing = graph.decode(graph.kinds().front(), 1, 33);
  CHECK(std::get<Matmul>(mixing.front().shape).n == 64);
}

TEST_CASE("an engine's kernels take tiles by rows", "[models][kernels]") {
  const UnitRates unit{.peak = 1979e12, .bandwidth = 1e18, .multiprocessors = 132, .element = 1};
  const MatmulCurve curve{.tiles = TileChoice::by_rows, .edge = 0};
  const auto compute = [&](double m, double n, double k) { return matmul_time(product(m, n, k), unit, curve).compute; };
  // 129 rows start the second half of a cluster of two tiles of 128, 257 rows another cluster.
  CHECK(compute(129, 4096, 4096) == Approx(compute(256, 4096, 4096)));
  CHECK(compute(513, 3584, 12288) == Approx(2 * compute(512, 3584, 12288))); // 112 tiles are one wave, 168 are two
  // Nothing is split: a deep product on few multiprocessors takes as long as one tile.
  CHECK(compute(256, 1024, 65536) == Approx(compute(256, 2048, 65536)));
  MatmulCurve best = curve;
  best.tiles = TileChoice::best;
  CHECK(matmul_time(product(256, 1024, 65536), unit, best).compute < 0.5 * compute(256, 1024, 65536));
}

TEST_CASE("results of narrow operands are written in 16 bits", "[models][kernels]") {
  const UnitRates narrow{.peak = 1979e12, .bandwidth = 3.35e12, .multiprocessors = 132, .element = 1};
  CHECK(matmul_time(product(64, 4096, 1024), narrow, {}).bytes == Approx(64 * 1024 + 4096 * 1024 + 2 * 64 * 4096));
}

} // namespace orrery::shared_kernels_test
