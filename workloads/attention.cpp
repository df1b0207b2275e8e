#include "workloads/attention.hpp"

namespace orrery {

namespace {

using List = BlockBuilder::List;

Operator fused_attention(const BlockBuilder& b, bool backward) {
  const Sizes& s = b.size;
  return {.name = backward ? "attention_backward" : "attention",
          .op_class = OpClass::attention,
          .precision = b.job.precision,
          .shape = FusedAttention{.batch = s.batch,
                                  .heads = s.heads,
                                  .kv_heads = s.kv_heads,
                                  .head_dim = s.head_dim,
                                  .queries = s.sequence,
                                  .keys = s.sequence,
                                  .backward = backward},
          .kernels = backward ? 3 : 1};
}

void core_attention_backward(const BlockBuilder& b, List& list) {
  const Sizes& s = b.size;
  if (is_fused(b.software.attention)) {
    list.push_back(fused_attention(b, true));
    return;
  }
  const double scores = s.batch * s.heads * s.sequence * s.sequence;
  const double context = s.tokens * s.query * s.element;
  const double batch = s.batch * s.heads;
  b.streaming(list, "context_transpose_backward", OpClass::elementwise, context, context);
  b.matmul(list, "attention_context_dgrad", OpClass::attention, {.batch = batch, .m = s.sequence, .n = s.sequence, .k = s.head_dim});
  b.matmul(list, "attention_value_grad", OpClass::attention, {.batch = batch, .m = s.sequence, .n = s.head_dim, .k = s.sequence});
  if (b.software.attention_dropout)
    b.streaming(list, "attention_dropout_backward", OpClass::elementwise, scores * (s.element + 1), scores * s.element);
  const double passes = b.software.fused_softmax ? 1 : 3;
  b.streaming(list, "softmax_backward", OpClass::softmax, (passes + 1) * scores * s.element, passes * scores * s.element,
              b.software.fused_softmax ? 1 : 4);
  b.matmul(list, "attention_query_grad", OpClass::attention, {.batch = batch, .m = s.sequence, .n = s.head_dim, .k = s.sequence});
  b.matmul(list, "attention_key_grad", OpClass::attention, {.batch = batch, .m = s.sequence, .n = s.head_dim, .k = s.sequence});
}

void rotary(const BlockBuilder& b, List& list, const std::string& name) {
  const double rotated = b.size.tokens * (b.size.query + b.size.kv) * b.size.element;
  b.streaming(list, name, OpClass::elementwise, rotated, rotated, 2);
}

} // namespace

void core_attention(const BlockBuilder& b, List& list) {
  const Sizes& s = b.size;
  if (is_fused(b.software.attention)) {
    list.push_back(fused_attention(b, false));
    return;
  }
  const double scores = s.batch * s.heads * s.sequence * s.sequence;
  b.matmul(list, "attention_scores", OpClass::attention, {.batch = s.batch * s.heads, .m = s.sequence, .n = s.sequence, .k = s.head_dim});
  if (b.software.fused_softmax)
    b.streaming(list, "softmax", OpClass::softmax, scores * s.element, scores * s.element);
  else // scale, mask, softmax
    b.streaming(list, "softmax", OpClass::softmax, 3 * scores * s.element, 3 * scores * s.element, 4);
  if (b.software.attention_dropout)
    b.streaming(list, "attention_dropout", OpClass::elementwise, scores * s.element, scores * (s.element + 1));
  b.matmul(list, "attention_context", OpClass::attention, {.batch = s.batch * s.heads, .m = s.sequence, .n = s.head_dim, .k = s.sequence});
  const double context = s.tokens * s.query * s.element;
  b.streaming(list, "context_transpose", OpClass::elementwise, context, context);
}

void attention_forward(const BlockBuilder& b, List& list) {
  const Sizes& s = b.size;
  b.norm(list, "input_norm");
  b.enter_parallel(list, "qkv");
  b.matmul(list, "qkv", OpClass::gemm, {.m = s.tokens, .n = s.query + 2 * s.kv, .k = s.hidden});
  if (b.model.position == PositionKind::rotary)
    rotary(b, list, "rotary");
  core_attention(b, list);
  b.matmul(list, "projection", OpClass::gemm, {.m = s.tokens, .n = s.hidden, .k = s.query});
  if (!b.model.parallel_block) {
    b.leave_parallel(list, "projection");
    b.residual(list, "attention_residual");
  }
}

void attention_backward(const BlockBuilder& b, List& list) {
  const Sizes& s = b.size;
  if (!b.model.parallel_block)
    b.residual_backward(list, "attention_residual");
  b.linear_backward(list, "projection", OpClass::gemm, s.query, s.hidden, b.model.parallel_block ? Side::inner : Side::row);
  core_attention_backward(b, list);
  if (b.model.position == PositionKind::rotary)
    rotary(b, list, "rotary_backward");
  b.linear_backward(list, "qkv", OpClass::gemm, s.hidden, s.query + 2 * s.kv, Side::column);
  b.norm_backward(list, "input_norm");
}

double attention_kept(const BlockBuilder& b, bool keep_core) {
  const Sizes& s = b.size;
  const double qkv = s.tokens * (s.query + 2 * s.kv) * s.element;
  const double context = s.tokens * s.query * s.element;
  double core = 0;
  if (is_fused(b.software.attention))
    core = context + s.batch * s.heads * s.sequence * 4; // output, and the log-sum-exp of each row in fp32
  else if (keep_core)
    core = s.batch * s.heads * s.sequence * s.sequence * (s.element + (b.software.attention_dropout ? s.element + 1 : 0));
  return qkv + context + core;
}

double attention_rank_parameters(const BlockBuilder& b) {
  const Sizes& s = b.size;
  const double biases = b.model.biases ? s.query + 2 * s.kv + s.hidden : 0;
  return s.hidden * (2 * s.query + 2 * s.kv) + biases;
}

} // namespace orrery
