// Kernels of their own that eager frameworks launch around the products of a training pass: bytes counted by hand.
#include "workloads/layer.hpp"
#include "workloads/tables.hpp"
#include "workloads/transformer.hpp"

#include <catch2/catch.hpp>

namespace orrery::eager_training_test {
namespace {

struct Case {
  TrainingJob job{.model = {.name = "small", .layers = 4, .hidden = 1024, .heads = 8, .kv_heads = 8, .head_dim = 128, .ffn_hidden = 4096}};
  Plan plan{.dp = 8, .micro_batch = 2};
  SoftwareProfile software;

  Case() {
    job.model.vocabulary = 32000;
    job.sequence = 2048;
    job.global_batch = 64;
    job.precision = Precision::bf16;
  }

  /// Bytes of a tensor of so many values per token in half precision.
  [[nodiscard]] double wide(double values) const { return 2.0 * job.sequence * plan.micro_batch * values; }
};

struct Moved {
  double read = 0;
  double written = 0;
  int kernels = 0;
};

/// What operators of this name move in both passes of a block.
Moved moved(const Block& block, std::string_view name) {
  Moved sum;
  for (const auto* list : {&block.forward, &block.backward})
    for (const Operator& op : *list)
      if (op.name == name) {
        sum.read += std::get<Streaming>(op.shape).read.si();
        sum.written += std::get<Streaming>(op.shape).written.si();
        sum.kernels += op.kernels;
      }
  return sum;
}

Moved moved(const Case& c, std::string_view name) { return moved(layer_block(c.job, c.plan, c.software), name); }

TEST_CASE("gradients of biases are sums over all rows", "[closed_form][eager]") {
  Case c;
  CHECK(moved(c, "ffn_up_bias_grad").kernels == 0);
  c.software.sum_bias_gradients = true;
  CHECK(moved(c, "qkv_bias_grad").read == Approx(c.wide(3 * 1024)));
  CHECK(moved(c, "projection_bias_grad").read == Approx(c.wide(1024)));
  CHECK(moved(c, "ffn_up_bias_grad").read == Approx(c.wide(4096)));
  CHECK(moved(c, "ffn_down_bias_grad").read == Approx(c.wide(1024)));
  c.plan.tp = 4; // each rank its columns; what leaves a row-parallel layer is whole
  CHECK(moved(c, "ffn_up_bias_grad").read == Approx(c.wide(1024)));
  CHECK(moved(c, "ffn_down_bias_grad").read == Approx(c.wide(1024)));
  c.job.model.biases = false;
  CHECK(moved(c, "ffn_up_bias_grad").kernels == 0);
}

TEST_CASE("Megatron-LM adds the bias of queries, keys and values by a kernel", "[closed_form][eager]") {
  Case c;
  c.software.sum_bias_gradients = true;
  CHECK(moved(c, "qkv_bias").read == Approx(c.wide(3 * 1024)));
  CHECK(moved(c, "qkv_bias").written == Approx(c.wide(3 * 1024)));
  c.software.fused_bias_activation = false; // the library's product does
  CHECK(moved(c, "qkv_bias").kernels == 0);
  c.software.fused_bias_activation = true;
  c.job.model.biases = false;
  CHECK(moved(c, "qkv_bias").kernels == 0);
}

TEST_CASE("gradients may be widened by a kernel of their own before they are added up", "[closed_form][eager]") {
  Case c;
  const double weights = 1024.0 * 4096;
  CHECK(moved(c, "ffn_up_accumulate").read == weights * (2 + 4));
  CHECK(moved(c, "ffn_up_widen_grad").kernels == 0);
  c.software.copy_wide_gradients = true;
  CHECK(moved(c, "ffn_up_widen_grad").read == weights * 2);
  CHECK(moved(c, "ffn_up_widen_grad").written == weights * 4);
  CHECK(moved(c, "ffn_up_accumulate").read == weights * (4 + 4));
  CHECK(moved(c, "ffn_up_accumulate").written == weights * 4);
  c.software.gradient = Precision::bf16;
  CHECK(moved(c, "ffn_up_widen_grad").kernels == 0);
}

TEST_CASE("gradients of queries, keys and values are packed for their fused projection", "[closed_form][eager]") {
  Case c;
  CHECK(moved(c, "qkv_grad_pack").kernels == 0);
  c.software.copy_attention_gradients = true;
  CHECK(moved(c, "qkv_grad_pack").read == Approx(c.wide(3 * 1024)));
  CHECK(moved(c, "qkv_grad_pack").written == Approx(c.wide(3 * 1024)));
}

TEST_CASE("eager activations and residuals are single kernels", "[closed_form][eager]") {
  Case c;
  c.software.fused_bias_activation = false;
  CHECK(moved(c, "activation").read == Approx(c.wide(4096)));
  CHECK(moved(c, "activation_backward").read == Approx(c.wide(2 * 4096)));
  CHECK(moved(c, "ffn_residual").read == Approx(c.wide(2 * 1024))); // the product adds its bias
  c.software.hidden_dropout = true;
  CHECK(moved(c, "ffn_residual").read == Approx(c.wide(3 * 1024)));
  c.job.model.ffn = FfnKind::gated; // the function, then the product; backwards of both sides of the product and of the function
  CHECK(moved(c, "activation").read == Approx(c.wide(3 * 4096)));
  CHECK(moved(c, "activation").written == Approx(c.wide(2 * 4096)));
  CHECK(moved(c, "activation_backward").read == Approx(c.wide(6 * 4096)));
  CHECK(moved(c, "activation_backward").written == Approx(c.wide(3 * 4096)));
}

TEST_CASE("autocast keeps parameters and what residuals add to in fp32", "[closed_form][eager]") {
  Case c;
  const Block plain = layer_block(c.job, c.plan, c.software);
  c.software.autocast = true;
  CHECK(moved(c, "ffn_up_autocast").read == Approx(4.0 * 1024 * 4096));
  CHECK(moved(c, "ffn_up_autocast").written == Approx(2.0 * 1024 * 4096));
  CHECK(moved(c, "ffn_up_autocast_grad").written == Approx(4.0 * 1024 * 4096));
  CHECK(moved(c, "ffn_residual").read == Approx(c.wide(3 * 1024)));
  CHECK(moved(c, "input_norm").read == Approx(c.wide(3 * 1024)));
  const auto gathered = [&](bool autocast) {
    c.software.autocast = autocast;
    c.plan.zero = 3;
    const OpGraph graph = build_training_graph(c.job, c.plan, c.software);
    double bytes = 0;
    for (const Operator& op : graph.blocks.front().forward)
      if (const auto* gather = std::get_if<Collective>(&op.shape); gather != nullptr && op.name == "parameter_gather")
        bytes += gather->bytes.si();
    return bytes;
  };
  CHECK(gathered(true) == Approx(2 * gathered(false)));
}

TEST_CASE("a logged loss writes fp32 logits and their softmax", "[closed_form][eager]") {
  Case c;
  CHECK(moved(head_block(c.job, c.plan, c.software), "logged_losses").kernels == 0);
  c.software.logged_losses = 2;
  const Moved losses = moved(head_block(c.job, c.plan, c.software), "logged_losses");
  CHECK(losses.read == Approx(2 * (c.wide(32000) + 2 * c.wide(32000))));
  CHECK(losses.written == Approx(2 * 4 * c.wide(32000)));
}

TEST_CASE("where modules quantise what others made, only norms cast beside their own work", "[closed_form][eager]") {
  Case c;
  c.job.recipe = Recipe::mxfp8;
  CHECK(moved(c, "ffn_down_cast").read == 0);
  CHECK(moved(c, "ffn_up_cast").read == 0);
  c.software.fused_casts = false;
  CHECK(moved(c, "ffn_down_cast").read == Approx(c.wide(4096)));
  CHECK(moved(c, "projection_cast").read == Approx(c.wide(1024)));
  CHECK(moved(c, "ffn_up_grad_cast").read == Approx(c.wide(4096)));
  CHECK(moved(c, "ffn_up_cast").read == 0);
}

TEST_CASE("projections of latent attention cast their operands too", "[closed_form][eager]") {
  Case c;
  c.job.model.latent = {.kv_rank = 256, .query_rank = 512, .rope_dim = 64, .value_dim = 128};
  CHECK(moved(c, "latent_down_cast").kernels == 0);
  c.job.recipe = Recipe::mxfp8;
  c.software.fused_casts = false;
  CHECK(moved(c, "latent_down_cast").read == Approx(c.wide(2 * 1024))); // by the queries' layer and by the keys'
  CHECK(moved(c, "query_up_cast").read == 0);                           // its norm is of the same module
  CHECK(moved(c, "query_up_grad_cast").read == Approx(c.wide(1024)));
  c.job.model.latent.query_rank = 0;
  CHECK(moved(c, "latent_down_cast").read == Approx(c.wide(1024)));
}

} // namespace
} // namespace orrery::eager_training_test
