// What is served, and how one replica is laid out.
#pragma once

#include "hardware/description.hpp" // Precision
#include "workloads/model.hpp"
#include "workloads/routing.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace orrery {

/// How the matrices of the linear layers (and experts) are kept and multiplied. Embedding and head stay in the model's precision.
struct WeightFormat {
  std::string_view name;               ///< "bf16", "fp8", "w4a16", "nvfp4", ...
  double weight_bytes = 2;             ///< per element, scales included
  Precision operand = Precision::bf16; ///< what both operands of a product are brought to
  bool casts = false;                  ///< activations are quantised before the product
  bool mixed = false;                  ///< FP4 weights that units with FP4 arithmetic multiply by wider activations as they are
  bool experts_only = false;           ///< of a model with experts, the others keep the model's precision
  double head_bytes = 0;               ///< per element of the head; 0 = the model's precision
  double table_bytes = 0;              ///< the same of the embedding table

  /// FP8 whose operands have a scale for each block of elements.
  [[nodiscard]] bool block_scaled() const { return operand == Precision::fp8 && weight_bytes > element_bytes(operand); }

  friend bool operator==(const WeightFormat&, const WeightFormat&) = default;
};

/// The formats that engines serve: half precision; FP8 by tensor or block; INT8; weights alone in 4 bits (W4A16), 6 bits, W4A8; MXFP4,
/// NVFP4; llama.cpp's quantisations.
const std::vector<WeightFormat>& weight_formats();

/// The format of that name.
const WeightFormat* find_weight_format(std::string_view name);

/// Who guesses tokens ahead of the model.
enum class Drafter {
  none,
  lookup,            ///< text found again: costs nothing
  prediction_layers, ///< a layer behind the model's last, with its head (multi-token prediction, EAGLE)
  model              ///< a model of its own
};

/// Speculative decoding: an iteration checks the guesses of every sequence at once and keeps those before the first wrong one.
struct Speculation {
  Drafter drafter = Drafter::none;
  int drafts = 0;          ///< tokens guessed per sequence and iteration
  double acceptance = 0.8; ///< of a guess, those before it being right
  TransformerModel model;  ///< of Drafter::model

  /// Tokens of a sequence per iteration, on average: the sum of acceptance^i over 0 to `drafts` (Leviathan et al., arXiv 2211.17192, eq.
  /// 1).
  [[nodiscard]] double tokens_per_iteration() const;
  [[nodiscard]] int checked() const { return drafter == Drafter::none ? 1 : drafts + 1; }
};

/// What the KV cache keeps of a token.
enum class KvContent {
  keys_values,
  inputs ///< of the layer's projections: keys and values are computed again whenever they are read (XQuant, arXiv 2508.10395)
};

struct ServingJob {
  TransformerModel model;
  Precision precision = Precision::bf16; ///< of activations
  WeightFormat weights{.name = "bf16"};
  Precision kv = Precision::bf16; ///< of the KV cache
  KvContent kept = KvContent::keys_values;
  Routing routing; ///< of tokens to experts
  Speculation speculation;
};

/// Devices of one replica = tp * pp * attention_dp.
struct ServingPlan {
  int tp = 1; ///< of attention and dense layers
  int pp = 1;
  int ep = 1;           ///< ranks over which experts are spread, inside tp * attention_dp; the rest of them share an expert
  int attention_dp = 1; ///< groups of tp devices that attend to sequences of their own and share the experts
  int replicas = 1;
  bool host_attention = false; ///< the KV cache lies in host memory; its processors attend to it while the devices compute the rest
  double host_weights = 0;     ///< share of the weights that lies in host memory and comes in for every iteration

  [[nodiscard]] int replica_devices() const { return tp * pp * attention_dp; }
  [[nodiscard]] int devices() const { return replica_devices() * replicas; }
  friend bool operator==(const ServingPlan&, const ServingPlan&) = default;
};

} // namespace orrery
