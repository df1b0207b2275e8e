// What engines do to an iteration beyond its operators: padding to captured batches, a host process for each group, exchange with experts,
// caches of layers with a window, FP4 weights beside wider activations.
#include "hardware/catalogue.hpp"
#include "models/iteration_model.hpp"
#include "models/serving_memory.hpp"
#include "scenarios/data_files.hpp"
#include "tests/support/models.hpp"
#include "workloads/tables.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>

namespace orrery::serving_traits_test {

namespace {

ServingJob gpt_oss(const Device& device) {
  ServingJob job{.model = model_named("gpt-oss-120b")};
  job.weights = format_on(device, *find_weight_format("mxfp4"), job.precision);
  return job;
}

Cluster one_node(const char* node) { return {.node = load_node(node), .nodes = 1}; }

} // namespace

TEST_CASE("a decoding batch runs as the next larger captured one", "[models][serving]") {
  ServingTraits engine{.graph_sequences = 640, .graph_steps = 128};
  for (const auto& [sequences, padded] :
       {std::pair{1, 1}, {2, 2}, {3, 4}, {5, 8}, {9, 16}, {120, 120}, {121, 128}, {129, 256}, {600, 640}, {640, 640}, {641, 641}}) {
    CAPTURE(sequences);
    CHECK(padded_batch(engine, sequences) == padded);
  }
  engine.graph_steps = 0;
  CHECK(padded_batch(engine, 129) == 129);

  SoftwareProfile software = load_software("tensorrt-llm-pytorch-2026");
  software.serving.iteration_host = software.serving.sequence_host = Seconds{};
  const Cluster cluster = one_node("dgx-b200");
  ReplicaModel model(cluster, gpt_oss(cluster.node.device), {}, software, load_calibration());
  const double at_129 = model.decode(129).at(1).latency.si();
  const double at_256 = model.decode(256).at(1).latency.si();
  CHECK(at_129 < at_256); // attention of the true ones
  CHECK(at_129 > 0.9 * at_256);
  CHECK(at_129 > 1.02 * model.decode(128).at(1).latency.si());
}

TEST_CASE("shared experts on a second stream hide their starts, not their work", "[models][serving]") {
  const ServingJob job{.model = model_named("deepseek-v3")};
  SoftwareProfile beside = load_software("tensorrt-llm-pytorch-2026");
  SoftwareProfile after = beside;
  after.overlap_shared_experts = false;
  REQUIRE(beside.overlap_shared_experts);
  const KernelModel kernels(load_device("b200-sxm"), load_calibration(), beside);
  const LayerKind kind = job.model.layer_kind(job.model.layers - 1);
  std::vector<double> starts;
  for (const double tokens : {4.0, 4096.0}) {
    CAPTURE(tokens);
    const std::vector<Operator> two = ServingGraph(job, {}, beside).layer(kind, tokens, tokens);
    const std::vector<Operator> one = ServingGraph(job, {}, after).layer(kind, tokens, tokens);
    REQUIRE(two.size() == one.size());
    int launches = 0;
    Seconds saved{};
    for (std::size_t i = 0; i < one.size(); ++i) {
      launches += two[i].kernels - one[i].kernels;
      const OpCost hidden = kernels.cost(two[i]);
      const OpCost shown = kernels.cost(one[i]);
      saved += shown.time - hidden.time;
      CHECK(hidden.time.si() <= shown.time.si());
      CHECK(hidden.memory.si() == shown.memory.si());
      CHECK((two[i].kernels == 0) == two[i].name.starts_with("shared"));
    }
    CHECK(launches == 0); // the host starts as many
    starts.push_back(saved.si());
  }
  CHECK(starts.front() > 5e-6); // of three kernels
  CHECK(starts.back() == Approx(starts.front()));
}

TEST_CASE("units with FP4 arithmetic multiply MXFP4 as it is kept, at FP8's rate; others widen it", "[models][serving]") {
  const WeightFormat format = *find_weight_format("mxfp4");
  const WeightFormat blackwell = format_on(load_node("dgx-b200").device, format, Precision::bf16);
  CHECK((blackwell.mixed && blackwell.casts && blackwell.operand == Precision::fp8));
  const WeightFormat hopper = format_on(load_node("dgx-h100").device, format, Precision::bf16);
  CHECK((!hopper.mixed && !hopper.casts && hopper.operand == Precision::bf16));

  const SoftwareProfile software = load_software("tensorrt-llm-pytorch-2026");
  const KernelModel kernels(load_node("dgx-b200").device, load_calibration(), software);
  GroupedMatmul shape{.groups = 32, .rows = 32 * 4096, .n = 5760, .k = 2880, .weight_bytes = format.weight_bytes, .mixed = true};
  const auto time = [&](const GroupedMatmul& product, Precision precision) {
    return kernels.cost({.name = "up", .op_class = OpClass::gemm, .precision = precision, .shape = product}).time.si();
  };
  const double mixed = time(shape, Precision::fp8);
  shape.mixed = false;
  CHECK(mixed < time(shape, Precision::fp8)); // what the vector lanes would widen
  const double narrow = time(shape, Precision::fp4);
  CHECK(mixed > 1.5 * narrow);
  CHECK(mixed < 2 * narrow);
}

TEST_CASE("caches of layers with a window end with it only where the engine lets go", "[models][serving]") {
  const Cluster cluster = one_node("dgx-b200");
  const ServingJob job = gpt_oss(cluster.node.device);
  SoftwareProfile software = load_software("tensorrt-llm-pytorch-2026");
  const auto tokens = [&] {
    const ReplicaModel model(cluster, job, {}, software, load_calibration());
    return static_cast<double>(
        serving_memory(model.graph(), cluster.node.device, software, {.sequences = 1, .tokens = 8192, .typical_tokens = 8192}).kv_tokens);
  };
  const double whole = tokens();
  software.serving.whole_cache = false;
  // Every second layer keeps 128 of 8,192 tokens.
  CHECK(tokens() / whole == Approx(2.0 / (1 + 128.0 / 8192)).epsilon(1e-3));
}

TEST_CASE("attention-DP: tokens are gathered as the experts multiply them, or go to their ranks", "[models][serving]") {
  const Cluster cluster = one_node("dgx-b200");
  SoftwareProfile software = load_software("tensorrt-llm-pytorch-2025");
  const ServingPlan plan{.ep = 8, .attention_dp = 8};
  const auto layer = [&] {
    const ServingGraph graph(gpt_oss(cluster.node.device), plan, software);
    return graph.layer(graph.kinds().front(), 16, 128);
  };
  const auto bytes = [](const Operator* op) { return std::get<Collective>(op->shape).bytes.si(); };
  const double hidden = 2880;
  CHECK(bytes(operator_named(layer(), "expert_gather")) == Approx(128 * hidden));
  CHECK(bytes(operator_named(layer(), "expert_scatter")) == Approx(128 * hidden * 2));
  software.serving.expert_exchange = ExpertExchange::gather;
  CHECK(bytes(operator_named(layer(), "expert_gather")) == Approx(128 * hidden * 2));
  software.serving.expert_exchange = ExpertExchange::dispatch;
  CHECK(operator_named(layer(), "expert_gather") == nullptr);
  // What the busiest rank gets and sends back, each token once.
  const double busiest = routing_load({}, 128, 128, 4, 8).rank;
  const double arriving = 16 * busiest * ranks_reached(128, 4, 8 / busiest);
  CHECK(arriving > 16 * ranks_reached(128, 4, 8));
  CHECK(bytes(operator_named(layer(), "dispatch")) == Approx(arriving * hidden));
  CHECK(bytes(operator_named(layer(), "combine")) == Approx(arriving * hidden * 2));
  // No rank gets a token twice, however popular its experts are.
  ServingJob skewed = gpt_oss(cluster.node.device);
  skewed.routing = {.kind = RoutingKind::zipf, .exponent = 3};
  const ServingGraph graph(skewed, plan, software);
  const double most = bytes(operator_named(graph.layer(graph.kinds().front(), 16, 128), "dispatch"));
  CHECK(most > 0.8 * 128 * hidden);
  CHECK(most <= 128 * hidden);
}

TEST_CASE("one prompt costs padded groups what a prompt in each would", "[models][serving]") {
  const Cluster cluster = one_node("dgx-b200");
  SoftwareProfile software = load_software("vllm-v1-2025");
  const std::vector<PrefillChunk> prompts(8, {.tokens = 2048, .last = true});
  const auto latency = [&](std::size_t count) {
    ReplicaModel model(cluster, gpt_oss(cluster.node.device), {.ep = 8, .attention_dp = 8}, software, load_calibration());
    return model.cost({prompts.data(), count}, 0, 0).latency.si();
  };
  REQUIRE(software.serving.padded_groups);
  CHECK(latency(1) == Approx(latency(8)));
  const double padded = latency(1);
  software.serving.padded_groups = false;
  CHECK(latency(1) < 0.8 * padded);
  CHECK(latency(8) == Approx(padded));
}

TEST_CASE("beside prompts FlashAttention-2 reads the keys once for each head", "[models][serving]") {
  const auto slower = [&](const char* node, const ServingJob& job, bool prompts) {
    const Cluster cluster = one_node(node);
    SoftwareProfile software = load_software("vllm-v1-2025");
    REQUIRE(software.serving.joint_attention);
    const std::vector<PrefillChunk> chunks(prompts ? 1 : 0, {.tokens = 1024, .last = true});
    const auto memory = [&] {
      ReplicaModel model(cluster, job, {}, software, load_calibration());
      return model.cost(chunks, 32, 8192).memory.si();
    };
    const double joint = memory();
    software.serving.joint_attention = false;
    return joint - memory();
  };
  const ServingJob job{.model = model_named("qwen3-14b")};
  const TransformerModel& model = job.model;
  const double keys = 32.0 * 8192 * model.layers * 2 * model.head_dim * 2; // of one head
  const double lost = 1 - 40e6 / (keys / model.layers);                    // of one layer, 40 MB stay in the cache
  CHECK(lost > 0.5);
  CHECK(slower("dgx-a100", job, true) == Approx(keys * (model.heads - model.kv_heads) * lost).epsilon(0.01));
  CHECK(slower("dgx-a100", job, false) == 0);
  CHECK(slower("dgx-h100", job, true) == 0);
  CHECK(slower("dgx-a100", gpt_oss(one_node("dgx-a100").node.device), true) == 0); // sinks: other kernels
}

TEST_CASE("a compiler joins the small kernels around latent attention", "[models][serving]") {
  const ServingJob job{.model = model_named("deepseek-v3")};
  const auto kernels = [&](const char* engine) {
    const ServingGraph graph(job, {.tp = 8}, load_software(engine));
    return operator_named(graph.decode(graph.kinds().front(), 8, 1024), "latent_copies")->kernels;
  };
  CHECK(kernels("vllm-2026") == kernels("sglang-2025"));
  CHECK(kernels("vllm-2026") < kernels("vllm-0.6"));
}

TEST_CASE("norms over all heads add up their squares over tensor-parallel ranks", "[models][serving]") {
  const ServingJob job{.model = model_named("minimax-m2")};
  const auto layer = [&](int tp) {
    const ServingGraph graph(job, {.tp = tp}, load_software("vllm-2026"));
    return graph.layer(graph.kinds().front(), 32, 32);
  };
  const std::vector<Operator> split = layer(4);
  REQUIRE(operator_named(split, "qk_sum") != nullptr);
  CHECK(std::get<Collective>(operator_named(split, "qk_sum")->shape).bytes.si() == 32 * 8);
  CHECK(operator_named(layer(1), "qk_sum") == nullptr);
  CHECK(operator_named(layer(1), "qk_norm") != nullptr);
}

TEST_CASE("every group of attention-DP has a host process for its own sequences", "[models][serving]") {
  const Cluster cluster = one_node("dgx-b200");
  SoftwareProfile software = load_software("tensorrt-llm-pytorch-2025");
  const auto latency = [&](Seconds each) {
    software.serving.sequence_host = each;
    ReplicaModel model(cluster, gpt_oss(cluster.node.device), {.ep = 8, .attention_dp = 8}, software, load_calibration());
    return model.decode(800).at(1024).latency.si();
  };
  CHECK(latency(Seconds{10e-6}) - latency(Seconds{}) == Approx(100 * 10e-6));
}

TEST_CASE("experts' rows: quantised before they travel, sorted on arrival, padded beside FP4 weights", "[models][serving]") {
  const Cluster cluster = one_node("dgx-b200");
  SoftwareProfile software = load_software("tensorrt-llm-pytorch-2025");
  const auto layer = [&](const ServingJob& job) {
    const ServingGraph graph(job, {.ep = 8, .attention_dp = 8}, software);
    return graph.layer(graph.kinds().front(), 16, 128);
  };
  const auto moved = [](const Operator* op) {
    const auto& pass = std::get<Streaming>(op->shape);
    return (pass.read + pass.written).si();
  };
  ServingJob narrow = gpt_oss(cluster.node.device);
  // FP4 beside FP8: both sizes, of 2,880, are 12 times 256.
  const auto up = std::get<GroupedMatmul>(operator_named(layer(narrow), "expert_up")->shape);
  CHECK(up.n == 2 * 3072);
  CHECK(up.k == 3072);
  CHECK(operator_named(layer(narrow), "expert_sort") == nullptr);
  narrow.weights = *find_weight_format("fp8");
  const std::vector<Operator> gathered = layer(narrow);
  const auto rows = [](const std::vector<Operator>& list) {
    return std::get<GroupedMatmul>(operator_named(list, "expert_up")->shape).rows;
  };
  CHECK(std::get<GroupedMatmul>(operator_named(gathered, "expert_up")->shape).k == 2880);
  CHECK(moved(operator_named(gathered, "expert_cast")) == Approx(16 * 2880 * (2 + 1)));
  CHECK(moved(operator_named(gathered, "expert_sort")) == Approx(2880 * (std::min(128.0, rows(gathered)) + rows(gathered))));
  CHECK(moved(operator_named(gathered, "expert_join")) == Approx(2 * 2880 * (rows(gathered) + 128)));
  // Sent to their ranks alone, fewer tokens arrive, each once for a rank.
  software.serving.expert_exchange = ExpertExchange::dispatch;
  const std::vector<Operator> sent = layer(narrow);
  const double arriving = rows(sent) / 4 * ranks_reached(128, 4, 8 / routing_load({}, 128, 128, 4, 8).rank);
  CHECK(moved(operator_named(sent, "expert_cast")) == Approx(16 * 2880 * (2 + 1)));
  CHECK(moved(operator_named(sent, "expert_join")) == Approx(2 * 2880 * (rows(sent) + arriving)));
  // Gathered in half precision, they are quantised where the experts are.
  software.serving.expert_exchange = ExpertExchange::gather;
  const std::vector<Operator> late = layer(narrow);
  CHECK(moved(operator_named(late, "expert_cast")) == Approx(std::min(128.0, rows(late)) * 2880 * (2 + 1)));
}

} // namespace orrery::serving_traits_test
