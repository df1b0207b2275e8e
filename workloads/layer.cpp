#include "workloads/layer.hpp"

#include <algorithm>
#include <iterator>

namespace orrery {

namespace {

/// Sizes of one micro-batch on one rank.
struct Sizes {
  double tokens, sequence, batch, hidden, tp;
  double element;   ///< bytes of an activation element
  double query, kv; ///< width of this rank's queries, and of its keys
  double heads, kv_heads, head_dim;
  double ffn;   ///< width of this rank's share of the FFN
  double shard; ///< tokens whose norms and residuals this rank computes

  Sizes(const TrainingJob& job, const Plan& plan)
      : tokens(static_cast<double>(plan.micro_batch) * job.sequence), sequence(job.sequence), batch(plan.micro_batch),
        hidden(job.model.hidden), tp(plan.tp), element(element_bytes(job.precision)),
        query(static_cast<double>(job.model.heads) * job.model.head_dim / plan.tp),
        // Keys are replicated when there are fewer of them than ranks.
        kv(std::max(1.0, static_cast<double>(job.model.kv_heads) / plan.tp) * job.model.head_dim),
        heads(static_cast<double>(job.model.heads) / plan.tp), kv_heads(std::max(1.0, static_cast<double>(job.model.kv_heads) / plan.tp)),
        head_dim(job.model.head_dim), ffn(static_cast<double>(job.model.ffn_hidden) / plan.tp),
        shard(plan.sequence_parallel ? tokens / plan.tp : tokens) {}
};

/// How a linear layer stands in its tensor-parallel region.
enum class Side {
  column, ///< the first: its input gradient is summed over TP
  row,    ///< the last: its output is summed over TP
  inner   ///< shares the sums of another layer
};

/// Appends operators to the two lists of a block in the order of execution.
class BlockBuilder {
public:
  BlockBuilder(const TrainingJob& job, const Plan& plan, const SoftwareProfile& software)
      : job_(job), plan_(plan), software_(software), size(job, plan) {}

  void streaming(std::vector<Operator>& list, std::string name, OpClass op_class, double read, double written, int kernels = 1) const {
    list.push_back({.name = std::move(name),
                    .op_class = op_class,
                    .precision = job_.precision,
                    .shape = Streaming{.read = Bytes{read}, .written = Bytes{written}, .flops = Flops{read / size.element}},
                    .kernels = kernels});
  }

  void matmul(std::vector<Operator>& list, std::string name, OpClass op_class, Matmul shape) const {
    list.push_back({.name = std::move(name), .op_class = op_class, .precision = job_.precision, .shape = shape});
  }

  /// A tensor-parallel collective over `elements` of the full tensor.
  void collective(std::vector<Operator>& list, std::string name, CollectiveKind kind, double bytes, Overlap overlap = Overlap::none) const {
    if (plan_.tp == 1)
      return;
    list.push_back({.name = std::move(name),
                    .op_class = OpClass::communication,
                    .precision = job_.precision,
                    .shape = Collective{.kind = kind, .group = Group::tensor, .bytes = Bytes{bytes}, .overlap = overlap}});
  }

  /// Entry of a column-parallel region: nothing forward (the tokens are replicated) or a gather of the sequence shards.
  void enter_parallel(std::vector<Operator>& list, const std::string& name) const {
    if (plan_.sequence_parallel)
      collective(list, name + "_gather", CollectiveKind::all_gather, activation());
  }

  /// Exit of a row-parallel region.
  void leave_parallel(std::vector<Operator>& list, const std::string& name) const {
    collective(list, name + "_reduce", plan_.sequence_parallel ? CollectiveKind::reduce_scatter : CollectiveKind::all_reduce, activation());
  }

