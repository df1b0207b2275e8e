#include "hardware/catalogue.hpp"
#include "models/iteration_model.hpp"
#include "models/serving_memory.hpp"
#include "scenarios/data_files.hpp"
#include "sim/base/random.hpp"
#include "sim/engine/serving.hpp"
#include "tests/benchmarks/rows.hpp"

#include <algorithm>
#include <memory>
#include <stdexcept>

namespace orrery::bench {

namespace {

/// The law of the anchor's trace: Poisson arrivals, lognormal lengths.
RequestStream stream(std::size_t count, double rate) {
  RequestStream stream;
  stream.requests.reserve(count);
  RandomStream random(1, "benchmark");
  double now = 0;
  const auto length = [&](double median, double sigma, double low, double high) {
    return static_cast<std::uint32_t>(std::clamp(median * random.lognormal(0, sigma), low, high));
  };
  for (std::size_t i = 0; i < count; ++i) {
    now += random.exponential(1 / rate);
    stream.requests.push_back({.arrival = Seconds{now}, .input = length(600, 0.9, 16, 3000), .output = length(150, 0.8, 4, 1000)});
  }
  return stream;
}

/// CodeLlama 34B on pairs of A100, eight replicas, at most 128 sequences, as the anchor ran it. Building the cost model is part of a run.
void serve(std::size_t requests, bool skip) {
  const Cluster cluster{.node = load_node("dgx-a100"), .nodes = 2};
  TransformerModel model{.name = "codellama-34b", .layers = 48, .hidden = 8192, .heads = 64, .kv_heads = 8, .head_dim = 128};
  model.ffn_hidden = 22016;
  model.ffn = FfnKind::gated;
  model.vocabulary = 32000;
  model.tied_embedding = model.biases = false;
  model.position = PositionKind::rotary;
  model.norm = NormKind::rms_norm;
  const ServingJob job{.model = model, .precision = Precision::fp16, .weights = weight_formats().front(), .kv = Precision::fp16};
  const SoftwareProfile software = load_software("vllm-0.6");
  ReplicaModel costs(cluster, job, {.tp = 2}, software, load_calibration());
  const auto policy = std::ranges::find(batching_policies(), "vllm-v0", &BatchingPolicy::name);
  ServingReplica replica{.model = &costs, .policy = *policy};
  replica.policy.max_sequences = 128;
  replica.kv_blocks = serving_memory(costs.graph(), cluster.node.device, software, {.sequences = 128, .tokens = 8192}).kv_blocks;
  const ServingRun run = simulate_serving(stream(requests, 16), {.replicas = std::vector<ServingReplica>(8, replica)}, {.skip = skip});
  for (const RequestRecord& record : run.requests)
    if (record.outcome != Outcome::served)
      throw std::runtime_error("every request is served");
}

} // namespace

Rows serving_rows() {
  return {{"serving, 10,000 requests on 8 replicas, batch cap 128, paged KV", 0.1, [] { serve(10'000, true); }},
          {"serving, the same, every iteration stepped through", 1, [] { serve(10'000, false); }},
          {"serving, 1,000,000 requests by the same law", 10, [] { serve(1'000'000, true); }, 3}};
}

} // namespace orrery::bench
