#include "scenarios/data_files.hpp"
#include "scenarios/published/training_row_cells.hpp"
#include "workloads/tables.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace orrery {

namespace {

/// Frameworks, first match wins: parts of the framework, group, precision and accelerator columns. A framework without a profile of its own
/// takes that of its kind, and one of unknown kind Megatron-Core's.
struct SoftwareRule {
  std::string_view framework;
  std::string_view group;
  std::string_view precision;
  std::string_view profile;
  bool fp32_gradients_for_bf16 = false; ///< Megatron-LM insists; BLOOM's published memory has no room for them
  std::string_view accelerator = {};
};
constexpr SoftwareRule software_rules[] = {{"NeMo-Megatron", "", "", "megatron-2022", true},
                                           {"DeepSpeed ZeRO-3", "", "", "deepspeed-zero3-2021"},
                                           {"zero-infinity", "", "", "deepspeed-zero3-2021"},
                                           {"DeepSpeed", "mt-nlg", "", "megatron-deepspeed-2021"},
                                           {"DeepSpeed", "", "", "megatron-deepspeed-2022"},
                                           {"GPT-NeoX", "", "", "megatron-deepspeed-2022"},
                                           {"Megatron-Bridge", "", "", "megatron-bridge-2025"},
                                           {"NeMo", "", "", "megatron-core-2024", true},
                                           {"ModelLink", "", "", "modellink-2024"},
                                           {"MindSpeed", "", "", "modellink-2024"},
                                           {"Megatron-LM fork", "", "", "megatron-2023", true},
                                           {"Megatron-LM", "", "", "megatron-core-2024", true, "h100"},
                                           {"Megatron-LM", "", "", "megatron-core-2024", true, "h200"},
                                           {"Megatron-LM", "", "", "megatron-core-2024", true, "b200"},
                                           {"Megatron-LM", "", "", "megatron-core-2024", true, "mi3"},
                                           {"Megatron-LM", "", "", "megatron-2021", true},
                                           {"MegaScale", "", "", "megatron-2023", true},
                                           {"llm-foundry", "", "", "composer-fsdp-2023"},
                                           {"torchtitan+torch.compile", "", "", "torchtitan-compile-2025"},
                                           {"torchtitan", "", "", "torchtitan-2025"},
                                           {"FSDP + compile", "", "", "fsdp-compile-2024"},
                                           {"FSDP", "", "", "pytorch-fsdp-2023"},
                                           {"MaxText", "maxtext-tpu", "", "maxtext-2024"},
                                           {"MaxText", "", "", "maxtext-2024", false, "tpu"},
                                           {"MaxText", "", "", "maxtext-gpu-2024"},
                                           {"Paxml", "", "-te", "paxml-te-2024"},
                                           {"Paxml", "", "", "paxml-2023"},
                                           {"", "", "", "maxtext-2024", false, "tpu"},
                                           {"", "", "", "maxtext-2024", false, "trn"},
                                           {"JAX", "", "", "maxtext-gpu-2024"},
                                           {"", "", "", "megatron-core-2024", true}};

/// Published names of precisions; the first that the cell begins with wins. Empty: not stated, half precision.
struct PrecisionRule {
  std::string_view name;
  Precision precision;
  Recipe recipe = Recipe::none;
};
constexpr PrecisionRule precision_rules[] = {{"bf16", Precision::bf16},
                                             {"fp16", Precision::fp16},
                                             {"tf32", Precision::tf32},
                                             {"fp32", Precision::fp32},
                                             {"fp8-tensor", Precision::bf16, Recipe::fp8_tensor},
                                             {"fp8-te", Precision::bf16, Recipe::fp8_delayed},
                                             {"fp8-row", Precision::bf16, Recipe::fp8_row},
                                             {"fp8-block", Precision::bf16, Recipe::fp8_block},
                                             {"fp8", Precision::bf16, Recipe::fp8_tensor},
                                             {"mxfp8", Precision::bf16, Recipe::mxfp8},
                                             {"mxfp4", Precision::bf16, Recipe::mxfp4},
                                             {"nvfp4", Precision::bf16, Recipe::nvfp4}};

} // namespace

