// What tensor-parallel ranks with sequence shards gather, cast and copy, by recipe and software.
#include "tests/support/models.hpp"
#include "workloads/layer.hpp"
#include "workloads/tables.hpp"

#include <catch2/catch.hpp>

namespace orrery::sequence_shards_test {
namespace {

struct Case {
  TrainingJob job;
  Plan plan;
  SoftwareProfile software;

  Case() {
    job.model = model_named("llama3-8b");
    job.sequence = 2048;
    job.global_batch = 64;
    job.precision = Precision::bf16;
    plan.tp = 8;
    plan.dp = 8;
    plan.micro_batch = 2;
    plan.sequence_parallel = true;
    software.fused_projections = true;
  }

  [[nodiscard]] double tokens() const { return static_cast<double>(job.sequence) * plan.micro_batch; }
  [[nodiscard]] double activation() const { return tokens() * job.model.hidden * 2; }
};

/// Sums what `value` makes of every operator of a layer.
template <class Value> double total(const Case& c, Value value) {
  const Block layer = layer_block(c.job, c.plan, c.software);
  double sum = 0;
  for (const auto* list : {&layer.forward, &layer.backward})
    for (const Operator& op : *list)
      sum += value(op);
  return sum;
}

double gathered(const Case& c) {
  return total(c, [](const Operator& op) {
    const auto* collective = std::get_if<Collective>(&op.shape);
    return collective != nullptr && collective->kind == CollectiveKind::all_gather ? collective->bytes.si() : 0;
  });
}

double copied(const Case& c) {
  return total(c, [](const Operator& op) { return op.name.ends_with("_order") ? std::get<Streaming>(op.shape).read.si() : 0; });
}

/// Bytes that casts of what is no weight read.
double cast_reads(const Case& c, const char* name) {
  return total(c, [&](const Operator& op) { return op.name == name ? std::get<Streaming>(op.shape).read.si() : 0; });
}

TEST_CASE("shards of the sequence are put in order after each gather and before each scatter", "[closed_form][sequence_shards]") {
  Case c;
  CHECK(copied(c) == 0);
  c.software.copy_sequence_shards = true;
  // Forward two gathers and two scatters; backward the same, and both inputs gathered again.
  CHECK(copied(c) == Approx(10 * c.activation()));
  c.software.overlap_tp_forward = c.software.overlap_tp_backward = true; // pieces go straight into products
  CHECK(copied(c) == 0);
  c.software.overlap_tp_forward = c.software.overlap_tp_backward = false;
  c.plan.sequence_parallel = false; // all-reduces have no order
  CHECK(copied(c) == 0);
}

TEST_CASE("shards are cast before they are gathered, unless the recipe gathers wide", "[closed_form][sequence_shards]") {
  Case c;
  const double wide = gathered(c);
  CHECK(wide == Approx(6 * c.activation()));
  c.job.recipe = Recipe::fp8_tensor;
  CHECK(gathered(c) == Approx(wide / 2));
  const double shard = cast_reads(c, "qkv_cast");
  CHECK(cast_reads(c, "ffn_down_grad_cast") == Approx(shard));
  c.job.recipe = Recipe::fp8_row;
  c.software.recast_inputs = true; // one copy forward
  CHECK(gathered(c) == Approx(wide));
  CHECK(cast_reads(c, "qkv_cast") == Approx(c.plan.tp * shard));
}

TEST_CASE("one scale of a tensor comes from the maximum of all its shards", "[closed_form][sequence_shards]") {
  Case c;
  const auto maxima = [&](Recipe recipe) {
    c.job.recipe = recipe;
    return total(c, [](const Operator& op) { return op.name.ends_with("_maximum") ? std::get<Collective>(op.shape).bytes.si() : 0; });
  };
  // Inputs of the two column-parallel layers, gradients behind the two row-parallel ones: a number in 32 bits each.
  CHECK(maxima(Recipe::fp8_tensor) == 4 * 4);
  CHECK(maxima(Recipe::nvfp4) == 4 * 4);
  for (const Recipe local : {Recipe::none, Recipe::fp8_delayed, Recipe::fp8_row, Recipe::mxfp8, Recipe::int8})
    CHECK(maxima(local) == 0);
  c.plan.sequence_parallel = false; // each rank has the whole tensor
  CHECK(maxima(Recipe::fp8_tensor) == 0);
}

TEST_CASE("scales of rows and of columns each need a maximum", "[closed_form][sequence_shards]") {
  Case c;
  c.plan.sequence_parallel = false;
  c.software.recast_inputs = true;
  c.software.fused_bias_activation = true;
  c.job.recipe = Recipe::fp8_tensor;
  const double tensor = cast_reads(c, "ffn_up_grad_cast");
  const double again = cast_reads(c, "ffn_up_input_cast");
  c.job.recipe = Recipe::fp8_row;
  CHECK(cast_reads(c, "ffn_up_grad_cast") == Approx(2 * tensor)); // once more for each axis
  CHECK(cast_reads(c, "ffn_up_input_cast") == Approx(2 * again)); // the maximum of columns first
}

TEST_CASE("attention part by part gathers every head, or what travels round, and merges in fp32", "[closed_form][sequence_shards]") {
  Case c;
  c.plan.tp = 1;
  c.plan.sequence_parallel = false;
  c.plan.cp = 4;
  c.plan.context = ContextParallel::all_gather;
  const double local = c.activation() / c.plan.cp; // as wide as all heads of the keys would be
  const auto grouped = static_cast<double>(c.job.model.heads) / c.job.model.kv_heads;
  const auto merges = [&] {
    return total(c, [](const Operator& op) { return op.name.ends_with("_merge") ? std::get<Streaming>(op.shape).written.si() : 0; });
  };
  CHECK(gathered(c) == Approx(3 * 2 * c.plan.cp * local / grouped)); // keys and values; backward their gradients too
  CHECK(merges() == 0);
  c.software.blockwise_context = true;
  CHECK(gathered(c) == Approx((2 + 2 + 2 * 2) * c.plan.cp * local)); // gradients in fp32
  CHECK(merges() == Approx((4 + 4) * 2 * (c.plan.cp - 1) * local));  // four tensors in fp32 each way
  // In a ring, by one kernel for each of three parts, of which the queries see three quarters.
  c.software.blockwise_context = false;
  c.plan.context = ContextParallel::ring;
  CHECK(merges() == Approx(((1 + 2.25) * 2 + 1 + 2.25 + 3 * 2 / grouped) * local)); // output; gradients of queries, keys and values
  c.plan.cp = 1;
  CHECK(merges() == 0);
}

} // namespace
} // namespace orrery::sequence_shards_test
