#include "workloads/config_architectures.hpp"

#include <fmt/format.h>

namespace orrery {

namespace {

/// All but the width of the feed-forward network of a Llama.
void read_common(const ConfigKeys& keys, TransformerModel& model) {
  read_llama_config(keys, model);
  model.tied_embedding = keys.flag("tie_word_embeddings", false);
}

void read_mixtral(const ConfigKeys& keys, TransformerModel& model) {
  read_common(keys, model);
  model.experts.count = keys.size({"num_local_experts"}, "ffn_hidden");
  model.experts.top_k = keys.size({"num_experts_per_tok"}, "ffn_hidden");
  model.experts.hidden = model.ffn_hidden;
  model.ffn_hidden = 0;
  model.attention_window = keys.window("sliding_window");
}

void read_qwen2_moe(const ConfigKeys& keys, TransformerModel& model) {
  read_common(keys, model);
  model.experts.count = keys.size({"num_experts"}, "ffn_hidden");
  model.experts.top_k = keys.size({"num_experts_per_tok"}, "ffn_hidden");
  model.experts.hidden = keys.size({"moe_intermediate_size"}, "ffn_hidden");
  model.experts.shared_hidden = keys.count("shared_expert_intermediate_size", 0);
  model.experts.every = keys.size_or({"decoder_sparse_step"}, "layers", 1);
  keys.refuse_filled("mlp_only_layers", "layers without experts out of step");
  if (keys.flag("use_sliding_window", false))
    model.attention_window = keys.window("sliding_window");
}

void read_qwen3_moe(const ConfigKeys& keys, TransformerModel& model) {
  read_qwen2_moe(keys, model);
  model.query_key_norm = true;
}

void read_deepseek(const ConfigKeys& keys, TransformerModel& model) {
  read_common(keys, model);
  model.kv_heads = model.heads;
  Experts& experts = model.experts;
  experts.count = keys.count("n_routed_experts", 0);
  if (experts.count > 0) {
    experts.top_k = keys.size({"num_experts_per_tok"}, "ffn_hidden");
    experts.hidden = keys.size({"moe_intermediate_size"}, "ffn_hidden");
    experts.shared_hidden = keys.count("n_shared_experts", 0) * experts.hidden;
    experts.dense_layers = keys.count("first_k_dense_replace", 0);
    experts.every = keys.size_or({"moe_layer_freq"}, "layers", 1);
    experts.groups = keys.size_or({"n_group"}, "ffn_hidden", 1);
    experts.top_groups = keys.size_or({"topk_group"}, "ffn_hidden", 1);
  }
  LatentAttention& latent = model.latent;
  latent.kv_rank = keys.size({"kv_lora_rank"}, "hidden");
  latent.query_rank = keys.count("q_lora_rank", 0);
  latent.rope_dim = keys.size({"qk_rope_head_dim"}, "head_dim");
  latent.value_dim = keys.size({"v_head_dim"}, "head_dim");
  latent.index_heads = keys.count("index_n_heads", 0);
  latent.index_dim = keys.count("index_head_dim", 0);
  latent.index_keys = keys.count("index_topk", 0);
  model.head_dim = keys.size({"qk_nope_head_dim"}, "head_dim") + latent.rope_dim;
  model.prediction_layers = keys.count("num_nextn_predict_layers", 0);
}

void read_gpt_oss(const ConfigKeys& keys, TransformerModel& model) {
  read_mixtral(keys, model);
  model.attention_window = keys.size_or({"sliding_window"}, "attention_window", 0);
  model.full_attention_every = keys.full_attention_every("layer_types", 2);
  model.biases = true;
  model.attention_sinks = true;
}

void read_gemma2(const ConfigKeys& keys, TransformerModel& model) {
  read_llama_config(keys, model);
  model.tied_embedding = keys.flag("tie_word_embeddings", true);
  model.attention_window = keys.size_or({"sliding_window"}, "attention_window", 0);
  model.full_attention_every = keys.full_attention_every("layer_types", 2);
  model.post_norms = true;
}

void read_gemma3(const ConfigKeys& keys, TransformerModel& model) {
  read_gemma2(keys, model);
  model.full_attention_every = keys.full_attention_every("layer_types", keys.size_or({"sliding_window_pattern"}, "layers", 6));
  model.query_key_norm = true;
}

void read_nemotron_h(const ConfigKeys& keys, TransformerModel& model) {
  read_llama_config(keys, model);
  model.ffn = FfnKind::gelu; // two matrices
  model.pattern = keys.text("hybrid_override_pattern");
  if (model.head_dim == 0)
    model.head_dim = keys.size_or({"attention_head_dim"}, "head_dim", 0);
  RecurrentMixer& recurrent = model.recurrent;
  recurrent.heads = keys.size({"mamba_num_heads"}, "heads");
  recurrent.head_dim = keys.size({"mamba_head_dim"}, "head_dim");
  recurrent.key_heads = keys.size({"n_groups"}, "heads");
  recurrent.key_dim = keys.size({"ssm_state_size"}, "head_dim");
  recurrent.convolution = keys.size_or({"conv_kernel"}, "heads", 4);
  recurrent.chunk = keys.size_or({"chunk_size"}, "heads", 128);
}

} // namespace

std::span<const Architecture> mixed_architectures() {
  static constexpr std::array architectures = {
      Architecture{.model_type = "mixtral", .read = read_mixtral, .experts = true},
      Architecture{.model_type = "qwen2_moe", .read = read_qwen2_moe, .experts = true},
      Architecture{.model_type = "qwen3_moe", .read = read_qwen3_moe, .experts = true},
      Architecture{.model_type = "deepseek_v2", .read = read_deepseek, .experts = true, .latent = true},
      Architecture{.model_type = "deepseek_v3", .read = read_deepseek, .experts = true, .latent = true, .quantised = true},
      Architecture{.model_type = "deepseek_v32", .read = read_deepseek, .experts = true, .latent = true, .quantised = true},
      Architecture{.model_type = "glm_moe_dsa", .read = read_deepseek, .experts = true, .latent = true, .quantised = true},
      Architecture{.model_type = "gpt_oss", .read = read_gpt_oss, .experts = true, .layer_types = true, .quantised = true},
      Architecture{.model_type = "gemma2", .read = read_gemma2, .layer_types = true},
      Architecture{.model_type = "gemma3_text", .read = read_gemma3, .layer_types = true},
      Architecture{.model_type = "nemotron_h", .read = read_nemotron_h, .recurrent = true},
  };
  return architectures;
}

} // namespace orrery
