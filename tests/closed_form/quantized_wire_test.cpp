// Sharded states on the wire in fewer bits, against hand-made formulas.
#include "tests/support/models.hpp"
#include "workloads/quantized_wire.hpp"
#include "workloads/sharding.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

namespace orrery::quantized_wire_test {

namespace {

constexpr double elements = 48e6;

TrainingJob job() {
  TrainingJob job;
  job.model = {
      .name = "small", .layers = 4, .hidden = 1024, .heads = 8, .kv_heads = 8, .head_dim = 128, .ffn_hidden = 4096, .vocabulary = 4096};
  job.global_batch = 16;
  return job;
}

Plan plan(Wire weights, Wire gradients) {
  return {.dp = 16, .zero = 3, .secondary_shard = 4, .quantize_weights = weights, .quantize_gradients = gradients};
}

Block block_of(const Plan& plan) {
  Block block{.name = "layer", .parameters = elements};
  shard_block(block, job(), plan, {.reduction = Precision::bf16});
  return block;
}

double carried(const std::vector<Operator>& list, std::string_view name) {
  REQUIRE(operator_named(list, name) != nullptr);
  return std::get<Collective>(operator_named(list, name)->shape).bytes.si();
}

} // namespace

TEST_CASE("quantised gathers and scatters carry their bits, and are converted at both ends", "[wire]") {
  const Block block = block_of(plan(Wire::int8, Wire::int4));
  CHECK(carried(block.forward, "parameter_gather") == Approx(elements));
  CHECK(carried(block.backward, "parameter_gather") == Approx(elements));
  CHECK(carried(block.backward, "gradient_scatter") == Approx(elements / 2));
  const auto& out = std::get<Streaming>(operator_named(block.forward, "parameter_quantize")->shape);
  CHECK(out.read.si() == Approx(elements / 16 * 2));
  CHECK(out.written.si() == Approx(elements / 16));
  const auto& in = std::get<Streaming>(operator_named(block.forward, "parameter_dequantize")->shape);
  CHECK(in.read.si() == Approx(elements));
  CHECK(in.written.si() == Approx(elements * 2));
  // The copy that backward passes gather from is shared by four.
  CHECK(std::get<Streaming>(operator_named(block.backward, "parameter_quantize")->shape).written.si() == Approx(elements / 4));
  const auto& gradients = std::get<Streaming>(operator_named(block.backward, "gradient_quantize")->shape);
  CHECK(gradients.read.si() == Approx(elements * 2));
  CHECK(gradients.written.si() == Approx(elements / 2));
  const auto& sums = std::get<Streaming>(operator_named(block.backward, "gradient_dequantize")->shape);
  CHECK(sums.read.si() == Approx(elements / 2));
  CHECK(sums.written.si() == Approx(elements / 16 * 2));
}

TEST_CASE("a plain wire converts nothing", "[wire]") {
  const Block block = block_of(plan(Wire::plain, Wire::plain));
  CHECK(carried(block.forward, "parameter_gather") == Approx(elements * 2));
  CHECK(carried(block.backward, "gradient_scatter") == Approx(elements * 2));
  for (const std::vector<Operator>* list : {&block.forward, &block.backward})
    CHECK(std::ranges::none_of(*list, [](const Operator& op) { return op.name.find("quantize") != std::string::npos; }));
}

TEST_CASE("what is not sharded is not quantised: the plan is refused", "[wire]") {
  const auto refused = [](int zero, Wire weights, Wire gradients) {
    return !check_placement({.dp = 16, .zero = zero, .quantize_weights = weights, .quantize_gradients = gradients}).empty();
  };
  CHECK(refused(2, Wire::int8, Wire::plain));
  CHECK(refused(1, Wire::plain, Wire::int4));
  CHECK_FALSE(refused(2, Wire::plain, Wire::int4));
  CHECK_FALSE(refused(3, Wire::int8, Wire::int4));
}

} // namespace orrery::quantized_wire_test
