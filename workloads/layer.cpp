#include "workloads/layer.hpp"

#include "workloads/adapters.hpp"
#include "workloads/attention.hpp"
#include "workloads/experts.hpp"
#include "workloads/feed_forward.hpp"
#include "workloads/recompute.hpp"
#include "workloads/recurrent.hpp"

#include <algorithm>
#include <array>
#include <iterator>

namespace orrery {

namespace {

using List = BlockBuilder::List;

const char* layer_name(LayerKind kind) {
  static constexpr const char* names[4][3] = {{"empty_layer", "ffn_layer", "experts_layer"},
                                              {"attention_layer", "layer", "moe_layer"},
                                              {"window_attention_layer", "window_layer", "window_moe_layer"},
                                              {"recurrent_mixer_layer", "recurrent_layer", "recurrent_moe_layer"}};
  return names[static_cast<std::size_t>(kind.mixer)][static_cast<std::size_t>(kind.feed_forward)];
}

void layer_forward(const BlockBuilder& b, List& list) {
  if (attends(b.kind))
    attention_forward(b, list);
  else if (b.kind.mixer == Mixer::recurrent)
    recurrent_forward(b, list);
  if (b.kind.feed_forward == FeedForward::dense)
    feed_forward(b, list);
  else if (b.kind.feed_forward == FeedForward::experts)
    experts_forward(b, list);
}

void layer_backward(const BlockBuilder& b, List& list) {
  if (b.kind.feed_forward == FeedForward::dense)
    feed_forward_backward(b, list);
  else if (b.kind.feed_forward == FeedForward::experts)
    experts_backward(b, list);
  if (attends(b.kind))
    attention_backward(b, list);
  else if (b.kind.mixer == Mixer::recurrent)
    recurrent_backward(b, list);
}

/// Bytes kept for the backward pass when nothing is recomputed, or all but the attention core.
double kept_activations(const BlockBuilder& b, bool keep_core) {
  const int norms = b.model.norms(b.kind);
  const double mask = b.software.hidden_dropout ? b.size.shard * b.size.hidden : 0;
  // Input and output of each norm; two may share their input.
  double kept = (norms - (b.model.parallel_block ? 1 : 0)) * b.shard() + norms * b.normed_tokens() * b.size.hidden * b.linear_input_bytes();
  if (attends(b.kind))
    kept += attention_kept(b, keep_core) + mask;
  else if (b.kind.mixer == Mixer::recurrent)
    kept += recurrent_kept(b) + mask;
  if (b.kind.feed_forward == FeedForward::dense)
    kept += feed_forward_kept(b) + mask;
  else if (b.kind.feed_forward == FeedForward::experts)
    kept += experts_kept(b) + mask;
  kept += adapter_kept(b);
  return kept;
}

/// Bytes of the widest gradients of the backward pass.
double widest_gradients(const BlockBuilder& b) {
  switch (b.kind.feed_forward) {
  case FeedForward::dense:
    return 2 * b.size.tokens * b.size.ffn * b.size.element;
  case FeedForward::experts:
    return experts_working_set(b);
  case FeedForward::none:
    break;
  }
  return b.activation();
}

/// Whether no backward pass reads what an operator of a dense layer makes: its last product, the sum and the residual behind it, and the
/// branch beside it where both share their input. What the product's operands are cast to is kept, unless they are cast again.
bool is_unread(const BlockBuilder& b, std::string_view name) {
  constexpr std::array<std::string_view, 4> last{"ffn_down", "ffn_down_reduce", "ffn_down_reduce_order", "ffn_residual"};
  constexpr std::array<std::string_view, 2> casts{"ffn_down_cast", "ffn_down_weight_cast"};
  constexpr std::array<std::string_view, 2> branch{"projection", "branch_sum"};
  const auto is_one_of = [&](const auto& names) { return std::ranges::find(names, name) != names.end(); };
  return is_one_of(last) || (b.software.recast_inputs && is_one_of(casts)) || (b.model.parallel_block && is_one_of(branch));
}

void prepend_recomputed(const BlockBuilder& b, std::vector<Operator>& backward, std::vector<Operator> repeated) {
  // A norm behind the last product reads it.
  if (b.software.recompute_early_stop && b.kind.feed_forward == FeedForward::dense && !b.model.post_norms)
    std::erase_if(repeated, [&](const Operator& op) { return is_unread(b, op.name); });
  for (Operator& op : repeated)
    op.recomputed = true;
  backward.insert(backward.begin(), std::make_move_iterator(repeated.begin()), std::make_move_iterator(repeated.end()));
}

} // namespace

bool attends(LayerKind kind) { return kind.mixer == Mixer::attention || kind.mixer == Mixer::windowed_attention; }

double rank_parameters(const BlockBuilder& b) {
  double sum = b.model.norms(b.kind) * b.model.norm_parameters();
  if (attends(b.kind))
    sum += attention_rank_parameters(b);
  else if (b.kind.mixer == Mixer::recurrent)
    sum += recurrent_rank_parameters(b);
  if (b.kind.feed_forward == FeedForward::dense)
    sum += feed_forward_rank_parameters(b);
  else if (b.kind.feed_forward == FeedForward::experts)
    sum += router_rank_parameters(b);
  return sum;
}

Block layer_block(const TrainingJob& job, const Plan& plan, const SoftwareProfile& software, LayerKind kind) {
  const BlockBuilder b(job, plan, software, kind);
  Block block{.name = layer_name(kind)};
  block.forward.reserve(40);
  block.backward.reserve(96);
  layer_forward(b, block.forward);
  layer_backward(b, block.backward);
  const double all = kept_activations(b, true);
  double kept = all;
  switch (plan.recompute) {
  case Recompute::none:
    break;
  case Recompute::selective: { // a fused kernel already recomputes its scores
    if (!plan.recompute_modules.empty()) {
      kept = all - recomputed_bytes(b, plan.recompute_modules);
      prepend_recomputed(b, block.backward, recomputed_operators(block.forward, plan.recompute_modules));
      break;
    }
    kept = kept_activations(b, false);
    if (!is_fused(software.attention) && attends(kind)) {
      std::vector<Operator> core;
      core_attention(b, core);
      prepend_recomputed(b, block.backward, std::move(core));
    }
    break;
  }
  case Recompute::full:
    kept = b.stream();
    prepend_recomputed(b, block.backward, block.forward);
    break;
  }
  if (software.stacked_layers) {
    b.streaming(block.forward, "stack_kept", OpClass::elementwise, kept, kept);
    List unstack;
    b.streaming(unstack, "unstack_kept", OpClass::elementwise, kept, kept);
    block.backward.insert(block.backward.begin(), unstack.front());
  }
  block.activations = Bytes{kept};
  // Gradients of the widest tensors live beside what the pass recomputed.
  block.working_set = Bytes{all - kept + widest_gradients(b) + b.activation()};
  block.parameters = rank_parameters(b);
  if (kind.feed_forward == FeedForward::experts)
    block.expert_parameters = expert_rank_parameters(b);
  freeze_weights(b, block);
  return block;
}

Block layer_block(const TrainingJob& job, const Plan& plan, const SoftwareProfile& software) {
  return layer_block(job, plan, software, job.model.layer_kind(job.model.layers - 1));
}

namespace {

LayerKind kind_in(const TrainingJob& job, int layer) {
  LayerKind kind = job.model.layer_kind(layer);
  if (kind.mixer == Mixer::windowed_attention && job.model.attention_window >= job.sequence)
    kind.mixer = Mixer::attention;
  return kind;
}

int place_of(const std::vector<LayerKind>& kinds, LayerKind kind) {
  return static_cast<int>(std::find(kinds.begin(), kinds.end(), kind) - kinds.begin());
}

} // namespace

std::vector<LayerKind> layer_kinds(const TrainingJob& job) {
  const TransformerModel& model = job.model;
  if (model.pattern.empty() && model.full_attention_every == 0 && model.experts.count == 0) // all alike
    return {kind_in(job, 0)};
  std::vector<LayerKind> kinds;
  for (int layer = 0; layer < model.layers; ++layer)
    if (const LayerKind kind = kind_in(job, layer); place_of(kinds, kind) == static_cast<int>(kinds.size()))
      kinds.push_back(kind);
  return kinds;
}

void add_layers(Chunk& chunk, const TrainingJob& job, const std::vector<LayerKind>& kinds, int first, int count) {
  if (kinds.size() == 1) {
    if (count > 0)
      chunk.blocks.push_back({0, count});
    return;
  }
  std::vector<int> counts(kinds.size());
  for (int layer = first; layer < first + count; ++layer)
    ++counts[static_cast<std::size_t>(place_of(kinds, kind_in(job, layer)))];
  for (std::size_t k = 0; k < kinds.size(); ++k)
    if (counts[k] > 0)
      chunk.blocks.push_back({static_cast<int>(k), counts[k]});
}

} // namespace orrery
