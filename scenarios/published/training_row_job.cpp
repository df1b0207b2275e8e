#include "scenarios/data_files.hpp"
#include "scenarios/published/row_names.hpp"
#include "scenarios/published/training_row_cells.hpp"
#include "workloads/tables.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace orrery {

namespace {

/// Published names of precisions in lower case; the first that the cell begins with wins. Empty: not stated, half precision.
struct PrecisionRule {
  std::string_view name;
  Precision precision;
  Recipe recipe = Recipe::none;
};
constexpr PrecisionRule precision_rules[] = {{"bf16", Precision::bf16},
                                             {"bfloat16", Precision::bf16},
                                             {"fp16", Precision::fp16},
                                             {"float16", Precision::fp16},
                                             {"half", Precision::fp16},
                                             {"mixed", Precision::fp16},
                                             {"amp", Precision::fp16},
                                             {"tf32", Precision::tf32},
                                             {"fp32", Precision::fp32},
                                             {"float32", Precision::fp32},
                                             {"fp8-tensor", Precision::bf16, Recipe::fp8_tensor},
                                             {"fp8-te", Precision::bf16, Recipe::fp8_delayed},
                                             {"fp8-d", Precision::bf16, Recipe::fp8_delayed},   // delayed scaling, "ds"
                                             {"fp8-amp", Precision::bf16, Recipe::fp8_delayed}, // Composer's: Transformer Engine's default
                                             {"fp8-hybrid", Precision::bf16, Recipe::fp8_delayed},
                                             {"fp8-row", Precision::bf16, Recipe::fp8_row},
                                             {"fp8-block", Precision::bf16, Recipe::fp8_block},
                                             {"fp8-sc", Precision::bf16, Recipe::fp8_block}, // sub-channel scaling
                                             {"fp8-sub", Precision::bf16, Recipe::fp8_block},
                                             {"fp8-mx", Precision::bf16, Recipe::mxfp8},
                                             {"fp8", Precision::bf16, Recipe::fp8_tensor},
                                             {"mxfp8", Precision::bf16, Recipe::mxfp8},
                                             {"mxfp4", Precision::bf16, Recipe::mxfp4},
                                             {"nvfp4", Precision::bf16, Recipe::nvfp4},
                                             {"fp4", Precision::bf16, Recipe::nvfp4},
                                             {"int8", Precision::bf16, Recipe::int8}};

/// In lower case, with dashes between its words, the precision before "mixed" or "amp".
std::string precision_word(const Cells& row) {
  std::string word = lower_case(row.text("precision"));
  for (char& c : word)
    c = c == '_' || c == ' ' ? '-' : c;
  for (const std::string_view mode : {"mixed", "amp"})
    if (word.starts_with(std::string(mode) + "-"))
      word = word.substr(mode.size() + 1) + "-" + std::string(mode);
  if (constexpr std::string_view wide = "float8"; word.starts_with(wide))
    word.replace(0, wide.size(), "fp8");
  return word;
}

/// Low-rank adapters where the row's notes, model or framework speak of them. A rank that is not stated is 16, assumed: the time hardly
/// depends on it.
FineTuning stated_tuning(const Cells& row) {
  constexpr std::array places{"notes", "model", "framework"};
  const auto says = [&](std::string_view word) {
    return std::ranges::any_of(places, [&](const char* column) { return row.mentions(column, word); });
  };
  if (!says("lora") || says("without lora"))
    return {};
  const double rank = first_number(lower_case(row.text("notes")), R"(\b(?:rank|r|dim) ?=? ?(\d+))").value_or(16);
  return {.adapter_rank = std::clamp(static_cast<int>(rank), 1, 1024), .frozen_weights = says("qlora") ? Packing::nf4 : Packing::none};
}

} // namespace

/// Three matrices: SwiGLU, GeGLU, ReGLU.
bool is_gated(const Cells& row) {
  return row.mentions("ffn_kind", "glu") || row.mentions("ffn_kind", "gated") || row.mentions("ffn_kind", "silu");
}

/// Rotary positions, no biases, a head of its own. Squared ReLU came with them too (Nemotron).
bool is_llama_like(const Cells& row) { return is_gated(row) || row.mentions("ffn_kind", "squared") || row.mentions("ffn_kind", "relu2"); }

/// The model that the catalogue knows by the row's name. Where the columns give a shape it has to be that one; then the catalogue says what
/// they cannot: latent attention, norms of queries and keys or behind the parts of a layer, windows, groups of experts.
std::optional<TransformerModel> known_model(const Cells& row) {
  const NamedModel named = published_model(row.text("model"));
  const bool shaped = row.given("layers") && row.given("hidden");
  const bool same = named.model && named.model->layers == row.count("layers") && named.model->hidden == row.count("hidden");
  if (!named.model || (shaped && (!same || !is_llama_like(row))))
    return std::nullopt;
  TransformerModel model = *named.model;
  model.name = row.text("model");
  model.prediction_layers = 0;
  if (shaped && row.count("experts") == 0)
    model.experts = {};
  return model;
}