  /// Input and weight gradients of a linear layer with `out` x `in` weights on this rank.
  void linear_backward(std::vector<Operator>& list, const std::string& name, OpClass op_class, double in, double out, Side side) const {
    const bool column = side == Side::column;
    // The sharded operand is gathered again: the input of a column layer, the output gradient of a row layer.
    if (plan_.sequence_parallel && side != Side::inner)
      collective(list, name + (column ? "_input_gather" : "_grad_gather"), CollectiveKind::all_gather, activation(),
                 column && software_.overlap_tp_backward ? Overlap::next : Overlap::none);
    matmul(list, name + "_dgrad", op_class, {.m = size.tokens, .n = in, .k = out});
    if (column)
      collective(list, name + "_dgrad_reduce", plan_.sequence_parallel ? CollectiveKind::reduce_scatter : CollectiveKind::all_reduce,
                 activation(), software_.overlap_tp_backward ? Overlap::next : Overlap::none);
    matmul(list, name + "_wgrad", op_class, {.m = out, .n = in, .k = size.tokens});
  }

  /// Bytes of the full activation of one micro-batch.
  [[nodiscard]] double activation() const { return size.tokens * size.hidden * size.element; }
  /// Bytes of the part whose norms and residuals this rank computes.
  [[nodiscard]] double shard() const { return size.shard * size.hidden * size.element; }

private:
  const TrainingJob& job_;
  const Plan& plan_;
  const SoftwareProfile& software_;

public:
  Sizes size;
};

void norm(const BlockBuilder& b, std::vector<Operator>& list, const std::string& name) {
  b.streaming(list, name, OpClass::normalization, b.shard(), b.shard());
}

void norm_backward(const BlockBuilder& b, std::vector<Operator>& list, const std::string& name) {
  // Input and output gradient are read, the input gradient written; a second kernel sums the weight gradients.
  b.streaming(list, name + "_backward", OpClass::normalization, 3 * b.shard(), b.shard(), 2);
}

/// Bias, dropout and residual addition after a row-parallel layer.
void residual(const BlockBuilder& b, const SoftwareProfile& software, std::vector<Operator>& list, const std::string& name) {
  const double mask = software.hidden_dropout ? b.shard() / b.size.element : 0;
  if (software.fused_bias_activation)
    b.streaming(list, name, OpClass::elementwise, 2 * b.shard(), b.shard() + mask);
  else
    b.streaming(list, name, OpClass::elementwise, 4 * b.shard(), 3 * b.shard() + mask, 3);
}

void residual_backward(const BlockBuilder& b, const SoftwareProfile& software, std::vector<Operator>& list, const std::string& name) {
  // The residual's gradient is added to the branch's; dropout scales the branch by its mask.
  const double mask = software.hidden_dropout ? b.shard() / b.size.element : 0;
  b.streaming(list, name + "_backward", OpClass::elementwise, 2 * b.shard() + mask, (software.hidden_dropout ? 2 : 1) * b.shard(),
              software.hidden_dropout ? 2 : 1);
}

Operator fused_attention(const BlockBuilder& b, Precision precision, bool backward) {
  const Sizes& s = b.size;
  return {.name = backward ? "attention_backward" : "attention",
          .op_class = OpClass::attention,
          .precision = precision,
          .shape = FusedAttention{.batch = s.batch,
                                  .heads = s.heads,
                                  .kv_heads = s.kv_heads,
                                  .head_dim = s.head_dim,
                                  .queries = s.sequence,
                                  .keys = s.sequence,
                                  .backward = backward},
          .kernels = backward ? 3 : 1};
}

void core_attention(const BlockBuilder& b, const SoftwareProfile& software, Precision precision, std::vector<Operator>& list) {
  const Sizes& s = b.size;
  if (is_fused(software.attention)) {
    list.push_back(fused_attention(b, precision, false));
    return;
  }
  const double scores = s.batch * s.heads * s.sequence * s.sequence;
  b.matmul(list, "attention_scores", OpClass::attention, {.batch = s.batch * s.heads, .m = s.sequence, .n = s.sequence, .k = s.head_dim});
  if (software.fused_softmax)
    b.streaming(list, "softmax", OpClass::softmax, scores * s.element, scores * s.element);
  else // scale, mask, softmax
    b.streaming(list, "softmax", OpClass::softmax, 3 * scores * s.element, 3 * scores * s.element, 4);
  if (software.attention_dropout)
    b.streaming(list, "attention_dropout", OpClass::elementwise, scores * s.element, scores * (s.element + 1));
  b.matmul(list, "attention_context", OpClass::attention, {.batch = s.batch * s.heads, .m = s.sequence, .n = s.head_dim, .k = s.sequence});
  const double context = s.tokens * s.query * s.element;
  b.streaming(list, "context_transpose", OpClass::elementwise, context, context);
}

void core_attention_backward(const BlockBuilder& b, const SoftwareProfile& software, Precision precision, std::vector<Operator>& list) {
  const Sizes& s = b.size;
  if (is_fused(software.attention)) {
    list.push_back(fused_attention(b, precision, true));
    return;
  }
  const double scores = s.batch * s.heads * s.sequence * s.sequence;
  const double context = s.tokens * s.query * s.element;
  const double batch = s.batch * s.heads;
  b.streaming(list, "context_transpose_backward", OpClass::elementwise, context, context);
  b.matmul(list, "attention_context_dgrad", OpClass::attention, {.batch = batch, .m = s.sequence, .n = s.sequence, .k = s.head_dim});
  b.matmul(list, "attention_value_grad", OpClass::attention, {.batch = batch, .m = s.sequence, .n = s.head_dim, .k = s.sequence});
  if (software.attention_dropout)
    b.streaming(list, "attention_dropout_backward", OpClass::elementwise, scores * (s.element + 1), scores * s.element);
  const double passes = software.fused_softmax ? 1 : 3;
  b.streaming(list, "softmax_backward", OpClass::softmax, (passes + 1) * scores * s.element, passes * scores * s.element,
              software.fused_softmax ? 1 : 4);
  b.matmul(list, "attention_query_grad", OpClass::attention, {.batch = batch, .m = s.sequence, .n = s.head_dim, .k = s.sequence});
  b.matmul(list, "attention_key_grad", OpClass::attention, {.batch = batch, .m = s.sequence, .n = s.head_dim, .k = s.sequence});
}

void rotary(const BlockBuilder& b, std::vector<Operator>& list, const std::string& name) {
  const double rotated = b.size.tokens * (b.size.query + b.size.kv) * b.size.element;
  b.streaming(list, name, OpClass::elementwise, rotated, rotated, 2);
}

/// Bytes kept for the backward pass when nothing is recomputed (Korthikanti et al. 2022, eq. 1 to 4, generalised to GQA and gated FFNs).
double kept_activations(const BlockBuilder& b, const TransformerModel& model, const SoftwareProfile& software, bool keep_core) {
  const Sizes& s = b.size;
  const double mask = software.hidden_dropout ? s.shard * s.hidden : 0;
  const double norms = (model.parallel_block ? 3 : 4) * s.shard * s.hidden * s.element; // input and output of both norms; they may share it
  const double qkv = s.tokens * (s.query + 2 * s.kv) * s.element;
  const double context = s.tokens * s.query * s.element;
  const double ffn = s.tokens * s.ffn * s.element * (model.ffn == FfnKind::gated ? 3 : 2);
  double core = 0;
  if (is_fused(software.attention))
    core = context + s.batch * s.heads * s.sequence * 4; // output, and the log-sum-exp of each row in fp32
  else if (keep_core)
    core = s.batch * s.heads * s.sequence * s.sequence * (s.element + (software.attention_dropout ? s.element + 1 : 0));
  return norms + qkv + context + ffn + 2 * mask + core;
}

void forward_operators(const BlockBuilder& b, const TransformerModel& model, const SoftwareProfile& software, Precision precision,
                       std::vector<Operator>& list) {
  const Sizes& s = b.size;
  const double gate = model.ffn == FfnKind::gated ? 2 : 1;
  norm(b, list, "input_norm");
  b.enter_parallel(list, "qkv");
  b.matmul(list, "qkv", OpClass::gemm, {.m = s.tokens, .n = s.query + 2 * s.kv, .k = s.hidden});
  if (model.position == PositionKind::rotary)
    rotary(b, list, "rotary");
  core_attention(b, software, precision, list);
  b.matmul(list, "projection", OpClass::gemm, {.m = s.tokens, .n = s.hidden, .k = s.query});
  if (!model.parallel_block) {
    b.leave_parallel(list, "projection");
    residual(b, software, list, "attention_residual");
  }
  norm(b, list, "ffn_norm");
  if (!model.parallel_block)
    b.enter_parallel(list, "ffn_up");
  b.matmul(list, "ffn_up", OpClass::gemm, {.m = s.tokens, .n = gate * s.ffn, .k = s.hidden});
  const double wide = s.tokens * s.ffn * s.element;
  if (software.fused_bias_activation)
    b.streaming(list, "activation", OpClass::elementwise, gate * wide, wide);
  else
    b.streaming(list, "activation", OpClass::elementwise, 2 * gate * wide, 2 * wide, 2);
  b.matmul(list, "ffn_down", OpClass::gemm, {.m = s.tokens, .n = s.hidden, .k = s.ffn});
  if (model.parallel_block)
    b.streaming(list, "branch_sum", OpClass::elementwise, 2 * b.activation(), b.activation());
  b.leave_parallel(list, "ffn_down");
  residual(b, software, list, "ffn_residual");
}

void backward_operators(const BlockBuilder& b, const TransformerModel& model, const SoftwareProfile& software, Precision precision,
                        std::vector<Operator>& list) {
  const Sizes& s = b.size;
  const double gate = model.ffn == FfnKind::gated ? 2 : 1;
  const double wide = s.tokens * s.ffn * s.element;
  residual_backward(b, software, list, "ffn_residual");
  b.linear_backward(list, "ffn_down", OpClass::gemm, s.ffn, s.hidden, Side::row);
  b.streaming(list, "activation_backward", OpClass::elementwise, (1 + gate) * wide, gate * wide, software.fused_bias_activation ? 1 : 3);
  b.linear_backward(list, "ffn_up", OpClass::gemm, s.hidden, gate * s.ffn, model.parallel_block ? Side::inner : Side::column);
  norm_backward(b, list, "ffn_norm");
  if (!model.parallel_block)
    residual_backward(b, software, list, "attention_residual");
  b.linear_backward(list, "projection", OpClass::gemm, s.query, s.hidden, model.parallel_block ? Side::inner : Side::row);
  core_attention_backward(b, software, precision, list);
  if (model.position == PositionKind::rotary)
    rotary(b, list, "rotary_backward");
  b.linear_backward(list, "qkv", OpClass::gemm, s.hidden, s.query + 2 * s.kv, Side::column);
  norm_backward(b, list, "input_norm");
}

/// Elements of one layer on one rank. Norms and the biases of row-parallel layers are whole on every rank, keys where they are fewer than
/// ranks.
double rank_parameters(const Sizes& s, const TransformerModel& model) {
  const double matrices = model.ffn == FfnKind::gated ? 3 : 2;
  const double attention = s.hidden * (2 * s.query + 2 * s.kv);
  const double ffn = matrices * s.hidden * s.ffn;
  const double biases = model.biases ? s.query + 2 * s.kv + (matrices - 1) * s.ffn + 2 * s.hidden : 0;
  return attention + ffn + biases + 2 * model.norm_parameters();
}

void prepend_recomputed(std::vector<Operator>& backward, std::vector<Operator> repeated) {
  for (Operator& op : repeated)
    op.recomputed = true;
  backward.insert(backward.begin(), std::make_move_iterator(repeated.begin()), std::make_move_iterator(repeated.end()));
}

} // namespace

Block layer_block(const TrainingJob& job, const Plan& plan, const SoftwareProfile& software) {
  const BlockBuilder b(job, plan, software);
  const TransformerModel& model = job.model;
  Block block{.name = "layer"};
  block.forward.reserve(24);
  block.backward.reserve(64);
  forward_operators(b, model, software, job.precision, block.forward);
  backward_operators(b, model, software, job.precision, block.backward);
  const double all = kept_activations(b, model, software, true);
  double kept = all;
  switch (plan.recompute) {
  case Recompute::none:
    break;
  case Recompute::selective: { // a fused kernel already recomputes its scores
    kept = kept_activations(b, model, software, false);
    if (!is_fused(software.attention)) {
      std::vector<Operator> core;
      core_attention(b, software, job.precision, core);
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
  block.parameters = rank_parameters(b.size, model);
  return block;
}

Block embedding_block(const TrainingJob& job, const Plan& plan, const SoftwareProfile& software) {
  const BlockBuilder b(job, plan, software);
  Block block{.name = "embedding"};
  b.streaming(block.forward, "embedding_lookup", OpClass::embedding, b.activation(), b.activation(), plan.tp > 1 ? 4 : 1);
  b.leave_parallel(block.forward, "embedding");
  if (job.model.position == PositionKind::learned)
    b.streaming(block.forward, "position_add", OpClass::elementwise, 2 * b.shard(), b.shard());
  if (software.hidden_dropout)
    b.streaming(block.forward, "embedding_dropout", OpClass::elementwise, b.shard(), b.shard() * (1 + 1 / b.size.element));
  b.enter_parallel(block.backward, "embedding_grad");
  // Rows of the table's gradient are read, added to and written.
  b.streaming(block.backward, "embedding_backward", OpClass::embedding, 3 * b.activation(), b.activation(), 4);
  block.activations = Bytes{b.size.tokens * 8 + (software.hidden_dropout ? b.size.shard * b.size.hidden : 0)};
  block.working_set = Bytes{b.activation()};
  block.parameters = static_cast<double>(job.model.vocabulary) * job.model.hidden / plan.tp +
                     static_cast<double>(job.model.max_positions) * job.model.hidden;
  return block;
}

Block head_block(const TrainingJob& job, const Plan& plan, const SoftwareProfile& software) {
  const BlockBuilder b(job, plan, software);
  const double width = static_cast<double>(job.model.vocabulary) / plan.tp;
  const double logits = b.size.tokens * width;
  Block block{.name = "head"};
  norm(b, block.forward, "final_norm");
  b.enter_parallel(block.forward, "head");
  b.matmul(block.forward, "head", OpClass::head, {.m = b.size.tokens, .n = width, .k = b.size.hidden});
  if (software.fused_loss) {
    b.streaming(block.forward, "loss", OpClass::loss, logits * b.size.element, logits * b.size.element);
  } else { // to fp32 (2 + 4), maximum (4), subtraction (8), exponential (8), sum (4), division (8) bytes per logit
    b.streaming(block.forward, "loss", OpClass::loss, logits * 22, logits * 16, 10);
  }
  for (const char* name : {"loss_max", "loss_sum", "loss_target"})
    b.collective(block.forward, name, CollectiveKind::all_reduce, b.size.tokens * 4);
  if (!software.fused_loss) // scaling in fp32 and the cast back
    b.streaming(block.backward, "loss_backward", OpClass::loss, logits * 8, logits * 6, 4);
  b.linear_backward(block.backward, "head", OpClass::head, b.size.hidden, width, Side::column);
  norm_backward(b, block.backward, "final_norm");
  const double logit_bytes = software.fused_loss ? b.size.element : b.size.element + 4;
  block.activations = Bytes{2 * b.shard() + logits * logit_bytes};
  block.working_set = Bytes{logits * (software.fused_loss ? b.size.element : 4)};
  block.parameters = job.model.norm_parameters() + width * job.model.hidden;
  return block;
}

Block receive_block(const TrainingJob& job, const Plan& plan, const SoftwareProfile& software) {
  const BlockBuilder b(job, plan, software);
  Block block{.name = "receive"};
  if (plan.sequence_parallel)
    return block;
  if (software.scatter_gather_p2p)
    b.collective(block.forward, "activation_gather", CollectiveKind::all_gather, b.activation());
  if (software.scatter_gather_backward)
    b.collective(block.backward, "gradient_gather", CollectiveKind::all_gather, b.activation());
  return block;
}

} // namespace orrery
