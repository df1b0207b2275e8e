#include "workloads/layer.hpp"

#include "workloads/attention.hpp"
#include "workloads/feed_forward.hpp"

#include <iterator>

namespace orrery {

namespace {

/// Bytes kept for the backward pass when nothing is recomputed, or all but the attention core.
double kept_activations(const BlockBuilder& b, bool keep_core) {
  const Sizes& s = b.size;
  const double mask = b.software.hidden_dropout ? s.shard * s.hidden : 0;
  const double norms = (b.model.parallel_block ? 3 : 4) * b.shard(); // input and output of both norms; they may share it
  return norms + attention_kept(b, keep_core) + feed_forward_kept(b) + 2 * mask;
}

void prepend_recomputed(std::vector<Operator>& backward, std::vector<Operator> repeated) {
  for (Operator& op : repeated)
    op.recomputed = true;
  backward.insert(backward.begin(), std::make_move_iterator(repeated.begin()), std::make_move_iterator(repeated.end()));
}

} // namespace

Block layer_block(const TrainingJob& job, const Plan& plan, const SoftwareProfile& software) {
  const BlockBuilder b(job, plan, software);
  Block block{.name = "layer"};
  block.forward.reserve(24);
  block.backward.reserve(64);
  attention_forward(b, block.forward);
  feed_forward(b, block.forward);
  feed_forward_backward(b, block.backward);
  attention_backward(b, block.backward);
  const double all = kept_activations(b, true);
  double kept = all;
  switch (plan.recompute) {
  case Recompute::none:
    break;
  case Recompute::selective: { // a fused kernel already recomputes its scores
    kept = kept_activations(b, false);
    if (!is_fused(software.attention)) {
      std::vector<Operator> core;
      core_attention(b, core);
      prepend_recomputed(block.backward, std::move(core));
    }
    break;
  }
  case Recompute::full:
    kept = b.shard();
    prepend_recomputed(block.backward, block.forward);
    break;
  }
  block.activations = Bytes{kept};
  // Gradients of the widest tensors live beside what the pass recomputed.
  block.working_set = Bytes{all - kept + 2 * b.size.tokens * b.size.ffn * b.size.element + b.activation()};
  // Norms are whole on every rank.
  block.parameters = attention_rank_parameters(b) + feed_forward_rank_parameters(b) + 2 * job.model.norm_parameters();
  return block;
}

} // namespace orrery
