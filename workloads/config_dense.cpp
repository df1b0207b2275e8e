#include "workloads/config_architectures.hpp"

#include <fmt/format.h>

namespace orrery {

namespace {

void read_gpt2(const ConfigKeys& keys, TransformerModel& model) {
  keys.refuse_true("add_cross_attention", "an encoder");
  keys.sizes(model, {.layers = {"n_layer"}, .hidden = {"n_embd"}, .heads = {"n_head"}});
  model.ffn_hidden = keys.size_or({"n_inner"}, "ffn_hidden", 4.0 * model.hidden);
  model.max_positions = keys.size({"n_positions", "n_ctx"}, "max_positions");
  model.tied_embedding = keys.flag("tie_word_embeddings", true);
}

void read_gpt_bigcode(const ConfigKeys& keys, TransformerModel& model) {
  read_gpt2(keys, model);
  model.kv_heads = keys.flag("multi_query", true) ? 1 : model.heads;
}

void read_gpt_neox(const ConfigKeys& keys, TransformerModel& model) {
  keys.sizes(model, {});
  model.ffn_hidden = keys.size({"intermediate_size"}, "ffn_hidden");
  model.position = PositionKind::rotary;
  model.biases = keys.flag("attention_bias", true);
  model.tied_embedding = keys.flag("tie_word_embeddings", false);
  model.parallel_block = keys.flag("use_parallel_residual", true);
}

void read_opt(const ConfigKeys& keys, TransformerModel& model) {
  keys.sizes(model, {});
  model.ffn_hidden = keys.size({"ffn_dim"}, "ffn_hidden");
  constexpr int offset = 2; // OPT's table has two rows before position 0
  model.max_positions = keys.size({"max_position_embeddings"}, "max_positions", offset) + offset;
  model.biases = keys.flag("enable_bias", true);
  model.tied_embedding = keys.flag("tie_word_embeddings", true);
  const int projected = keys.size_or({"word_embed_proj_dim"}, "hidden", model.hidden);
  if (projected != model.hidden && model.hidden > 0 && projected > 0)
    keys.refuse("word_embed_proj_dim", fmt::format("{}, with hidden_size {}", projected, model.hidden),
                "hidden_size: embeddings of another width are not modelled");
}

void read_bloom(const ConfigKeys& keys, TransformerModel& model) {
  keys.sizes(
      model,
      {.layers = {"n_layer", "num_hidden_layers"}, .hidden = {"hidden_size", "n_embed"}, .heads = {"n_head", "num_attention_heads"}});
  model.ffn_hidden = 4 * model.hidden;
  model.position = PositionKind::alibi;
  model.tied_embedding = keys.flag("tie_word_embeddings", true);
}

/// Llama and those that differ from it in sizes and defaults. Biases of the QKV layer alone (Qwen2) are under 0.01% and not counted.
void read_llama_like(const ConfigKeys& keys, TransformerModel& model) {
  keys.sizes(model, {});
  model.ffn_hidden = keys.size({"intermediate_size"}, "ffn_hidden");
  model.kv_heads = keys.size_or({"num_key_value_heads"}, "kv_heads", model.heads);
  model.position = PositionKind::rotary;
  model.ffn = FfnKind::gated;
  model.norm = NormKind::rms_norm;
  model.biases = keys.flag("attention_bias", false) && keys.flag("mlp_bias", false);
  model.tied_embedding = keys.flag("tie_word_embeddings", false);
}

void read_windowed(const ConfigKeys& keys, TransformerModel& model) {
  read_llama_like(keys, model);
  model.attention_window = keys.window("sliding_window");
}

void read_qwen2(const ConfigKeys& keys, TransformerModel& model) {
  read_llama_like(keys, model);
  if (keys.flag("use_sliding_window", false))
    model.attention_window = keys.window("sliding_window");
}

void read_qwen3(const ConfigKeys& keys, TransformerModel& model) {
  read_qwen2(keys, model);
  model.query_key_norm = true;
}

void read_gemma(const ConfigKeys& keys, TransformerModel& model) {
  read_llama_like(keys, model);
  model.tied_embedding = keys.flag("tie_word_embeddings", true);
}

void read_starcoder2(const ConfigKeys& keys, TransformerModel& model) {
  read_windowed(keys, model);
  model.ffn = FfnKind::gelu;
  model.norm = NormKind::layer_norm;
  model.biases = keys.flag("use_bias", true);
  model.tied_embedding = keys.flag("tie_word_embeddings", true);
}

void read_falcon(const ConfigKeys& keys, TransformerModel& model) {
  keys.sizes(model, {.layers = {"num_hidden_layers", "n_layer"}, .hidden = {"hidden_size"}, .heads = {"num_attention_heads", "n_head"}});
  model.ffn_hidden = keys.size_or({"ffn_hidden_size"}, "ffn_hidden", 4.0 * model.hidden);
  const bool grouped = keys.flag("new_decoder_architecture", false);
  if (grouped)
    model.kv_heads = keys.size_or({"num_kv_heads", "n_head_kv"}, "kv_heads", model.heads);
  else if (keys.flag("multi_query", true))
    model.kv_heads = 1;
  model.position = keys.flag("alibi", false) ? PositionKind::alibi : PositionKind::rotary;
  model.biases = keys.flag("bias", false);
  model.tied_embedding = keys.flag("tie_word_embeddings", true);
  model.parallel_block = grouped || keys.flag("parallel_attn", true);
}

} // namespace

void read_llama_config(const ConfigKeys& keys, TransformerModel& model) { read_llama_like(keys, model); }

std::span<const Architecture> dense_architectures() {
  static constexpr std::array architectures = {
      Architecture{"gpt2", read_gpt2},
      Architecture{"gpt_bigcode", read_gpt_bigcode},
      Architecture{"gpt_neox", read_gpt_neox},
      Architecture{"opt", read_opt},
      Architecture{"bloom", read_bloom},
      Architecture{"llama", read_llama_like},
      Architecture{"mistral", read_windowed},
      Architecture{"qwen2", read_qwen2},
      Architecture{"qwen3", read_qwen3},
      Architecture{"gemma", read_gemma},
      Architecture{"phi3", read_windowed},
      Architecture{"falcon", read_falcon},
      Architecture{"starcoder2", read_starcoder2},
  };
  return architectures;
}

} // namespace orrery
