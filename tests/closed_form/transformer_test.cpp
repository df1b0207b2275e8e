// The operator graph of a transformer against the closed forms of the literature: FLOPs (Narayanan et al. 2021, eq. 3), collectives and
// kept activations (Korthikanti et al. 2022, section 4 and eq. 1 to 6), parameters over ranks.
#include "tests/support/models.hpp"
#include "workloads/layer.hpp"
#include "workloads/tables.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <span>

namespace orrery::transformer_test {
namespace {

/// GPT with dropout in fp16 and attention in kernels of its own, as in the papers.
struct Case {
  TrainingJob job;
  Plan plan;
  SoftwareProfile software;

  Case() {
    job.model = model_named("gpt3-175b");
    job.sequence = 2048;
    job.global_batch = 64;
    job.precision = Precision::fp16;
    plan.tp = 8;
    plan.pp = 8;
    plan.dp = 2;
    plan.micro_batch = 2;
    software.attention = AttentionKernel::unfused;
    software.hidden_dropout = true;
    software.attention_dropout = true;
  }

  [[nodiscard]] double sbh() const { return static_cast<double>(job.sequence) * plan.micro_batch * job.model.hidden; }
  [[nodiscard]] Block layer() const { return layer_block(job, plan, software); }
  [[nodiscard]] OpGraph graph() const {
    REQUIRE(check_plan(job, plan, plan.ranks()).empty());
    return build_training_graph(job, plan, software);
  }
};

double matmul_flops(const std::vector<Operator>& list) {
  double sum = 0;
  for (const Operator& op : list) {
    if (const auto* m = std::get_if<Matmul>(&op.shape))
      sum += 2 * m->batch * m->m * m->n * m->k;
    if (const auto* a = std::get_if<FusedAttention>(&op.shape)) // two products of the causal half; five on the way back
      sum += (a->backward ? 5 : 2) * 2 * a->batch * a->heads * a->queries * a->keys * a->head_dim / 2;
  }
  return sum;
}

/// Matmul FLOPs of one step over all ranks, added up from the graph's operators.
double step_matmul_flops(const OpGraph& graph) {
  double sum = 0;
  for (const Stage& stage : graph.stages) {
    for (const int chunk : stage.chunks) {
      for (const BlockUse& use : graph.chunks[static_cast<std::size_t>(chunk)].blocks) {
        const Block& block = graph.blocks[static_cast<std::size_t>(use.block)];
        sum += use.count * (matmul_flops(block.forward) + matmul_flops(block.backward));
      }
    }
  }
  return sum * graph.micro_batches * graph.groups.at(Group::tensor).size * graph.groups.at(Group::data).size;
}

struct Sums {
  int count = 0;
  double bytes = 0;
};

Sums collectives(const std::vector<Operator>& list, CollectiveKind kind) {
  Sums sums;
  for (const Operator& op : list) {
    const auto* collective = std::get_if<Collective>(&op.shape);
    if (collective != nullptr && collective->kind == kind) {
      ++sums.count;
      sums.bytes += collective->bytes.si();
    }
  }
  return sums;
}

Sums collectives(const Block& block, CollectiveKind kind) {
  const Sums forward = collectives(block.forward, kind);
  const Sums backward = collectives(block.backward, kind);
  return {forward.count + backward.count, forward.bytes + backward.bytes};
}

int any_collective(std::span<const Operator> list) {
  int count = 0;
  for (const Operator& op : list)
    count += std::holds_alternative<Collective>(op.shape) ? 1 : 0;
  return count;
}

} // namespace

TEST_CASE("FLOPs of a GPT are those of Narayanan eq. 3", "[closed_form][transformer]") {
  Case c;
  const double b = c.job.global_batch, s = c.job.sequence, l = c.job.model.layers, h = c.job.model.hidden, v = c.job.model.vocabulary;
  const double attention = s / (6 * h);
  const double head = v / (16 * l * h);
  SECTION("without recomputation: 72 instead of 96, and the head's share stays") {
    const double expected = 72 * b * s * l * h * h * (1 + attention + head * 96 / 72);
    CHECK(c.graph().flops.full_attention.si() == Approx(expected).epsilon(1e-12));
    CHECK(c.graph().flops.executed.si() == Approx(expected).epsilon(1e-12));
    CHECK(step_matmul_flops(c.graph()) == Approx(expected).epsilon(1e-12));
    CHECK(c.graph().flops.causal.si() == Approx(72 * b * s * l * h * h * (1 + attention / 2 + head * 96 / 72)).epsilon(1e-12));
  }
  SECTION("with full recomputation") {
    c.plan.recompute = Recompute::full;
    const double expected = 96 * b * s * l * h * h * (1 + attention + head);
    CHECK(c.graph().flops.executed.si() == Approx(expected).epsilon(1e-12));
    CHECK(step_matmul_flops(c.graph()) == Approx(expected).epsilon(1e-12));
  }
  SECTION("selective recomputation repeats the scores and the context") { // Korthikanti eq. 8
    c.plan.recompute = Recompute::selective;
    const double expected = 72 * b * s * l * h * h * (1 + attention * 4 / 3 + head * 96 / 72);
    CHECK(c.graph().flops.executed.si() == Approx(expected).epsilon(1e-12));
    CHECK(step_matmul_flops(c.graph()) == Approx(expected).epsilon(1e-12));
  }
  SECTION("the operators add up to the stated FLOPs under every plan") {
    for (const AttentionKernel kernel : {AttentionKernel::unfused, AttentionKernel::flash}) {
      for (const Recompute recompute : {Recompute::none, Recompute::selective, Recompute::full}) {
        for (const int tp : {1, 2, 8}) {
          c.software.attention = kernel;
          c.plan.recompute = recompute;
          c.plan.tp = tp;
          CAPTURE(static_cast<int>(kernel), static_cast<int>(recompute), tp);
          CHECK(step_matmul_flops(c.graph()) == Approx(c.graph().flops.executed.si()).epsilon(1e-12));
        }
      }
    }
  }
  SECTION("about 6 FLOPs per parameter and token") {
    const double tokens = b * s;
    CHECK(c.graph().flops.full_attention.si() == Approx(6 * c.job.model.parameters() * tokens).epsilon(0.04));
  }
}

TEST_CASE("kept activations of a layer are those of Korthikanti table 2", "[closed_form][transformer]") {
  Case c;
  for (const int t : {1, 2, 4, 8}) {
    c.plan.tp = t;
    const double core = 5.0 * c.job.model.heads * c.job.sequence / c.job.model.hidden; // 5 a s / h
    CAPTURE(t);
    c.plan.sequence_parallel = false;
    c.plan.recompute = Recompute::none;
    CHECK(c.layer().activations.si() == Approx(c.sbh() * (10 + 24.0 / t + core / t)).epsilon(1e-12)); // eq. 2 (eq. 1 at t = 1)
    c.plan.recompute = Recompute::selective;
    CHECK(c.layer().activations.si() == Approx(c.sbh() * (10 + 24.0 / t)).epsilon(1e-12));
    c.plan.recompute = Recompute::full;
    CHECK(c.layer().activations.si() == Approx(c.sbh() * 2).epsilon(1e-12));
    c.plan.sequence_parallel = true;
    CHECK(c.layer().activations.si() == Approx(c.sbh() * 2 / t).epsilon(1e-12));
    c.plan.recompute = Recompute::none;
    CHECK(c.layer().activations.si() == Approx(c.sbh() / t * (34 + core)).epsilon(1e-12)); // eq. 4
    c.plan.recompute = Recompute::selective;
    CHECK(c.layer().activations.si() == Approx(c.sbh() * 34 / t).epsilon(1e-12)); // eq. 6
  }
}

TEST_CASE("a layer all-reduces its tokens four times, six with full recomputation", "[closed_form][transformer]") {
  Case c;
  const double tokens = 2 * c.sbh(); // bytes
  const auto reduced = [&](Recompute recompute) {
    c.plan.recompute = recompute;
    return collectives(c.layer(), CollectiveKind::all_reduce);
  };
  CHECK(reduced(Recompute::none).count == 4);
  CHECK(reduced(Recompute::none).bytes == Approx(4 * tokens).epsilon(1e-12));
  CHECK(reduced(Recompute::selective).count == 4);
  CHECK(reduced(Recompute::full).count == 6);
  CHECK(reduced(Recompute::full).bytes == Approx(6 * tokens).epsilon(1e-12));
  CHECK(any_collective(c.layer().forward) == 2);
}

TEST_CASE("sequence parallelism splits each all-reduce and gathers kept inputs again", "[closed_form][transformer]") {
  Case c;
  c.plan.sequence_parallel = true;
  const double tokens = 2 * c.sbh();
  const Block layer = c.layer();
  CHECK(collectives(layer, CollectiveKind::all_reduce).count == 0);
  CHECK(collectives(layer, CollectiveKind::reduce_scatter).bytes == Approx(4 * tokens).epsilon(1e-12));
  CHECK(collectives(layer, CollectiveKind::all_gather).bytes == Approx((4 + 2) * tokens).epsilon(1e-12));
}

TEST_CASE("inputs that are kept gathered are gathered again only where their norm is computed again", "[closed_form][transformer]") {
  Case c;
  c.plan.sequence_parallel = true;
  c.software.keep_gathered_inputs = true;
  const double tokens = 2 * c.sbh();
  const auto gathered = [&](Recompute recompute, std::vector<Module> modules) {
    c.plan.recompute = recompute;
    c.plan.recompute_modules = std::move(modules);
    return collectives(c.layer(), CollectiveKind::all_gather).bytes / tokens;
  };
  // Two inputs forward, two output gradients backward.
  CHECK(gathered(Recompute::none, {}) == Approx(4).epsilon(1e-12));
  CHECK(gathered(Recompute::selective, {Module::norms}) == Approx(6).epsilon(1e-12));
  CHECK(gathered(Recompute::selective, {Module::norms, Module::ffn_up}) == Approx(6).epsilon(1e-12));
  CHECK(gathered(Recompute::full, {}) == Approx(6).epsilon(1e-12));
  c.plan.recompute = Recompute::none;
  const double whole = c.layer().activations.si();
  c.software.keep_gathered_inputs = false;
  CHECK(whole - c.layer().activations.si() == Approx(2 * tokens * (1 - 1.0 / c.plan.tp)).epsilon(1e-12));
}

TEST_CASE("all modules but the last product computed again keep what a whole layer does", "[closed_form][transformer]") {
  using enum Module;
  Case c;
  c.software.attention = AttentionKernel::flash;
  c.software.hidden_dropout = false;
  c.plan.cp = 2;
  c.plan.recompute = Recompute::full;
  const Block whole = c.layer();
  c.plan.recompute = Recompute::selective;
  c.plan.recompute_modules = {norms, qkv, attention, projection, ffn_up, activation};
  const Block early = c.layer();
  CHECK(early.activations.si() == Approx(whole.activations.si()).epsilon(1e-12));
  CHECK(matmul_flops(whole.backward) - matmul_flops(early.backward) ==
        Approx(2 * c.sbh() / c.plan.cp * 4 * c.job.model.hidden / c.plan.tp).epsilon(1e-9));
  // The keys of the other ranks come once more, the sum behind the last product does not.
  CHECK(collectives(early.backward, CollectiveKind::all_gather).count == collectives(whole.backward, CollectiveKind::all_gather).count);
  CHECK(collectives(early.backward, CollectiveKind::all_reduce).count == collectives(whole.backward, CollectiveKind::all_reduce).count - 1);
  SECTION("which is what a checkpoint does that stops early") {
    c.plan.recompute = Recompute::full;
    c.plan.recompute_modules.clear();
    c.software.recompute_early_stop = true;
    const Block stopped = c.layer();
    CHECK(stopped.activations.si() == Approx(whole.activations.si()).epsilon(1e-12));
    CHECK(matmul_flops(stopped.backward) == Approx(matmul_flops(early.backward)).epsilon(1e-12));
    CHECK(collectives(stopped.backward, CollectiveKind::all_reduce).count == collectives(early.backward, CollectiveKind::all_reduce).count);
    c.job.model.post_norms = true; // a norm reads the last product
    const Block read = c.layer();
    c.software.recompute_early_stop = false;
    CHECK(read.backward.size() == c.layer().backward.size());
  }
}

TEST_CASE("projections apart multiply as much, and their input gradients are added up", "[closed_form][transformer]") {
  Case c;
  c.job.model.ffn = FfnKind::gated;
  const auto products = [](const std::vector<Operator>& list) {
    return std::count_if(list.begin(), list.end(), [](const Operator& op) {
      return std::holds_alternative<Matmul>(op.shape) && std::get<Matmul>(op.shape).batch == 1;
    });
  };
  const auto sums = [](const Block& layer) {
    double bytes = 0;
    for (const Operator& op : layer.backward)
      if (op.name.ends_with("_dgrad_sum"))
        bytes += (std::get<Streaming>(op.shape).read + std::get<Streaming>(op.shape).written).si();
    return bytes;
  };
  const Block together = c.layer();
  c.software.fused_projections = false;
  const Block apart = c.layer();
  CHECK(matmul_flops(apart.forward) == Approx(matmul_flops(together.forward)).epsilon(1e-12));
  CHECK(matmul_flops(apart.backward) == Approx(matmul_flops(together.backward)).epsilon(1e-12));
  CHECK(products(apart.forward) == products(together.forward) + 3);
  CHECK(products(apart.backward) == products(together.backward) + 6);
  CHECK(sums(together) == 0);
  const double tokens = 2 * c.sbh();
  CHECK(sums(apart) == Approx((4 + 3) * tokens)); // three terms and two, each sum written
  c.plan.tp = 1;
  CHECK(sums(c.layer()) == Approx((2 + 1) * tokens)); // read by the norm's backward pass
  c.software.fused_bias_activation = false;
  CHECK(sums(c.layer()) == Approx((6 + 3) * tokens));
}

TEST_CASE("what a loop over layers keeps passes through its stacked buffers", "[closed_form][transformer]") {
  Case c;
  const auto copied = [](const std::vector<Operator>& list, const char* name) {
    double bytes = 0;
    for (const Operator& op : list)
      if (op.name == name)
        bytes += (std::get<Streaming>(op.shape).read + std::get<Streaming>(op.shape).written).si();
    return bytes;
  };
  CHECK(copied(c.layer().forward, "stack_kept") == 0);
  c.software.stacked_layers = true;
  const Block layer = c.layer();
  CHECK(copied(layer.forward, "stack_kept") == Approx(2 * layer.activations.si()));
  CHECK(copied(layer.backward, "unstack_kept") == Approx(2 * layer.activations.si()));
}

TEST_CASE("inputs that are cast again for their weight gradients are kept as they were", "[closed_form][transformer]") {
  Case c;
  c.job.recipe = Recipe::fp8_tensor;
  const auto casts = [&] {
    double written = 0; // elements in eight bits, of activations and gradients
    const Block layer = c.layer();
    for (const auto* list : {&layer.forward, &layer.backward})
      for (const Operator& op : *list)
        if (op.op_class == OpClass::cast && op.name.find("weight") == std::string::npos)
          written += std::get<Streaming>(op.shape).written.si();
    return written;
  };
  const double once = casts();
  const double kept = c.layer().activations.si();
  c.software.recast_inputs = true;
  CHECK(casts() == Approx(once)); // two orders of each operand either way
  CHECK(c.layer().activations.si() > kept);
}

TEST_CASE("norms without a kernel of their own pass over their tokens in fp32", "[closed_form][transformer]") {
  Case c;
  const auto moved = [&](bool fused, NormKind norm, bool backward) {
    c.software.fused_norms = fused;
    c.job.model.norm = norm;
    const Block layer = c.layer();
    double bytes = 0;
    for (const Operator& op : backward ? layer.backward : layer.forward)
      if (op.op_class == OpClass::normalization)
        bytes += (std::get<Streaming>(op.shape).read + std::get<Streaming>(op.shape).written).si();
    return bytes / (2 * c.sbh()); // per token, element and norm
  };
  for (const NormKind norm : {NormKind::rms_norm, NormKind::layer_norm}) {
    CHECK(moved(true, norm, false) == Approx(4));
    CHECK(moved(true, norm, true) == Approx(8));
  }
  // Six kernels: 2 + 4, 4 + 4, 4, 4 + 4, 4 + 2 and 2 + 2 bytes.
  CHECK(moved(false, NormKind::rms_norm, false) == Approx(36));
  CHECK(moved(false, NormKind::rms_norm, true) == Approx(84));
  CHECK(moved(false, NormKind::layer_norm, false) == Approx(4)); // PyTorch has one for these
}

TEST_CASE("a parallel block sums attention and feed-forward network once each way", "[closed_form][transformer]") {
  Case c;
  const double sequential = matmul_flops(c.layer().forward) + matmul_flops(c.layer().backward);
  c.job.model.parallel_block = true;
  CHECK(collectives(c.layer(), CollectiveKind::all_reduce).bytes == Approx(2 * 2 * c.sbh()).epsilon(1e-12));
  CHECK(matmul_flops(c.layer().forward) + matmul_flops(c.layer().backward) == sequential);
  c.plan.sequence_parallel = true;
  CHECK(collectives(c.layer(), CollectiveKind::reduce_scatter).count == 2);
  CHECK(collectives(c.layer(), CollectiveKind::all_gather).count == 3);
}

TEST_CASE("one rank communicates nothing", "[closed_form][transformer]") {
  Case c;
  c.plan.tp = c.plan.pp = c.plan.dp = 1;
  for (const bool sequence_parallel : {false, true}) {
    c.plan.sequence_parallel = sequence_parallel;
    const OpGraph graph = c.graph();
    CHECK(graph.ranks() == 1);
    CHECK(graph.boundary_forward.si() == 0);
    for (const Block& block : graph.blocks)
      CHECK(any_collective(block.forward) + any_collective(block.backward) == 0);
    for (const Stage& stage : graph.stages)
      CHECK(any_collective(graph.step_of(stage)) == 0);
  }
}

TEST_CASE("gradients, parameters and optimizer state are those of mixed-precision Adam", "[closed_form][transformer]") {
  Case c;
  const auto bytes_per_parameter = [&] {
    double sum = 0, parameters = 0;
    for (const Stage& stage : c.graph().stages) {
      sum += stage.parameters.si() + stage.gradients.si() + stage.optimizer.si();
      parameters += stage.parameters.si() / element_bytes(c.job.precision);
    }
    return sum / parameters;
  };
  c.software.gradient = Precision::fp32;
  CHECK(bytes_per_parameter() == Approx(2 + 4 + 12)); // Megatron: 18
  c.plan.zero = 1;
  CHECK(bytes_per_parameter() == Approx(6 + 12.0 / c.plan.dp)); // distributed optimizer: 6 + 12 / d
  c.plan.zero = 0;
  c.software.gradient = Precision::fp16;
  CHECK(bytes_per_parameter() == Approx(2 + 2 + 16)); // fp32 copies of parameter and gradient, two moments: 20
}

TEST_CASE("parameters over the ranks of a replica are the model's, and what is replicated", "[closed_form][transformer]") {
  for (const std::string& name : model_catalogue().names()) {
    const TransformerModel model = model_named(name);
    if (layer_kinds({.model = model}).size() > 1 || model.layer_kind(0) != LayerKind{} || model.post_norms || model.query_key_norm)
      continue; // other kinds: model_kinds_test.cpp
    for (const auto& [tp, pp] : {std::pair{1, 1}, {1, 2}, {2, 1}, {4, 2}, {8, 1}, {16, 2}}) {
      Case c;
      c.job.model = model;
      c.plan = Plan{.tp = tp, .pp = pp};
      if (!check_plan(c.job, c.plan, tp * pp).empty())
        continue;
      double held = 0;
      for (const Stage& stage : c.graph().stages)
        held += stage.parameters.si() / 2 * tp;
      const double h = model.hidden;
      const double kv_copies =
          std::max(0, tp - model.kv_heads) * static_cast<double>(model.head_dim); // elements of width, keys (or values)
      const double layer =
          (tp - 1) * (2 * model.norm_parameters() + (model.biases ? 2 * h : 0)) + 2 * kv_copies * (h + (model.biases ? 1 : 0));
      const double ends = (tp - 1) * (model.max_positions * h + model.norm_parameters());
      const double tied = pp > 1 && model.tied_embedding ? model.vocabulary * h : 0;
      CAPTURE(name, tp, pp);
      CHECK(held == Approx(model.parameters() + model.layers * layer + ends + tied).epsilon(1e-12));
    }
  }
}

} // namespace orrery::transformer_test