void read_experts(const Cells& row, TransformerModel& model) {
  Experts& experts = model.experts;
  experts.count = row.count("experts", experts.count);
  experts.top_k = row.count("topk", experts.top_k);
  experts.hidden = row.count("moe_ffn_hidden", experts.hidden > 0 ? experts.hidden : model.ffn_hidden);
  if (row.given("layers")) { // blanks say none
    experts.shared_hidden = row.count("shared_experts") * experts.hidden;
    experts.dense_layers = row.count("dense_layers");
  }
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
  if (model.vocabulary > 0) // the catalogue's
    return model.vocabulary;
  const double billions = row.number("params_total_b");
  return billions > 0 ? vocabulary_of_size(model, billions * 1e9) : usual_vocabularies.back();
}

/// The columns, beside what the catalogue knows of the name.
bool read_model(const Cells& row, TrainingRow& out) {
  TransformerModel& model = out.job.model;
  const std::optional<TransformerModel> known = known_model(row);
  model = known.value_or(TransformerModel{.name = row.text("model")});
  model.layers = row.count("layers", model.layers);
  model.hidden = row.count("hidden", model.hidden);
  model.heads = row.count("heads", model.heads);
  if (model.layers < 1 || model.hidden < 1 || model.heads < 1) {
    out.refusal = "layers, hidden and heads are not all stated";
    return false;
  }
  model.kv_heads = row.count("kv_heads", known ? model.kv_heads : model.heads);
  if (model.latent.kv_rank == 0) // of latent attention the column has the part without positions
    model.head_dim = row.count("head_dim", known ? model.head_dim : model.hidden / model.heads);
  model.ffn_hidden = row.count("ffn_hidden", known ? model.ffn_hidden : 4 * model.hidden);
  if (!known) {
    const bool llama_like = is_llama_like(row);
    model.ffn = is_gated(row) ? FfnKind::gated : FfnKind::gelu;
    model.position = llama_like ? PositionKind::rotary : PositionKind::learned;
    model.max_positions = llama_like ? 0 : out.job.sequence;
    model.norm = llama_like ? NormKind::rms_norm : NormKind::layer_norm;
    model.biases = model.tied_embedding = !llama_like;
  }
  if (row.count("experts") > 0 || model.experts.count > 0)
    read_experts(row, model);
  return true;
}

bool find_job(const Cells& row, TrainingRow& out) {
  const std::string precision = precision_word(row);
  const auto* const rule = std::find_if(std::begin(precision_rules), std::end(precision_rules),
                                        [&](const PrecisionRule& each) { return precision.starts_with(each.name); });
  if (rule == std::end(precision_rules) && !precision.empty()) {
    out.refusal = "precision " + row.text("precision") + " is not modelled in training";
    return false;
  }
  out.job.precision = precision.empty() ? Precision::bf16 : rule->precision;
  out.job.recipe = precision.empty() ? Recipe::none : rule->recipe;
  const Device& device = out.cluster.node.device;
  const bool half = out.job.precision == Precision::fp16 || out.job.precision == Precision::bf16;
  const Precision other = out.job.precision == Precision::fp16 ? Precision::bf16 : Precision::fp16;
  if (half && !supports(device, out.job.precision) && supports(device, other))
    out.job.precision = other; // the half precision that the device has
  // PyTorch multiplies rows that have scales of their own in CUTLASS kernels, as the serving engines do (RowwiseScaledMM.cu).
  if (out.job.recipe == Recipe::fp8_row)
    out.software.narrow_products = NarrowProducts::serving;
  for (const Precision each : arithmetic_precisions(out.job))
    if (!supports(device, each)) {
      out.refusal = device.name + " has no unit that computes in " + row.text("precision");
      return false;
    }
  out.job.sequence = row.count("seq_len", 2048);
  out.job.global_batch = row.count("global_batch");
  if (!read_model(row, out))
    return false;
  out.job.tuning = stated_tuning(row);
  TransformerModel& model = out.job.model;
  // Frameworks pad the vocabulary until it divides; Megatron-LM to a multiple of 128 on each rank (make_vocab_size_divisible_by).
  const int divisor = std::max(1, row.count("tp", 1)) * (descends_from_megatron(out.software) ? 128 : 1);
  model.vocabulary = (stated_vocabulary(row, model) + divisor - 1) / divisor * divisor;
  if (out.job.global_batch < 1) {
    out.refusal = "global_batch is not stated";
    return false;
  }
  return true;
}

} // namespace orrery
