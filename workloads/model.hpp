// Decoder-only transformer descriptions: from the catalogue, a scenario, or a Hugging Face config.json as published.
#pragma once

#include "hardware/description.hpp" // Provenance

#include <string>
#include <vector>

namespace orrery {

enum class FfnKind { gelu, gated }; ///< two matrices, or three (SwiGLU, GeGLU)
enum class PositionKind { learned, rotary, alibi };
enum class NormKind { layer_norm, rms_norm };

/// What passes between the tokens of a layer.
enum class Mixer { none, attention, windowed_attention, recurrent };
/// What works on each token by itself.
enum class FeedForward { none, dense, experts };

/// A layer is a mixer, a feed-forward part, or one after the other.
struct LayerKind {
  Mixer mixer = Mixer::attention;
  FeedForward feed_forward = FeedForward::dense;

  friend bool operator==(const LayerKind&, const LayerKind&) = default;
};

/// A mixture of experts in place of the feed-forward network.
struct Experts {
  int count = 0;         ///< 0 = dense
  int top_k = 1;         ///< experts that a token is sent to
  int hidden = 0;        ///< inner width of an expert
  int shared_hidden = 0; ///< inner width of what every token passes besides, all shared experts together
  int dense_layers = 0;  ///< first layers that keep a feed-forward network of `ffn_hidden`
  int every = 1;         ///< of so many layers the last has experts, the others a feed-forward network of `ffn_hidden`
  double capacity = 0;   ///< tokens that an expert takes, over the mean: more are dropped, fewer padded; 0 = all that it gets (dropless)
  int groups = 1;        ///< parts of the experts, spread over the nodes
  int top_groups = 1;    ///< parts among which a token's experts lie (node-limited routing)
};

/// Keys and values from one latent vector per token (multi-head latent attention). With an index (DeepSeek-V3.2, section 2.1) a query reads
/// the `index_keys` tokens whose small keys of `index_dim`, one per token in FP8 with a scale, score best against its `index_heads`
/// queries.
struct LatentAttention {
  int kv_rank = 0;    ///< width of the latent; 0 = plain attention
  int query_rank = 0; ///< width of the queries' own latent; 0 = none
  int rope_dim = 0;   ///< part of a head's width that carries positions, shared by all heads of a key
  int value_dim = 0;  ///< width of a value; `head_dim` is that of a key, `rope_dim` included
  int index_heads = 0;
  int index_dim = 0;
  int index_keys = 0; ///< 0 = no index, a query reads all tokens

  [[nodiscard]] double index_parameters(double hidden) const {
    return static_cast<double>(query_rank) * index_heads * index_dim + hidden * (index_dim + index_heads);
  }
  /// Of a token's key for the index as it is kept, with its fp32 scale.
  [[nodiscard]] double index_bytes() const { return index_keys > 0 ? index_dim + 4.0 : 0; }
};

enum class RecurrentKind { mamba2, gated_delta };

/// Layers whose tokens are mixed by a state that runs along the sequence: a state space (Mamba-2) or linear attention (gated delta rule).
struct RecurrentMixer {
  RecurrentKind kind = RecurrentKind::mamba2;
  int heads = 0;       ///< 0 = no such layers
  int head_dim = 0;    ///< width of a value
  int key_heads = 0;   ///< heads of keys and queries (Mamba-2: groups)
  int key_dim = 0;     ///< width of a key (Mamba-2: of the state)
  int convolution = 4; ///< taps of the convolution before the scan
  int chunk = 128;     ///< tokens that the scan works on at once
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
  int attention_window = 0; ///< tokens that attention reaches back; 0 = all
  RecurrentMixer recurrent;
  int full_attention_every = 0; ///< of so many layers the last has attention over all tokens; 0 = none where there is a window or a state
  std::string pattern; ///< one letter per layer, each layer one part: M recurrent, * attention, - dense, E experts; empty = both parts
  bool query_key_norm = false;   ///< queries and keys are normalised head by head
  bool whole_query_norm = false; ///< or over all heads, of which tensor-parallel ranks have to add up the squares
  bool post_norms = false;       ///< norms behind attention and feed-forward network too
  bool attention_sinks = false;  ///< a learned score of no key in every head's softmax, which few attention kernels know
  int prediction_layers = 0;     ///< layers with a head of their own behind the last, for tokens further on (multi-token prediction)
  std::vector<Provenance> sources;

  [[nodiscard]] LayerKind layer_kind(int layer) const;
  [[nodiscard]] double attention_parameters() const; ///< one layer: QKV, output projection, biases
  [[nodiscard]] double recurrent_parameters() const; ///< one layer
  [[nodiscard]] double ffn_parameters() const;       ///< one dense layer
  [[nodiscard]] double expert_parameters() const;    ///< one expert
  [[nodiscard]] double router_parameters() const;    ///< what every token of a layer with experts passes: router and shared experts
  [[nodiscard]] double norm_parameters() const;      ///< one norm
  [[nodiscard]] int norms(LayerKind kind) const;     ///< of one layer, over the residual stream
  [[nodiscard]] double layer_parameters(LayerKind kind, double experts) const; ///< one layer with its norms and so many experts
  [[nodiscard]] double embedding_parameters() const;                           ///< token (and learned position) table
  [[nodiscard]] double parameters() const;        ///< whole model without prediction layers; a tied LM head is counted once
  [[nodiscard]] double active_parameters() const; ///< of these, what one token meets
};

} // namespace orrery