void find_software(const Cells& row, TrainingRow& out) {
  const auto* const rule = std::find_if(std::begin(software_rules), std::end(software_rules), [&](const SoftwareRule& each) {
    return row.contains("framework", each.framework) && row.contains("group", each.group) && row.contains("precision", each.precision) &&
           row.contains("accelerator", each.accelerator);
  });
  out.software = load_software(std::string(rule->profile));
  if (row.given("flash_attention")) {
    const bool fused = row.text("flash_attention") != "0";
    if (fused != is_fused(out.software.attention))
      out.software.attention = fused ? AttentionKernel::flash : AttentionKernel::unfused;
  }
  if (rule->fp32_gradients_for_bf16 && row.text("precision") == "bf16")
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

/// What the columns cannot say of a model with experts (latent attention, norms of queries and keys, groups of experts) is taken from the
/// catalogue, where it knows the name. The columns decide the rest.
void read_experts(const Cells& row, TransformerModel& model) {
  const std::vector<std::string> known = model_catalogue().names();
  if (std::find(known.begin(), known.end(), model.name) != known.end()) {
    Diagnostics diagnostics;
    const TransformerModel said = read_reference(yaml::scalar(model.name), model_table(), model_catalogue(), diagnostics);
    diagnostics.throw_if_any();
    model.experts = said.experts;
    model.latent = said.latent;
    model.query_key_norm = said.query_key_norm;
    if (said.latent.kv_rank > 0) // the column has the part without positions
      model.head_dim = said.head_dim;
  }
  Experts& experts = model.experts;
  experts.count = row.count("experts");
  experts.top_k = row.count("topk", 1);
  experts.hidden = row.count("moe_ffn_hidden", model.ffn_hidden);
  experts.shared_hidden = row.count("shared_experts") * experts.hidden;
  experts.dense_layers = row.count("dense_layers");
  // Dropped to the mean, and padded to it: the capacity factor of the recipes that drop.
  experts.capacity = row.contains("notes", "token-drop") ? 1 : 0;
  model.prediction_layers = row.contains("notes", "MTP") ? 1 : 0;
}

/// Vocabularies of the tokenizers that decoders are trained with where a source names none: SentencePiece's as of LLaMA, and GPT-2's as
/// Megatron-LM pads it.
constexpr std::array usual_vocabularies{32000, 51200};

/// The published size tells which one it was: its parameters come nearest to the size. (Of the pipelines of Qi et al. 2024, 14.6 and 28.3
/// billion leave room for 26,000 to 35,000 words, and a head that weighs as much as the one layer that its stage lacks.)
int vocabulary_of_size(TransformerModel model, double parameters) {
  const auto distance = [&](int words) {
    model.vocabulary = words;
    return std::abs(model.parameters() - parameters);
  };
  return std::ranges::min(usual_vocabularies, {}, distance);
}

int stated_vocabulary(const Cells& row, const TransformerModel& model) {
  if (row.given("vocab"))
    return row.count("vocab");
  const double billions = row.number("params_total_b");
  return billions > 0 ? vocabulary_of_size(model, billions * 1e9) : usual_vocabularies.back();
}

/// Frameworks pad the vocabulary until it divides; those that descend from Megatron-LM, to a multiple of 128 on each rank
/// (make_vocab_size_divisible_by).
bool pads_by_tiles(const SoftwareProfile& software) {
  constexpr std::array descendants{"megatron", "modellink", "deepspeed"};
  return std::ranges::any_of(descendants, [&](const char* name) { return software.name.starts_with(name); });
}

bool find_job(const Cells& row, TrainingRow& out) {
  const std::string& precision = row.text("precision");
  const auto* const rule = std::find_if(std::begin(precision_rules), std::end(precision_rules),
                                        [&](const PrecisionRule& each) { return precision.starts_with(each.name); });
  if (rule == std::end(precision_rules) && !precision.empty()) {
    out.refusal = "precision " + precision + " is not modelled in training";
    return false;
  }
  out.job.precision = precision.empty() ? Precision::fp16 : rule->precision;
  out.job.recipe = precision.empty() ? Recipe::none : rule->recipe;
  const Device& device = out.cluster.node.device;
  if (out.job.precision == Precision::fp16 && !supports(device, Precision::fp16) && supports(device, Precision::bf16))
    out.job.precision = Precision::bf16; // the half precision that the device has
  // PyTorch multiplies rows that have scales of their own in CUTLASS kernels, as the serving engines do (RowwiseScaledMM.cu).
  if (out.job.recipe == Recipe::fp8_row)
    out.software.narrow_products = NarrowProducts::serving;
  for (const Precision each : arithmetic_precisions(out.job))
    if (!supports(out.cluster.node.device, each)) {
      out.refusal = out.cluster.node.device.name + " has no unit that computes in " + precision;
      return false;
    }
  TransformerModel& model = out.job.model;
  model.name = row.text("model");
  model.layers = row.count("layers");
  model.hidden = row.count("hidden");
  model.heads = row.count("heads");
  if (model.layers < 1 || model.hidden < 1 || model.heads < 1) {
    out.refusal = "layers, hidden and heads are not all stated";
    return false;
  }
  model.kv_heads = row.count("kv_heads", model.heads);
  model.head_dim = row.count("head_dim", model.hidden / model.heads);
  model.ffn = row.text("ffn_kind") == "swiglu" ? FfnKind::gated : FfnKind::gelu;
  model.ffn_hidden = row.count("ffn_hidden", 4 * model.hidden);
  out.job.sequence = row.count("seq_len", 2048);
  out.job.global_batch = row.count("global_batch");
  const bool llama_like = model.ffn == FfnKind::gated;
  model.position = llama_like ? PositionKind::rotary : PositionKind::learned;
  model.max_positions = llama_like ? 0 : out.job.sequence;
  model.norm = llama_like ? NormKind::rms_norm : NormKind::layer_norm;
  model.biases = model.tied_embedding = !llama_like;
  if (row.count("experts") > 0)
    read_experts(row, model);
  const int divisor = std::max(1, row.count("tp", 1)) * (pads_by_tiles(out.software) ? 128 : 1);
  model.vocabulary = (stated_vocabulary(row, model) + divisor - 1) / divisor * divisor;
  if (out.job.global_batch < 1) {
    out.refusal = "global_batch is not stated";
    return false;
  }
  return true;
}

} // namespace orrery
