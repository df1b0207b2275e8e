// Decoder-only transformer descriptions: from the catalogue, a scenario, or a Hugging Face config.json as published.
#pragma once

#include "hardware/description.hpp" // Provenance

#include <string>
#include <vector>

namespace orrery {

enum class FfnKind { gelu, gated }; ///< two matrices, or three (SwiGLU, GeGLU)
enum class PositionKind { learned, rotary, alibi };
enum class NormKind { layer_norm, rms_norm };

/// A mixture of experts in place of the feed-forward network.
struct Experts {
  int count = 0;         ///< 0 = dense
  int top_k = 1;         ///< experts that a token is sent to
  int hidden = 0;        ///< inner width of an expert
  int shared_hidden = 0; ///< inner width of what every token passes besides, all shared experts together
  int dense_layers = 0;  ///< first layers that keep a feed-forward network of `ffn_hidden`
  double capacity = 0;   ///< tokens that an expert takes, over the mean; 0 = all that it gets (dropless)
};

/// Keys and values from one latent vector per token (multi-head latent attention).
struct LatentAttention {
  int kv_rank = 0;    ///< width of the latent; 0 = plain attention
  int query_rank = 0; ///< width of the queries' own latent; 0 = none
  int rope_dim = 0;   ///< part of a head's width that carries positions, shared by all heads of a key
  int value_dim = 0;  ///< width of a value; `head_dim` is that of a key, `rope_dim` included
};

/// Decoder-only transformer. All sizes are counts of elements.
struct TransformerModel {
  std::string name;
  int layers = 0;
  int hidden = 0;
  int heads = 0;
  int kv_heads = 0; ///< = heads (MHA), 1 (MQA), between (GQA)
  int head_dim = 0;
  int ffn_hidden = 0;
  FfnKind ffn = FfnKind::gelu;
  int vocabulary = 0;
  int max_positions = 0; ///< rows of a learned position table; 0 with rotary or ALiBi
  bool tied_embedding = true;
  bool biases = true; ///< linear layers carry biases
  PositionKind position = PositionKind::learned;
  NormKind norm = NormKind::layer_norm;
  bool parallel_block = false; ///< attention and FFN side by side on the layer's input (GPT-J form): one tensor-parallel sum for both
  Experts experts;
  LatentAttention latent;
  int attention_window = 0; ///< tokens that attention reaches back; 0 = all. Longer sequences are refused.
  std::vector<Provenance> sources;

  [[nodiscard]] double attention_parameters() const; ///< one layer: QKV, output projection, biases
  [[nodiscard]] double ffn_parameters() const;       ///< one layer
  [[nodiscard]] double norm_parameters() const;      ///< one norm
  [[nodiscard]] double layer_parameters() const;     ///< one layer with its norms
  [[nodiscard]] double embedding_parameters() const; ///< token (and learned position) table
  [[nodiscard]] double parameters() const;           ///< whole model; a tied LM head is counted once
};

} // namespace orrery
