// What published recipes set that the columns of a row do not: how often a scheduler looks at what waits, and speculation.
#include "scenarios/serving_rows.hpp"

#include <array>

namespace orrery {

namespace {

/// Sweeps that guess tokens with the model's own prediction layers. No column says so: they are those that the list of the same benchmark's
/// runs without speculation leaves out as a whole (81 runs, of the others it has four in five).
struct SpeculationRule {
  std::string_view version;
  std::string_view notes;
};
constexpr std::array speculation_rules = {SpeculationRule{"1.2.0rc6.post3", ""}, SpeculationRule{"1.1.0rc2.post2", "measured 2026-01-14"}};

} // namespace

bool is_inference_max(const Cells& row) { return row.contains("source_ref", "id=2026_") || row.contains("source_ref", "_cfg"); }

/// InferenceMAX (benchmarks/dsr1_fp8_b200.sh and its kin): SGLang looks for new requests every 10 iterations, every 30 from 16 users on;
/// under attention-DP, TensorRT-LLM waits up to 60 iterations until every group has a prompt; three drafts, one under attention-DP.
void set_serving_recipe(const Cells& row, ServingRow& out) {
  if (!is_inference_max(row))
    return;
  const ServingPlan& plan = out.layouts.front().back().plan;
  ServingTraits& engine = out.software.serving;
  if (row.contains("engine", "SGLang"))
    engine.poll_iterations = row.count("concurrency") >= 16 ? 30 : 10;
  if (row.contains("engine", "TensorRT-LLM") && plan.attention_dp > 1)
    engine.poll_iterations = 60;
  for (const SpeculationRule& rule : speculation_rules)
    if (out.job.model.latent.kv_rank > 0 && row.contains("engine_version", rule.version) && row.contains("notes", rule.notes)) {
      out.job.speculation.drafter = Drafter::prediction_layers;
      out.job.speculation.drafts = plan.attention_dp > 1 ? 1 : 3;
    }
}

} // namespace orrery
