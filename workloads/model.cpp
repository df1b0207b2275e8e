#include "workloads/model.hpp"

namespace orrery {

namespace {

double matrices(FfnKind kind) { return kind == FfnKind::gated ? 3 : 2; }

LayerKind letter_kind(char letter) {
  switch (letter) {
  case 'M':
    return {Mixer::recurrent, FeedForward::none};
  case '*':
    return {Mixer::attention, FeedForward::none};
  case 'E':
    return {Mixer::none, FeedForward::experts};
  default:
    return {Mixer::none, FeedForward::dense};
  }
}

double latent_parameters(const TransformerModel& model) {
  const LatentAttention& l = model.latent;
  const double hidden = model.hidden;
  const double queries = static_cast<double>(model.heads) * model.head_dim;
  const double query = l.query_rank > 0 ? (hidden + queries) * l.query_rank + l.query_rank : hidden * queries;
  const double down = hidden * (l.kv_rank + l.rope_dim) + l.kv_rank; // the norm of the latent included
  const double up = static_cast<double>(l.kv_rank) * model.heads * (model.head_dim - l.rope_dim + l.value_dim);
  return query + down + up + static_cast<double>(model.heads) * l.value_dim * hidden + l.index_parameters(hidden);
}

} // namespace

LayerKind TransformerModel::layer_kind(int layer) const {
  if (!pattern.empty())
    return letter_kind(pattern[static_cast<std::size_t>(layer)]);
  LayerKind kind;
  const bool full = full_attention_every > 0 && (layer + 1) % full_attention_every == 0;
  if (recurrent.heads > 0 && !full)
    kind.mixer = Mixer::recurrent;
  else if (attention_window > 0 && !full)
    kind.mixer = Mixer::windowed_attention;
  if (experts.count > 0 && layer >= experts.dense_layers && (layer + 1) % experts.every == 0)
    kind.feed_forward = FeedForward::experts;
  return kind;
}

double TransformerModel::attention_parameters() const {
  if (latent.kv_rank > 0)
    return latent_parameters(*this);
  const double q = static_cast<double>(heads) * head_dim;
  const double kv = static_cast<double>(kv_heads) * head_dim;
  const double bias = biases ? q + 2 * kv + hidden : 0;
  const double norms = whole_query_norm ? q + kv : query_key_norm ? 2.0 * head_dim : 0;
  return hidden * (q + 2 * kv) + q * hidden + bias + norms;
}

double TransformerModel::recurrent_parameters() const {
  const double values = static_cast<double>(recurrent.heads) * recurrent.head_dim;
  const double keys = static_cast<double>(recurrent.key_heads) * recurrent.key_dim;
  // Gates of every head: the step of the state, and for the delta rule its decay.
  const double gates = recurrent.heads * (recurrent.kind == RecurrentKind::gated_delta ? 2.0 : 1.0);
  const double convolved = (2 * keys + values) * (recurrent.convolution + (recurrent.kind == RecurrentKind::mamba2 ? 1 : 0));
  const double scalars = recurrent.heads * (recurrent.kind == RecurrentKind::mamba2 ? 3.0 : 2.0);
  const double output_norm = recurrent.kind == RecurrentKind::mamba2 ? values : recurrent.head_dim;
  return hidden * (2 * keys + 2 * values + gates) + convolved + scalars + output_norm + values * hidden;
}

double TransformerModel::ffn_parameters() const {
  const double bias = biases ? (matrices(ffn) - 1) * ffn_hidden + hidden : 0;
  return matrices(ffn) * hidden * ffn_hidden + bias;
}

double TransformerModel::expert_parameters() const {
  const double bias = biases ? (matrices(ffn) - 1) * experts.hidden + hidden : 0;
  return matrices(ffn) * hidden * experts.hidden + bias;
}

double TransformerModel::router_parameters() const {
  return static_cast<double>(hidden) * experts.count + matrices(ffn) * hidden * experts.shared_hidden;
}

double TransformerModel::norm_parameters() const { return norm == NormKind::layer_norm ? 2.0 * hidden : hidden; }

int TransformerModel::norms(LayerKind kind) const {
  const int parts = (kind.mixer == Mixer::none ? 0 : 1) + (kind.feed_forward == FeedForward::none ? 0 : 1);
  return post_norms ? 2 * parts : parts;
}

double TransformerModel::layer_parameters(LayerKind kind, double expert_count) const {
  double sum = norms(kind) * norm_parameters();
  if (kind.mixer == Mixer::recurrent)
    sum += recurrent_parameters();
  else if (kind.mixer != Mixer::none)
    sum += attention_parameters();
  if (kind.feed_forward == FeedForward::dense)
    sum += ffn_parameters();
  else if (kind.feed_forward == FeedForward::experts)
    sum += router_parameters() + expert_count * expert_parameters();
  return sum;
}

double TransformerModel::embedding_parameters() const {
  return static_cast<double>(vocabulary) * hidden + static_cast<double>(max_positions) * hidden;
}

double TransformerModel::parameters() const {
  double sum = embedding_parameters() + norm_parameters() + (tied_embedding ? 0 : static_cast<double>(vocabulary) * hidden);
  for (int i = 0; i < layers; ++i)
    sum += layer_parameters(layer_kind(i), experts.count);
  return sum;
}

double TransformerModel::active_parameters() const {
  double idle = 0;
  for (int i = 0; i < layers; ++i)
    if (layer_kind(i).feed_forward == FeedForward::experts)
      idle += (experts.count - experts.top_k) * expert_parameters();
  return parameters() - idle;
}

} // namespace orrery
