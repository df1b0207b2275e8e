// What published recipes set that the columns of a row do not: how often a scheduler looks at what waits, and how experts are spread over
// many nodes.
#include "scenarios/published/serving_rows.hpp"

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
/// --chunked-prefill-size 524288 over 32 ranks, SGLang issue 6017, from memory).
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
  if (row.contains("notes", "perfect EPLB"))
    routing.kind = RoutingKind::uniform;
  out.software.serving.half_overlap = HalfOverlap::communication;
  out.software.serving.max_tokens = 16384;
}

/// Deployments that captured no graphs. No note of a release says so of TensorRT-LLM 1.3.0rc1; its rows do: with it a token takes as long
/// for 5 sequences as for 56 and on four devices as on eight (85 to 92 ms of DeepSeek-R1 on B200, 47 to 60 of gpt-oss-120b on H100: some
/// 1.4 ms a layer of either), four times as long as with 1.3.0rc5.
bool runs_eagerly(const Cells& row) { return row.contains("engine", "TensorRT-LLM") && row.contains("engine_version", "1.3.0rc1"); }

/// Whether InferenceMAX served DeepSeek-R1 with its prediction layer. Such runs have images of their own (.github/configs,
/// nvidia-master.yaml: dsr1-fp4-b200-trt-mtp and dsr1-fp8-b200-trt-mtp beside dsr1-*-trt, from memory): TensorRT-LLM 1.2.0rc6.post3 where
/// the others have post2, and before it 1.1.0rc2.post2, which the others had left when these came, in January 2026.
bool predicts_tokens(const Cells& row) {
  if (!row.contains("engine", "TensorRT-LLM") || !row.contains("model", "DeepSeek"))
    return false;
  return row.contains("engine_version", "1.2.0rc6.post3") ||
         (row.contains("engine_version", "1.1.0rc2.post2") && row.contains("notes", "measured 2026"));
}

/// Three tokens ahead, one under attention-DP (benchmarks/dsr1_fp4_b200_trt_mtp.sh, from memory). AIConfigurator, whose table it is, takes
/// the first to be right in 0.85 of the cases, the next one in 0.3 of those and the third never (nextn_accept_rates, from memory): 1.85
/// tokens of an iteration, and 2.105.
Speculation predicted_tokens(const ServingPlan& plan) {
  constexpr double one_draft = 0.85;
  constexpr double three_drafts = 0.578; // of each: 1 + a + a^2 + a^3 = 2.105
  const bool groups = plan.attention_dp > 1;
  return {.drafter = Drafter::prediction_layers, .drafts = groups ? 1 : 3, .acceptance = groups ? one_draft : three_drafts};
}

/// InferenceMAX (benchmarks/dsr1_fp8_b200.sh, qwen3.5_bf16_b200.sh, from memory): SGLang looks for new requests of DeepSeek-R1 and of
/// Qwen3.5 every 10 iterations, every 30 from 16 users on; under attention-DP, TensorRT-LLM waits up to 60 iterations until every group has
/// a prompt.
void set_serving_recipe(const Cells& row, ServingRow& out) {
  if (runs_eagerly(row))
    out.software.serving.graph_sequences = 0;
  if (!is_inference_max(row))
    return;
  const ServingPlan& plan = out.layouts.front().back().plan;
  ServingTraits& engine = out.software.serving;
  if (row.contains("engine", "SGLang") && (row.contains("model", "DeepSeek") || row.contains("model", "Qwen3.5")))
    engine.poll_iterations = row.count("concurrency") >= 16 ? 30 : 10;
  if (row.contains("engine", "TensorRT-LLM") && plan.attention_dp > 1)
    engine.poll_iterations = 60;
  if (predicts_tokens(row)) {
    out.job.model.prediction_layers = 1;
    out.job.speculation = predicted_tokens(plan);
  }
}

} // namespace orrery
