// Models for tests of serving.
#pragma once

#include "workloads/model.hpp"

namespace orrery {

/// A Llama 3 of that depth and width: 32 layers of 4,096 are its 8B, 80 of 8,192 its 70B.
inline TransformerModel llama(int layers = 32, int hidden = 4096) {
  TransformerModel model{.name = "llama", .layers = layers, .hidden = hidden, .heads = hidden / 128, .kv_heads = 8, .head_dim = 128};
  model.ffn_hidden = 7 * hidden / 2;
  model.ffn = FfnKind::gated;
  model.vocabulary = 128256;
  model.tied_embedding = model.biases = false;
  model.position = PositionKind::rotary;
  model.norm = NormKind::rms_norm;
  return model;
}

} // namespace orrery
