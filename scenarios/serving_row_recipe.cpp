// What published recipes set that the columns of a row do not: how often a scheduler looks at what waits.
#include "scenarios/serving_rows.hpp"

namespace orrery {

bool is_inference_max(const Cells& row) { return row.contains("source_ref", "id=2026_") || row.contains("source_ref", "_cfg"); }

/// InferenceMAX (benchmarks/dsr1_fp8_b200.sh and its kin): SGLang looks for new requests every 10 iterations, every 30 from 16 users on;
/// under attention-DP, TensorRT-LLM waits up to 60 iterations until every group has a prompt.
void set_serving_recipe(const Cells& row, ServingRow& out) {
  if (!is_inference_max(row))
    return;
  const ServingPlan& plan = out.layouts.front().back().plan;
  ServingTraits& engine = out.software.serving;
  if (row.contains("engine", "SGLang"))
    engine.poll_iterations = row.count("concurrency") >= 16 ? 30 : 10;
  if (row.contains("engine", "TensorRT-LLM") && plan.attention_dp > 1)
    engine.poll_iterations = 60;
}

} // namespace orrery
