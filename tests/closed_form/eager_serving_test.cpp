// Serving without an engine: elementary operators as kernels of their own, launched one by one.
#include "hardware/catalogue.hpp"
#include "models/iteration_model.hpp"
#include "models/serving_memory.hpp"
#include "scenarios/data_files.hpp"
#include "tests/unit/models/serving_models.hpp"

#include <catch2/catch.hpp>

namespace orrery::eager_serving_test {

namespace {

ReplicaModel replica(const char* node, TransformerModel model, const SoftwareProfile& software) {
  ServingJob job{.model = std::move(model)};
  job.weights = *find_weight_format("bf16");
  return ReplicaModel({.node = load_node(node), .nodes = 1}, job, {}, software, load_calibration());
}

SoftwareProfile eager(Seconds launch) {
  SoftwareProfile software = load_software("pytorch-eager-2024");
  software.kernel_launch = launch;
  return software;
}

TransformerModel llama2_7b() {
  TransformerModel model = llama();
  model.kv_heads = 32;
  model.ffn_hidden = 11008;
  model.vocabulary = 32000;
  return model;
}

} // namespace

TEST_CASE("eager decoding waits for its launches", "[closed_form][serving]") {
  // 35 kernels a layer: 2 x (residual, norm of 6), 3 + 2 + 2 products, rotation of 10, cache, attention, function and product.
  ReplicaModel model = replica("dgx-a100", llama2_7b(), eager(Seconds{1e-3}));
  const double ends = 1 + 7 + 1 + 4; // embedding; residual and norm; head; sampling
  CHECK(model.decode(1).at(1).latency.si() == Approx(1e-3 * (32 * 35 + ends)).epsilon(0.002));
}

TEST_CASE("a published eager run takes the time that its launches are derived from", "[closed_form][serving]") {
  ReplicaModel model = replica("dgx-a100", llama2_7b(), load_software("pytorch-eager-2024"));
  CHECK(1 / model.decode(1).at(100).latency.si() == Approx(25.5).epsilon(0.01));
}

TEST_CASE("elementary operators move more bytes for the same products", "[closed_form][serving]") {
  SoftwareProfile fused = eager(Seconds{});
  fused.fused_norms = fused.fused_projections = fused.fused_bias_activation = true;
  const PrefillChunk prompt{.tokens = 4096};
  const IterationCost one_by_one = replica("dgx-h100", llama(), eager(Seconds{})).cost({&prompt, 1}, 0, 0);
  const IterationCost together = replica("dgx-h100", llama(), fused).cost({&prompt, 1}, 0, 0);
  // Bytes of an element beside the fused kernels: a norm 20 + 16, its residual 4 + 2, less 4 + 4; rotation 11 + 9, less 2 + 2; the
  // activation's inner vector 2 + 2; and the layer's input read again by two projections and one gate.
  const double hidden = 2 * (36 + 6 - 8 + 0.0) * 4096 + 16.0 * (4096 + 1024) + 4 * 14336.0 + (2 + 1) * 2 * 4096.0;
  CHECK((one_by_one.memory - together.memory).si() == Approx(4096 * 32 * hidden).epsilon(0.02));
  CHECK(one_by_one.latency.si() > 1.1 * together.latency.si());
}

} // namespace orrery::eager_serving_test
