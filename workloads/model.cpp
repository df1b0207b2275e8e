#include "workloads/model.hpp"

namespace orrery {

double TransformerModel::attention_parameters() const {
  const double q = static_cast<double>(heads) * head_dim;
  const double kv = static_cast<double>(kv_heads) * head_dim;
  const double bias = biases ? q + 2 * kv + hidden : 0;
  return hidden * (q + 2 * kv) + q * hidden + bias;
}

double TransformerModel::ffn_parameters() const {
  const double matrices = ffn == FfnKind::gated ? 3 : 2;
  const double bias = biases ? (matrices - 1) * ffn_hidden + hidden : 0;
  return matrices * hidden * ffn_hidden + bias;
}

double TransformerModel::layer_parameters() const { return attention_parameters() + ffn_parameters() + 2 * norm_parameters(); }

double TransformerModel::norm_parameters() const { return norm == NormKind::layer_norm ? 2.0 * hidden : hidden; }

double TransformerModel::embedding_parameters() const {
  return static_cast<double>(vocabulary) * hidden + static_cast<double>(max_positions) * hidden;
}

double TransformerModel::parameters() const {
  const double head = tied_embedding ? 0 : static_cast<double>(vocabulary) * hidden;
  return layers * layer_parameters() + embedding_parameters() + norm_parameters() + head;
}

} // namespace orrery
