// What published recipes set that the columns of a row do not: how often a scheduler looks at what waits, and how experts are spread over
// many nodes.
#include "scenarios/published/serving_rows.hpp"

#include <algorithm>

namespace orrery {

bool is_inference_max(const Cells& row) {
  return row.contains("source_ref", "id=2026_") || row.contains("source_ref", "_cfg") || row.contains("source_ref", "gap_analysis");
}

/// Exponents of the power law that AIConfigurator takes for the loads of experts where nothing balances them: DeepSeek's models and their
/// kin, and others. SGLang's blog of 5 May 2025 has 1.49 times as many prompts and 2.54 times as many tokens with DeepSeek's balanced.
constexpr double latent_loads = 1.01;
constexpr double other_loads = 1.2;
constexpr int copies = 32; // of hot experts, beyond one of each

/// DeepSeek's own deployment, and SGLang's after it: halves of a batch beside each other, hot experts in copies (arXiv 2412.19437, section
/// 3.4; LMSYS blog of 5 May 2025), and prompts of 16,384 tokens in an iteration of a device (profile-data of DeepSeek;
/// --chunked-prefill-size 524288 over 32 ranks, SGLang issue 6017, from memory). Those profiles were taken under simulated, absolutely
/// balanced routing (README of profile-data, from memory).
void set_expert_recipe(const Cells& row, ServingRow& out) {
  Routing& routing = out.job.routing;
  const Experts& experts = out.job.model.experts;
  if (experts.count == 0)
    return;
  routing = {.kind = RoutingKind::power_law, .exponent = out.job.model.latent.kv_rank > 0 ? latent_loads : other_loads};
  const bool own = row.contains("engine", "DeepSeek");
  if (!own && !row.contains("source", "large-scale EP") && !row.contains("notes", "TBO"))
    return;
  const int ranks = row.count("ep", 1);
  routing.balanced = true;
  routing.redundant = ranks > 0 && (experts.count + copies) % ranks == 0 ? copies : 0;
  routing.nodes = std::max(1, ranks / out.cluster.node.devices);
  if (row.contains("notes", "perfect EPLB") || (own && row.contains("notes", "profile:")))
    routing.kind = RoutingKind::uniform;
  out.software.serving.half_overlap = HalfOverlap::communication;
  out.software.serving.max_tokens = 16384;
}

/// InferenceMAX (benchmarks/dsr1_fp8_b200.sh, qwen3.5_bf16_b200.sh, from memory): SGLang looks for new requests of DeepSeek-R1 and of
/// Qwen3.5 every 10 iterations, every 30 from 16 users on; under attention-DP, TensorRT-LLM waits up to 60 iterations until every group has
/// a prompt.
void set_serving_recipe(const Cells& row, ServingRow& out) {
  if (!is_inference_max(row))
    return;
  const ServingPlan& plan = out.layouts.front().back().plan;
  ServingTraits& engine = out.software.serving;
  if (row.contains("engine", "SGLang") && (row.contains("model", "DeepSeek") || row.contains("model", "Qwen3.5")))
    engine.poll_iterations = row.count("concurrency") >= 16 ? 30 : 10;
  if (row.contains("engine", "TensorRT-LLM") && plan.attention_dp > 1)
    engine.poll_iterations = 60;
}

} // namespace orrery
