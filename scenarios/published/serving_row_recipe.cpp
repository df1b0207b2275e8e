// What published recipes set that the columns of a row do not: how often a scheduler looks at what waits, and how experts are spread over
// many nodes.
#include "scenarios/published/serving_rows.hpp"

#include <array>

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

/// InferenceMAX serves some models a second time with tokens guessed by their prediction layer, under configurations of their own
/// (dsr1-fp4-b200-trt-mtp and its kin since January 2026, qwen3.5-fp8-b200-sglang-mtp), and its figures name them by release and date
/// alone: the image of all such runs, or the days of their campaign. benchmarks/*_mtp*.sh guess three tokens, DeepSeek-R1's one under
/// attention-DP. All from memory; the rows bear it out: of one configuration and release they differ by a factor of two between dates, and
/// Qwen3.5 is quicker on four devices than on eight.
struct DraftRule {
  std::string_view engine;
  std::string_view model;
  std::string_view release;
  std::string_view measured;
};
constexpr std::array draft_rules = {DraftRule{"TensorRT-LLM", "DeepSeek", "1.1.0rc2.post2", "measured 2026"},
                                    DraftRule{"TensorRT-LLM", "DeepSeek", "1.2.0rc6.post3", ""},
                                    DraftRule{"SGLang", "Qwen3.5", "0.5.9", "measured 2026-03-20"}};
constexpr double one_accepted = 0.85; ///< of the first guess (DeepSeek-V3, arXiv 2412.19437, section 5.4.3: 85 to 90%)
constexpr double three_accepted =
    0.675; ///< 2.44 tokens an iteration (LMSYS blog on predicted tokens, 17 July 2025: windows of four tokens)

bool predicts_tokens(const Cells& row) {
  return std::ranges::any_of(draft_rules, [&](const DraftRule& each) {
    return row.contains("engine", each.engine) && row.contains("model", each.model) && row.contains("engine_version", each.release) &&
           row.contains("notes", each.measured);
  });
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
  if (predicts_tokens(row)) {
    const bool one = plan.attention_dp > 1;
    out.job.speculation = {.drafter = Drafter::prediction_layers, .drafts = one ? 1 : 3, .acceptance = one ? one_accepted : three_accepted};
  }
}

} // namespace orrery
