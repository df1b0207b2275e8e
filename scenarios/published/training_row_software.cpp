#include "scenarios/data_files.hpp"
#include "scenarios/published/training_row_cells.hpp"
#include "workloads/tables.hpp"

#include <algorithm>
#include <array>

namespace orrery {

namespace {

/// Frameworks, first match wins: parts of the framework, accelerator, precision and group columns in lower case. A framework without a
/// profile of its own takes that of its kind, and one of unknown kind Megatron-Core's.
struct SoftwareRule {
  std::string_view framework;
  std::string_view profile;
  bool fp32_gradients_for_bf16 = false; ///< Megatron-LM insists; BLOOM's published memory has no room for them
  std::string_view accelerator = {};
  std::string_view precision = {};
  std::string_view group = {};
};
constexpr SoftwareRule software_rules[] = {
    // Compilers of their own, whatever the front end.
    {"", "maxtext-2024", false, "tpu"},
    {"", "maxtext-2024", false, "trillium"},
    {"", "maxtext-2024", false, "ironwood"},
    {"", "maxtext-2024", false, "trn"},
    {"", "maxtext-2024", false, "trainium"},
    {"nemo-megatron", "megatron-2022", true},
    {"deepspeed zero-3", "deepspeed-zero3-2021", false, "v100"},
    {"deepspeed zero-3", "deepspeed-zero3-2021", false, "a100"},
    {"deepspeed zero-3", "deepspeed-zero3-2023"},
    {"deepspeed zero++", "deepspeed-zero3-2023"},
    {"zero-infinity", "deepspeed-zero3-2021"},
    {"deepspeed", "megatron-core-2024", false, "gaudi"},
    {"deepspeed", "megatron-deepspeed-2021", false, "", "", "mt-nlg"},
    {"deepspeed", "megatron-deepspeed-2022"},
    {"gpt-neox", "megatron-deepspeed-2022"},
    {"megatron-bridge", "megatron-bridge-2025"},
    {"nemo", "megatron-core-2024", true},
    {"modellink", "modellink-2024"},
    {"mindspeed", "modellink-2024"},
    {"", "modellink-2024", false, "ascend"},
    {"", "modellink-2024", false, "910"},
    {"megatron-lm fork", "megatron-2023", true},
    {"megatron-lm", "megatron-2021", true, "a100"},
    {"megatron-lm", "megatron-2021", true, "a800"},
    {"megatron-lm", "megatron-2021", true, "v100"},
    {"megatron-lm", "megatron-core-2024", true},
    {"megascale", "megatron-2023", true},
    {"llm-foundry", "composer-fsdp-2023"},
    {"llm foundry", "composer-fsdp-2023"},
    {"composer", "composer-fsdp-2023"},
    {"mosaic", "composer-fsdp-2023"},
    {"torchtitan+torch.compile", "torchtitan-compile-2025"},
    {"torchtitan", "torchtitan-2025"},
    {"fsdp + compile", "fsdp-compile-2024"},
    {"fsdp+compile", "fsdp-compile-2024"},
    {"fms", "fsdp-compile-2024"},
    {"fsdp2", "torchtitan-2025"},
    {"fsdp", "pytorch-fsdp-2023"},
    // What trains the models of Hugging Face transformers and their like: separate projections and norms of elementary operators.
    {"hugging", "torchtitan-2025"},
    {"transformers", "torchtitan-2025"},
    {"accelerate", "torchtitan-2025"},
    {"axolotl", "torchtitan-2025"},
    {"llama-factory", "torchtitan-2025"},
    {"llamafactory", "torchtitan-2025"},
    {"openrlhf", "torchtitan-2025"},
    {"unsloth", "torchtitan-2025"},
    {"torchtune", "torchtitan-2025"},
    {"trl", "torchtitan-2025"},
    {"litgpt", "torchtitan-2025"},
    {"lit-gpt", "torchtitan-2025"},
    {"lightning", "torchtitan-2025"},
    {"habana", "fsdp-compile-2024"},
    {"nanogpt", "fsdp-compile-2024"},
    {"llm.c", "fsdp-compile-2024"},
    {"ddp", "pytorch-fsdp-2023"},
    {"paxml", "paxml-te-2024", false, "", "-te"},
    {"paxml", "paxml-2023"},
    {"maxtext", "maxtext-gpu-2024"},
    {"levanter", "maxtext-gpu-2024"},
    {"easylm", "maxtext-gpu-2024"},
    {"axlearn", "maxtext-gpu-2024"},
    {"flax", "maxtext-gpu-2024"},
    {"jax", "maxtext-gpu-2024"},
    {"xla", "maxtext-gpu-2024"},
    {"alpa", "megatron-2021"},
    {"", "megatron-core-2024", true}};

/// Models since LLaMA (arXiv 2302.13971, whose attention never stored its scores) train with fused attention and drop nothing, whatever
/// the age of the framework that is named.
bool has_gated_ffn(const Cells& row) { return row.mentions("ffn_kind", "glu"); }

} // namespace

bool descends_from_megatron(const SoftwareProfile& software) {
  constexpr std::array descendants{"megatron", "modellink", "deepspeed"};
  return std::ranges::any_of(descendants, [&](const char* name) { return software.name.starts_with(name); });
}

void find_software(const Cells& row, TrainingRow& out) {
  const auto* const rule = std::find_if(std::begin(software_rules), std::end(software_rules), [&](const SoftwareRule& each) {
    return row.mentions("framework", each.framework) && row.mentions("accelerator", each.accelerator) &&
           row.mentions("precision", each.precision) && row.mentions("group", each.group);
  });
  out.software = load_software(std::string(rule->profile));
  if (row.given("flash_attention")) {
    const bool fused = row.text("flash_attention") != "0";
    if (fused != is_fused(out.software.attention))
      out.software.attention = fused ? AttentionKernel::flash : AttentionKernel::unfused;
  } else if (has_gated_ffn(row) && !is_fused(out.software.attention)) {
    out.software.attention = AttentionKernel::flash;
  }
  if (has_gated_ffn(row))
    out.software.hidden_dropout = out.software.attention_dropout = false;
  if (rule->fp32_gradients_for_bf16 && lower_case(row.text("precision")) == "bf16")
    out.software.gradient = out.software.reduction = Precision::fp32;
  // Composer reduces in the autocast type; parameters and buffers are in it (PURE) or in fp32 (DEFAULT).
  out.software.autocast = row.contains("notes", "MP mode DEFAULT");
  if (out.software.autocast || row.contains("notes", "MP mode PURE"))
    out.software.reduction = Precision::bf16;
  if (row.text("overlap_tp") == "1" || row.text("overlap_tp") == "0")
    out.software.overlap_tp_forward = row.text("overlap_tp") == "1";
  // Asynchronous TP of PyTorch knows products and the collectives next to them: a sum of several products' gradients is scattered by
  // itself.
  if (row.text("overlap_tp") == "1" && out.software.fused_projections)
    out.software.overlap_tp_backward = true;
  if (const auto nodes = first_number(row.text("notes"), R"(CUDA_LAUNCH_BLOCKING=1 used for >=(\d+)-node runs)"))
    out.software.launch_blocking = out.cluster.nodes >= *nodes;
}

} // namespace orrery
