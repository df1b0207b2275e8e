// Adapters and frozen layers against hand-made formulas.
#include "models/memory.hpp"
#include "workloads/fine_tuning.hpp"
#include "workloads/layer.hpp"
#include "workloads/sharding.hpp"
#include "workloads/step_flops.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

namespace orrery::fine_tuning_test {

namespace {

constexpr double hidden = 1024, ffn = 4096, tokens = 512, vocabulary = 4096;
constexpr double layer_weights = 4 * hidden * hidden + 2 * hidden * ffn;

TrainingJob job(const FineTuning& tuning = {}) {
  TrainingJob job;
  job.model = {
      .name = "small", .layers = 8, .hidden = 1024, .heads = 8, .kv_heads = 8, .head_dim = 128, .ffn_hidden = 4096, .vocabulary = 4096};
  job.model.tied_embedding = job.model.biases = false;
  job.model.position = PositionKind::rotary;
  job.model.norm = NormKind::rms_norm;
  job.sequence = 512;
  job.global_batch = 4;
  job.tuning = tuning;
  return job;
}

const SoftwareProfile software{.gradient = Precision::fp32, .reduction = Precision::bf16};

double products(const std::vector<Operator>& list) {
  double flops = 0;
  for (const Operator& op : list)
    if (std::holds_alternative<Matmul>(op.shape))
      flops += operator_flops(op).executed.si();
  return flops;
}

bool names(const std::vector<Operator>& list, std::string_view part) {
  return std::ranges::any_of(list, [&](const Operator& op) { return op.name.find(part) != std::string::npos; });
}

} // namespace

TEST_CASE("an adapter adds two narrow products forward and four backward, and frozen weights lose theirs", "[tuning]") {
  const TrainingJob lora = job({.adapter_rank = 16});
  const Block block = layer_block(lora, {}, software);
  // qkv 1024 -> 3072, projection 1024 -> 1024, FFN 1024 -> 4096 -> 1024
  const double width = (1024 + 3072) + (1024 + 1024) + 2 * (1024 + 4096);
  CHECK(products(block.forward) == Approx(2 * tokens * (layer_weights + 16 * width)));
  CHECK(products(block.backward) == Approx(2 * tokens * (layer_weights + 2 * 16 * width)));
  CHECK(block.trained_parameters() == Approx(16 * width));
  CHECK(block.frozen_parameters == Approx(layer_weights + 2 * hidden));
  const Block some = layer_block(job({.adapter_rank = 16, .adapters = {Module::qkv}}), {}, software);
  CHECK(some.trained_parameters() == Approx(16 * (1024 + 3072)));
  CHECK(names(some.backward, "qkv_adapter_in_wgrad"));
  CHECK_FALSE(names(some.backward, "ffn_up_wgrad"));
  // The inputs of the FFN's products and of its activation's are read by nobody any more.
  CHECK((block.activations - some.activations).si() == Approx(2 * (tokens * hidden + tokens * ffn) + 2 * tokens * 16 * 3));
}

TEST_CASE("the FLOPs of a step with adapters are those of its operators", "[tuning]") {
  for (const FineTuning& tuning : {FineTuning{}, FineTuning{.adapter_rank = 8}, FineTuning{.adapter_rank = 8, .adapters = {Module::ffn_up}},
                                   FineTuning{.frozen_layers = 3}, FineTuning{.adapter_rank = 8, .frozen_layers = 5}}) {
    CAPTURE(tuning.adapter_rank, tuning.frozen_layers);
    const OpGraph graph = build_training_graph(job(tuning), {.micro_batch = 1}, software);
    CHECK(graph.flops.causal.si() == Approx(summed_flops(graph).causal.si()).epsilon(1e-9));
    CHECK(graph.flops.executed.si() == Approx(summed_flops(graph).executed.si()).epsilon(1e-9));
  }
}

TEST_CASE("only what is trained has gradients and optimizer states", "[tuning]") {
  const auto stage_of = [](const FineTuning& tuning, const Plan& plan = {}) {
    return build_training_graph(job(tuning), plan, software).stages.front();
  };
  const Stage all = stage_of({});
  const Stage lora = stage_of({.adapter_rank = 16});
  const double trained = 8 * 16.0 * ((1024 + 3072) + (1024 + 1024) + 2 * (1024 + 4096));
  CHECK(lora.gradients.si() == Approx(4 * trained));
  CHECK(lora.optimizer.si() == Approx(12 * trained));
  CHECK((lora.parameters - all.parameters).si() == Approx(2 * trained));
  const Stage packed = stage_of({.adapter_rank = 16, .frozen_weights = Packing::nf4});
  CHECK((lora.parameters - packed.parameters).si() == Approx(8 * layer_weights * (2 - 4.127 / 8)));
  // Half of the layers, and the embedding.
  const Stage half = stage_of({.frozen_layers = 4});
  CHECK(half.parameters == all.parameters);
  CHECK((all.gradients - half.gradients).si() == Approx(4 * (4 * (layer_weights + 2 * hidden) + vocabulary * hidden)));
  const Stage shared = stage_of({.adapter_rank = 16, .frozen_weights = Packing::nf4}, {.dp = 4, .zero = 3});
  CHECK(shared.parameters.si() == Approx(packed.parameters.si() / 4));
  CHECK(shared.optimizer.si() == Approx(lora.optimizer.si() / 4));
}

TEST_CASE("packed weights are unpacked before each product that reads them", "[tuning]") {
  const Block block = layer_block(job({.adapter_rank = 16, .frozen_weights = Packing::nf4}), {}, software);
  double read = 0, written = 0;
  for (const std::vector<Operator>* list : {&block.forward, &block.backward})
    for (const Operator& op : *list)
      if (op.name.ends_with("_unpack")) {
        read += std::get<Streaming>(op.shape).read.si();
        written += std::get<Streaming>(op.shape).written.si();
      }
  CHECK(written == Approx(2 * 2 * layer_weights));
  CHECK(read == Approx(2 * layer_weights * 4.127 / 8));
}

TEST_CASE("frozen layers run forward alone and keep nothing", "[tuning]") {
  for (const Plan& plan : {Plan{.micro_batch = 1}, Plan{.dp = 4, .zero = 3}, Plan{.recompute = Recompute::full, .recompute_layers = 4}}) {
    const OpGraph graph = build_training_graph(job({.frozen_layers = 8}), plan, software);
    const auto block = std::ranges::find_if(graph.blocks, [](const Block& each) { return each.frozen; });
    REQUIRE(block != graph.blocks.end());
    CHECK(block->backward.empty());
    CHECK(block->activations == Bytes{});
    CHECK(products(block->forward) == Approx(2 * tokens * layer_weights));
    REQUIRE(graph.chunks.size() == 1);
    CHECK(std::ranges::count_if(graph.chunks[0].blocks, [&](BlockUse use) {
            return graph.blocks[static_cast<std::size_t>(use.block)].name == "layer_frozen" && use.count == 8;
          }) == 1);
  }
}

TEST_CASE("a recipe narrows the frozen products, not the adapters", "[tuning]") {
  TrainingJob lora = job({.adapter_rank = 16});
  lora.recipe = Recipe::fp8_delayed;
  const Block block = layer_block(lora, {}, software);
  const auto precision = [](const std::vector<Operator>& list, const std::string& name) {
    const auto found = std::ranges::find(list, name, &Operator::name);
    REQUIRE(found != list.end());
    return found->precision;
  };
  CHECK(precision(block.forward, "qkv") == Precision::fp8);
  CHECK(precision(block.backward, "qkv_dgrad") == Precision::fp8);
  CHECK(precision(block.forward, "qkv_adapter_in") == lora.precision);
  CHECK(precision(block.backward, "qkv_adapter_in_wgrad") == lora.precision);
  CHECK(check_plan(lora, {}, 1).empty());
}

TEST_CASE("what cannot be frozen is refused with its inequality", "[tuning]") {
  const auto first = [](TrainingJob changed) {
    const std::vector<Violation> found = check_plan(changed, {}, 1);
    return found.empty() ? std::string{} : found.front().constraint;
  };
  CHECK(first(job({.frozen_layers = 9})) == "frozen_layers 9 > 8 layers of small");
  TrainingJob tied = job({.frozen_layers = 2});
  tied.model.tied_embedding = true;
  CHECK_THAT(first(tied), Catch::Contains("is its head"));
  TrainingJob experts = job({.adapter_rank = 4});
  experts.model.experts = {.count = 8, .top_k = 2, .hidden = 512};
  CHECK_THAT(first(experts), Catch::Contains("adapter_rank 4 > 0"));
  CHECK(first(job({.adapter_rank = 4, .frozen_layers = 2})).empty());
}

} // namespace orrery::fine_tuning_test
