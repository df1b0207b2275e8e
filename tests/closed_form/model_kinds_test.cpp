// Kinds of models against closed forms: published parameter counts, FLOPs summed over ranks, what travels between experts.
#include "tests/support/models.hpp"
#include "workloads/experts.hpp"
#include "workloads/layer.hpp"
#include "workloads/tables.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <numeric>
#include <random>

namespace orrery::model_kinds_test {
namespace {

struct Case {
  TrainingJob job;
  Plan plan;
  SoftwareProfile software;

  explicit Case(const std::string& model) {
    job.model = model_named(model);
    job.sequence = 4096;
    job.global_batch = 32;
    plan = {.tp = 2, .dp = 4, .sequence_parallel = true};
  }

  [[nodiscard]] OpGraph graph() const {
    const std::vector<Violation> violations = check_plan(job, plan, plan.ranks());
    INFO((violations.empty() ? "" : violations.front().constraint));
    REQUIRE(violations.empty());
    return build_training_graph(job, plan, software);
  }
  [[nodiscard]] Block block(const std::string& name) const {
    const OpGraph built = graph();
    for (const Block& each : built.blocks)
      if (each.name == name)
        return each;
    FAIL("no block " << name);
    return {};
  }
};

double product_flops(const std::vector<Operator>& list) {
  double sum = 0;
  for (const Operator& op : list) {
    if (const auto* m = std::get_if<Matmul>(&op.shape))
      sum += 2 * m->batch * m->m * m->n * m->k;
    if (const auto* g = std::get_if<GroupedMatmul>(&op.shape))
      sum += 2 * g->rows * g->n * g->k;
    if (const auto* scan = std::get_if<ChunkScan>(&op.shape))
      sum += (scan->backward ? 2 : 1) * scan->sequences * scan->heads * scan->tokens * scan->flops;
    if (const auto* a = std::get_if<FusedAttention>(&op.shape)) {
      const double value_dim = a->value_dim > 0 ? a->value_dim : a->head_dim;
      double pairs = a->queries * a->keys / 2;
      if (a->window > 0) // a triangle where the window is not full yet, a band after it
        pairs = a->window * a->window / 2 + (a->queries - a->window) * a->window;
      sum += (a->backward ? 2.5 : 1) * 2 * a->batch * a->heads * (a->head_dim + value_dim) * pairs;
    }
  }
  return sum;
}

double step_flops_of(const OpGraph& graph) {
  double sum = 0;
  for (const Stage& stage : graph.stages)
    for (const int chunk : stage.chunks)
      for (const BlockUse& use : graph.chunks[static_cast<std::size_t>(chunk)].blocks) {
        const Block& block = graph.blocks[static_cast<std::size_t>(use.block)];
        sum += use.count * (product_flops(block.forward) + product_flops(block.backward));
      }
  return sum * graph.micro_batches * graph.groups.at(Group::tensor).size * graph.groups.at(Group::data).size;
}

const Operator* find(const std::vector<Operator>& list, const std::string& name) {
  const auto found = std::find_if(list.begin(), list.end(), [&](const Operator& op) { return op.name == name; });
  return found == list.end() ? nullptr : &*found;
}

double bytes_of(const Block& block, const std::string& name) {
  const Operator* op = find(block.forward, name);
  return op == nullptr ? 0 : std::get<Collective>(op->shape).bytes.si();
}

} // namespace

TEST_CASE("parameters of a model are those published", "[closed_form][model]") {
  struct Published {
    const char* name;
    double total;  ///< in billions
    double active; ///< in billions; 0 = not stated
  };
  for (const Published& said : {Published{"mixtral-8x7b", 46.7, 12.9},            // Mistral AI, announcement of Mixtral
                                Published{"mixtral-8x22b", 141, 39},              // Mistral AI, announcement of Mixtral 8x22B
                                Published{"qwen2-57b-a14b", 57.4, 14.2},          // model card
                                Published{"qwen3-30b-a3b", 30.5, 3.3},            // model card
                                Published{"qwen3-235b-a22b", 235, 22},            // model card
                                Published{"deepseek-v2", 236, 21},                // arXiv 2405.04434
                                Published{"deepseek-v2-lite", 15.7, 0},           // arXiv 2405.04434, appendix B
                                Published{"deepseek-v3", 671, 37},                // arXiv 2412.19437
                                Published{"deepseek-v3.2", 671, 0},               // model card
                                Published{"glm-5", 744, 0},                       // model card
                                Published{"gpt-oss-20b", 20.9, 0},                // arXiv 2508.10925, table 1
                                Published{"gpt-oss-120b", 116.8, 0},              // arXiv 2508.10925, table 1
                                Published{"llama4-scout", 108, 17},               // model card: 109 with the vision tower
                                Published{"llama4-maverick", 400, 17},            // model card
                                Published{"gemma2-9b", 9.24, 0},                  // arXiv 2408.00118, table 2
                                Published{"gemma2-27b", 27.2, 0},                 // arXiv 2408.00118, table 2
                                Published{"gemma3-27b", 27.0, 0},                 // arXiv 2503.19786, table 1, without the vision tower
                                Published{"nemotron-h-8b", 8.1, 0},               // model card
                                Published{"qwen3-8b", 8.2, 0},                    // arXiv 2505.09388
                                Published{"qwen3-32b", 32.8, 0},                  // model card
                                Published{"qwen3-coder-480b-a35b", 480, 35},      // model card
                                Published{"qwen3-next-80b-a3b", 80, 0},           // model card
                                Published{"qwen3.5-397b-a17b", 397, 17},          // model card
                                Published{"qwen2.5-72b", 72.7, 0},                // model card
                                Published{"llama3.2-1b", 1.23, 0},                // model card
                                Published{"llama3.2-3b", 3.21, 0},                // model card
                                Published{"minimax-m1", 456, 0},                  // arXiv 2501.08313; 45.9 active, embeddings left out
                                Published{"minimax-m2", 229, 0},                  // model card
                                Published{"kimi-k2", 1030, 32.6},                 // model card; arXiv 2507.20534
                                Published{"glm-4.5", 355, 0},                     // arXiv 2508.06471, without the prediction layer
                                Published{"glm-4.5-air", 106, 0},                 // arXiv 2508.06471
                                Published{"nemotron-nano-v2-9b", 8.89, 0},        // model card
                                Published{"nemotron-nano-v2-12b", 12.31, 0},      // model card
                                Published{"gemma3-12b", 11.77, 0},                // arXiv 2503.19786, table 1, without the vision tower
                                Published{"phi-4-14b", 14.7, 0},                  // model card
                                Published{"phi-3.5-moe", 41.9, 6.6},              // model card
                                Published{"pangu-pro-moe-72b-a16b", 71.99, 16.5}, // arXiv 2505.21411
                                Published{"dbrx", 132, 36},                       // announcement
                                Published{"gpt-j-6b", 6.05, 0},                   // model card
                                Published{"falcon-180b", 180, 0},                 // arXiv 2311.16867
                                Published{"seed-oss-36b", 36, 0},                 // model card
                                Published{"granite-3-8b", 8.17, 0},               // model card
                                Published{"smollm2-1.7b", 1.71, 0},               // model card
                                Published{"gpt2-124m", 0.124, 0},                 // model card
                                Published{"exaone-4.0-32b", 32, 0},               // model card
                                Published{"ernie-4.5-300b-a47b", 300, 47},        // model card
                                Published{"hunyuan-a13b", 80, 13},                // model card
                                Published{"ling-1t", 1000, 0},                    // model card
                                Published{"dots.llm1", 142, 14},                  // arXiv 2506.05767
                                Published{"mistral-nemo-12b", 12.2, 0}}) {        // model card
    const TransformerModel model = model_named(said.name);
    CAPTURE(said.name, model.parameters(), model.active_parameters());
    CHECK(model.parameters() == Approx(said.total * 1e9).epsilon(0.01));
    if (said.active > 0)
      CHECK(model.active_parameters() == Approx(said.active * 1e9).epsilon(0.035));
  }
}

TEST_CASE("the operators of all ranks add up to the stated FLOPs of every kind of model", "[closed_form][model]") {
  for (const std::string name : {"mixtral-8x7b", "qwen2-57b-a14b", "qwen3-30b-a3b", "deepseek-v2-lite", "deepseek-v3", "gpt-oss-20b",
                                 "llama4-maverick", "gemma2-9b", "gemma3-27b", "nemotron-h-8b"}) {
    Case c(name);
    if (c.job.model.experts.count > 0)
      c.job.model.experts.capacity = 1; // every rank alike
    for (const Recompute recompute : {Recompute::none, Recompute::full})
      for (const int tp : {1, 2})
        for (const int ep : {1, 4}) {
          if (ep > 1 && c.job.model.experts.count == 0)
            continue;
          c.plan.recompute = recompute;
          c.plan.tp = tp;
          c.plan.ep = ep;
          CAPTURE(name, static_cast<int>(recompute), tp, ep);
          const OpGraph graph = c.graph();
          CHECK(step_flops_of(graph) == Approx(graph.flops.executed.si()).epsilon(1e-12));
        }
  }
}

TEST_CASE("FLOPs are about six for every active parameter and token", "[closed_form][model]") {
  for (const std::string name : {"mixtral-8x7b", "qwen3-235b-a22b", "deepseek-v2", "gpt-oss-120b", "nemotron-h-8b"}) {
    Case c(name);
    c.job.sequence = 512; // attention itself is little
    const TransformerModel& model = c.job.model;
    const double table = static_cast<double>(model.vocabulary) * model.hidden; // the token table is looked up, not multiplied
    const double tokens = static_cast<double>(c.job.global_batch) * c.job.sequence;
    CAPTURE(name);
    CHECK(c.graph().flops.causal.si() == Approx(6 * (model.active_parameters() - table) * tokens).epsilon(0.04));
  }
}

TEST_CASE("the gated delta rule is built by chunks", "[closed_form][model]") {
  Case c("nemotron-h-8b");
  c.job.model.pattern.clear();
  c.job.model.full_attention_every = 4;
  c.job.model.recurrent = {.kind = RecurrentKind::gated_delta, .heads = 32, .head_dim = 128, .key_heads = 16, .key_dim = 128, .chunk = 64};
  const OpGraph graph = c.graph();
  CHECK(graph.blocks[0].name == "recurrent_layer");
  CHECK(graph.blocks[1].name == "layer");
  CHECK(graph.chunks[0].blocks[1].count == 39);
  CHECK(graph.chunks[0].blocks[2].count == 13);
  CHECK(step_flops_of(graph) == Approx(graph.flops.executed.si()).epsilon(1e-12));
}

TEST_CASE("experts are spread over their ranks once", "[closed_form][model]") {
  Case c("deepseek-v3");
  const TransformerModel& model = c.job.model;
  for (const auto& [ep, etp] : {std::pair{1, 1}, {2, 1}, {8, 1}, {4, 2}, {2, 2}}) {
    c.plan.ep = ep;
    c.plan.etp = etp;
    CAPTURE(ep, etp);
    CHECK(c.block("moe_layer").expert_parameters * ep * etp == Approx(256 * model.expert_parameters()).epsilon(1e-12));
    CHECK(c.block("layer").expert_parameters == 0);
  }
  SECTION("layers of a pipeline are of the kinds that stand there") {
    c.plan = {.tp = 1, .pp = 4, .dp = 4, .ep = 4, .stage_layers = {16, 15, 15, 15}};
    const OpGraph graph = c.graph();
    const auto count = [&](int chunk, const std::string& name) {
      int sum = 0;
      for (const BlockUse& use : graph.chunks[static_cast<std::size_t>(chunk)].blocks)
        sum += graph.blocks[static_cast<std::size_t>(use.block)].name == name ? use.count : 0;
      return sum;
    };
    CHECK(count(0, "layer") == 3);
    CHECK(count(0, "moe_layer") == 13);
    CHECK(count(1, "moe_layer") == 15);
    CHECK(count(2, "moe_layer") == 16); // with the prediction layer
    CHECK(count(2, "prediction_head") == 1);
    double held = 0;
    for (const Stage& stage : graph.stages)
      held += stage.parameters.si() / 2;
    const double experts = 58.0 * 256 * model.expert_parameters();
    const double entry = 2.0 * model.hidden * model.hidden + 3 * model.norm_parameters();
    const double prediction = model.layer_parameters(model.layer_kind(60), 256 / 4) + entry;
    CHECK(held == Approx(model.parameters() - experts * 3 / 4 + prediction).epsilon(1e-12));
  }
}

TEST_CASE("rows of experts in fewer bits are padded where their number is not set", "[closed_form][model]") {
  Case c("qwen3-30b-a3b");
  c.plan = {.dp = 8, .ep = 8};
  const auto copies = [&] {
    const Block block = c.block("moe_layer");
    double bytes = 0;
    for (const auto& [list, name] : {std::pair{&block.forward, "expert_pad"},
                                     {&block.forward, "expert_unpad"},
                                     {&block.backward, "unpad_grad"},
                                     {&block.backward, "pad_grad"}})
      if (const Operator* op = find(*list, name))
        bytes += std::get<Streaming>(op->shape).read.si();
    return bytes;
  };
  CHECK(copies() == 0);
  c.job.recipe = Recipe::mxfp8;
  const double rows = std::get<GroupedMatmul>(find(c.block("moe_layer").forward, "expert_up")->shape).rows;
  CHECK(copies() == Approx(4 * rows * 2048 * 2)); // in half precision, there and back, each way
  c.software.grouped_experts = true;              // one kernel takes them as they lie
  CHECK(copies() == 0);
  c.software.grouped_experts = false;
  c.job.model.experts.capacity = 1;
  CHECK(copies() == 0);
}

TEST_CASE("tokens travel to their experts and back", "[closed_form][model]") {
  Case c("deepseek-v3");
  c.plan = {.dp = 64, .ep = 64};
  c.job.global_batch = 64;
  c.job.model.experts.capacity = 1;
  const double token = 7168 * 2;
  SECTION("a copy for each expert") {
    const Block block = c.block("moe_layer");
    CHECK(bytes_of(block, "dispatch") == Approx(4096 * 8 * token));
    CHECK(bytes_of(block, "combine") == bytes_of(block, "dispatch"));
    CHECK(std::get<Collective>(find(block.forward, "dispatch")->shape).group == Group::expert);
    CHECK(std::get<GroupedMatmul>(find(block.forward, "expert_up")->shape).rows == Approx(4096 * 8));
    CHECK(std::get<GroupedMatmul>(find(block.forward, "expert_up")->shape).groups == 4);
    CHECK(find(block.forward, "expert_up")->kernels == 4);
  }
  SECTION("a copy for each of the four groups that a token is limited to") {
    c.software.expert_dispatch = ExpertDispatch::deduplicated;
    // One of four groups of 32 experts is missed by all eight choices with probability (96 x ... x 89) / (128 x ... x 121).
    double missed = 1;
    for (int i = 0; i < 8; ++i)
      missed *= (96.0 - i) / (128 - i);
    CHECK(bytes_of(c.block("moe_layer"), "dispatch") == Approx(4096 * 4 * (1 - missed) * token));
  }
  SECTION("a copy for each rank where nothing limits it") {
    c.software.expert_dispatch = ExpertDispatch::deduplicated;
    c.job.model.experts.groups = c.job.model.experts.top_groups = 1;
    double missed = 1;
    for (int i = 0; i < 8; ++i)
      missed *= (252.0 - i) / (256 - i);
    CHECK(bytes_of(c.block("moe_layer"), "dispatch") == Approx(4096 * 64 * (1 - missed) * token));
  }
  SECTION("nothing on one rank") {
    c.plan = {};
    const Block block = c.block("moe_layer");
    for (const Operator& op : block.forward)
      CHECK_FALSE(std::holds_alternative<Collective>(op.shape));
    CHECK(std::get<GroupedMatmul>(find(block.forward, "expert_up")->shape).rows == Approx(4096 * 8));
  }
  SECTION("shards of an expert gather the rows of their group") {
    c.plan = {.tp = 2, .dp = 8, .ep = 8, .etp = 2, .sequence_parallel = true};
    const Block block = c.block("moe_layer");
    CHECK(bytes_of(block, "dispatch") == Approx(2048 * 8 * token));
    CHECK(bytes_of(block, "expert_gather") == Approx(2 * 2048 * 8 * token));
    CHECK(std::get<GroupedMatmul>(find(block.forward, "expert_up")->shape).rows == Approx(2 * 2048 * 8));
    CHECK(std::get<GroupedMatmul>(find(block.forward, "expert_up")->shape).n == 2 * 1024);
  }
}

TEST_CASE("the busiest rank is felt", "[closed_form][model]") {
  SECTION("independent draws are nearly even") {
    const RoutingLoad load = routing_load({}, 64 * 4096, 256, 8, 64);
    CHECK(load.rank == Approx(1 + 2.35 * std::sqrt(63.0 / (64 * 4096 * 8))).epsilon(0.002)); // expected maximum of 64 normal draws
    CHECK(routing_load({}, 64 * 4096, 256, 8, 1).rank == 1);
  }
  SECTION("a power law is as uneven as drawn orders of the experts are") {
    std::mt19937 random(7);
    for (const double exponent : {0.4, 0.8, 1.2}) {
      constexpr int experts = 64, ranks = 8, draws = 400;
      std::vector<double> shares(experts);
      for (int i = 0; i < experts; ++i)
        shares[static_cast<std::size_t>(i)] = std::pow(i + 1, -exponent);
      const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
      double mean = 0;
      for (int draw = 0; draw < draws; ++draw) {
        for (std::size_t i = shares.size() - 1; i > 0; --i)
          std::swap(shares[i], shares[random() % (i + 1)]);
        double busiest = 0;
        for (int rank = 0; rank < ranks; ++rank)
          busiest = std::max(busiest, std::accumulate(shares.begin() + rank * 8, shares.begin() + rank * 8 + 8, 0.0));
        mean += busiest / sum * ranks / draws;
      }
      CAPTURE(exponent, mean);
      CHECK(routing_load({.kind = RoutingKind::zipf, .exponent = exponent}, 1e12, experts, 1, ranks).rank == Approx(mean).epsilon(0.1));
    }
  }
  SECTION("a power law of loads is as uneven as loads drawn from it") {
    std::mt19937 random(11);
    std::uniform_real_distribution<double> uniform(0, 1);
    for (const double exponent : {1.01, 1.2}) {
      constexpr int experts = 256, ranks = 32, draws = 400;
      double mean = 0;
      for (int draw = 0; draw < draws; ++draw) {
        std::vector<double> loads(experts);
        for (double& load : loads) // cumulative share u of x^-s from 1 to 0.8 of 125,000 tokens
          load = std::pow(1 + (std::pow(1e5, 1 - exponent) - 1) * uniform(random), 1 / (1 - exponent));
        double busiest = 0;
        for (int rank = 0; rank < ranks; ++rank)
          busiest = std::max(busiest, std::accumulate(loads.begin() + rank * 8, loads.begin() + rank * 8 + 8, 0.0));
        mean += busiest / std::accumulate(loads.begin(), loads.end(), 0.0) * ranks / draws;
      }
      CAPTURE(exponent, mean);
      const double rank = routing_load({.kind = RoutingKind::power_law, .exponent = exponent}, 1.25e5, experts, 1, ranks).rank;
      CHECK(rank > 0.82 * mean);
      CHECK(rank < mean);
    }
  }
  SECTION("a token chooses an expert once") {
    const Routing steep{.kind = RoutingKind::zipf, .exponent = 10};
    CHECK(routing_load(steep, 1e12, 8, 2, 8).largest == Approx(4)); // half of all rows, over the mean of an eighth
  }
  SECTION("few tokens leave experts without one") {
    CHECK(routing_load({}, 1, 128, 4, 1).touched == Approx(4.0 / 128));
    CHECK(routing_load({}, 32, 128, 4, 1).touched == Approx(1 - std::pow(1 - 4.0 / 128, 32)));
    CHECK(routing_load({}, 1e6, 128, 4, 1).touched == Approx(1));
    const RoutingLoad split = routing_load({}, 32, 128, 4, 8);
    CHECK(split.any == Approx(1 - std::pow(1 - 4.0 / 128, 32)));
    CHECK(split.touched > split.any); // the busiest rank has more rows
  }
  SECTION("skewed loads leave experts without a token") {
    const Routing two{.kind = RoutingKind::measured, .shares = {1, 1, 0, 0}};
    CHECK(routing_load(two, 100, 4, 1, 1).touched == Approx(0.5));
    // Of loads drawn from x^-1.2 between 1 and 51.2, over 256 rows, an expert gets what its share rounds to.
    std::mt19937 random(5);
    std::uniform_real_distribution<double> uniform(0, 1);
    constexpr int experts = 128, draws = 200;
    double mean = 0;
    for (int draw = 0; draw < draws; ++draw) {
      std::vector<double> loads(experts);
      for (double& load : loads)
        load = std::pow(1 + (std::pow(51.2, -0.2) - 1) * uniform(random), -5);
      const double row = std::accumulate(loads.begin(), loads.end(), 0.0) / 256;
      mean += static_cast<double>(std::ranges::count_if(loads, [&](double load) { return load > row / 2; })) / experts / draws;
    }
    const Routing power{.kind = RoutingKind::power_law, .exponent = 1.2};
    CHECK(routing_load(power, 64, experts, 4, 1).touched == Approx(mean).epsilon(0.08));
    double before = 0;
    for (int tokens = 1; tokens < 2048; ++tokens) { // more tokens go to more experts, never to more than even draws
      const double touched = routing_load(power, tokens, experts, 4, 1).touched;
      CAPTURE(tokens);
      CHECK(touched >= before);
      CHECK(touched <= routing_load({}, tokens, experts, 4, 1).touched * (1 + 1e-12));
      before = touched;
    }
  }
  SECTION("a histogram is taken as it is") {
    const RoutingLoad load = routing_load({.kind = RoutingKind::measured, .shares = {1, 3, 2, 2}}, 100, 4, 1, 2);
    CHECK(load.rank == 1);
    CHECK(load.largest == Approx(1.5));
    CHECK(routing_load({.kind = RoutingKind::measured, .shares = {1, 1, 4, 2}}, 100, 4, 1, 2).rank == Approx(1.5));
  }
  SECTION("it multiplies what the experts compute and what travels, up to the capacity") {
    Case c("mixtral-8x7b");
    c.plan = {.dp = 8, .ep = 8};
    c.job.routing = {.kind = RoutingKind::measured, .shares = {2, 1, 1, 1, 1, 1, 1, 0}};
    const auto rows = [&] { return std::get<GroupedMatmul>(find(c.block("moe_layer").forward, "expert_up")->shape).rows; };
    CHECK(rows() == Approx(2 * 4096 * 2));
    CHECK(bytes_of(c.block("moe_layer"), "dispatch") == Approx(2 * 4096 * 2 * 4096 * 2.0));
    c.job.model.experts.capacity = 1.25;
    CHECK(rows() == Approx(1.25 * 4096 * 2));
  }
}

TEST_CASE("a window bounds what attention sees", "[closed_form][model]") {
  Case c("gemma2-9b");
  CHECK(c.graph().blocks[0].name == "layer"); // 4,096 tokens fill no window
  CHECK(c.graph().blocks[1].name == "embedding");
  c.job.sequence = 16384;
  const OpGraph graph = c.graph();
  CHECK(graph.blocks[0].name == "window_layer");
  CHECK(graph.blocks[1].name == "layer");
  CHECK(graph.chunks[0].blocks[1].count == 21);
  CHECK(graph.chunks[0].blocks[2].count == 21);
  CHECK(std::get<FusedAttention>(find(graph.blocks[0].forward, "attention")->shape).window == 4096);
  CHECK(std::get<FusedAttention>(find(graph.blocks[1].forward, "attention")->shape).window == 0);
}

TEST_CASE("plans that cannot split a model are told so", "[closed_form][model]") {
  const auto told = [](const Case& c) {
    std::string all;
    for (const Violation& violation : check_plan(c.job, c.plan, c.plan.ranks()))
      all += violation.constraint + "\n";
    return all;
  };
  Case c("deepseek-v3");
  c.plan = {.tp = 1, .dp = 12, .ep = 12};
  CHECK_THAT(told(c), Catch::Contains("experts 256 is not divisible by ep 12"));
  c.plan = {.tp = 2, .dp = 4, .ep = 4};
  CHECK_THAT(told(c), Catch::Contains("tp 2 > 1 without sequence_parallel"));
  c.plan = {.dp = 4, .ep = 8};
  CHECK_THAT(told(c), Catch::Contains("ep x etp 8 does not divide tp x cp x dp 4"));
  c.plan = {.dp = 4};
  c.job.routing = {.kind = RoutingKind::measured, .shares = {1, 2}};
  CHECK_THAT(told(c), Catch::Contains("routing has 2 shares, the model has 256 experts"));
  Case dense("llama3-8b");
  dense.plan = {.dp = 4, .ep = 2};
  CHECK_THAT(told(dense), Catch::Contains("ep 2 > 1: llama3-8b has no experts"));
}

} // namespace orrery::model_kinds_test
