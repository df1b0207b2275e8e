// ZeRO-3 as the first releases of DeepSpeed did it: a gather that waits, tensor by tensor and piece by piece.
#include "hardware/catalogue.hpp"
#include "models/training_cost.hpp"
#include "models/training_estimate.hpp"
#include "scenarios/data_files.hpp"
#include "workloads/transformer.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <string_view>

namespace orrery::blocking_gathers_test {

namespace {

TrainingJob sharded_job(int batch) {
  TransformerModel model{.name = "two layers", .layers = 2, .hidden = 4096, .heads = 32, .kv_heads = 32, .head_dim = 128};
  model.ffn_hidden = 4 * model.hidden;
  model.vocabulary = 51200;
  return {.model = model, .sequence = 2048, .global_batch = batch, .precision = Precision::fp16};
}

const Plan plan{.dp = 16, .micro_batch = 1, .recompute = Recompute::full, .zero = 3};

SoftwareProfile pieces_only() {
  SoftwareProfile software = load_software("deepspeed-zero3-2021");
  software.gather_blocking = software.launch_blocking = false;
  return software;
}

long count_of(const std::vector<Operator>& list, std::string_view name) {
  return std::count_if(list.begin(), list.end(), [&](const Operator& op) { return op.name == name; });
}

} // namespace

TEST_CASE("a tensor that is gathered as a list is copied once for each rank", "[closed_form][zero]") {
  const OpGraph graph = build_training_graph(sharded_job(16), plan, pieces_only());
  const Block& layer = graph.blocks.front();
  // Four matrices each way; of the backward pass also the gradients of eight vectors.
  CHECK(count_of(layer.forward, "parameter_gather") == 4);
  CHECK(count_of(layer.forward, "piece_copies") == 4);
  CHECK(count_of(layer.backward, "gradient_scatter") == 12);
  CHECK(count_of(layer.backward, "piece_copies") == 4 + 12);
  for (const Operator& op : layer.forward)
    if (op.name == "piece_copies")
      CHECK(op.kernels == 16);
}

TEST_CASE("what waits around its gathers does so once more after recomputation, and hides nothing", "[closed_form][zero]") {
  SoftwareProfile blocking = pieces_only();
  blocking.gather_blocking = true;
  const OpGraph graph = build_training_graph(sharded_job(16), plan, blocking);
  CHECK(count_of(graph.blocks.front().backward, "parameter_gather") == 8);
  Plan kept = plan;
  kept.recompute = Recompute::none;
  CHECK(count_of(build_training_graph(sharded_job(16), kept, blocking).blocks.front().backward, "parameter_gather") == 4);

  // The pass of a chunk is the sum of its operators.
  blocking.kernel_launch = Seconds{};
  const Cluster cluster{.node = load_node("dgx-a100"), .nodes = 2};
  const CostedGraph costed = TrainingCoster(cluster, blocking, load_calibration()).cost(graph);
  double sum = 0;
  double stretchable = 0;
  for (const BlockUse& use : graph.chunks.front().blocks)
    for (std::size_t i = 0; i < graph.blocks[static_cast<std::size_t>(use.block)].forward.size(); ++i) {
      const bool exchange = graph.blocks[static_cast<std::size_t>(use.block)].forward[i].op_class == OpClass::communication;
      const double time = costed.blocks[static_cast<std::size_t>(use.block)].forward[i].time.si() * use.count;
      sum += time;
      stretchable += exchange ? 0 : time;
    }
  const double pass = costed.stages.front().chunks.front().forward.total().si();
  CHECK(pass >= sum);
  CHECK(pass <= sum + stretchable * device_speed_spread * expected_maximum(16));
}

TEST_CASE("the expected maximum is Blom's quantile", "[closed_form]") {
  for (const int count : {2, 3, 8, 100, 3360, 1'000'000})
    CHECK(std::erfc(expected_maximum(count) / std::sqrt(2.0)) / 2 == Approx(0.625 / (count + 0.25)).epsilon(1e-8));
  CHECK(expected_maximum(1) == 0);
}

} // namespace orrery::blocking_gathers_test
