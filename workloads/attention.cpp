#include "workloads/attention.hpp"

#include "workloads/latent_attention.hpp"

#include <algorithm>

namespace orrery {

namespace {

using List = BlockBuilder::List;

Operator fused_attention(const BlockBuilder& b, bool backward) {
  const Sizes& s = b.size;
  // Ring and gather: a rank's queries are an early and a late part of the sequence, so that each sees half of the keys on average.
  const bool parts = b.plan.cp > 1 && b.plan.context != ContextParallel::ulysses;
  const double spread = b.plan.cp > 1 && !parts ? b.plan.cp : 1;
  const double length = mean_attended_length(b.job.documents, b.job.sequence);
  const bool windowed = b.kind.mixer == Mixer::windowed_attention && b.model.attention_window < length;
  const double window = windowed ? b.model.attention_window : 0;
  const double seen = windowed ? std::min(window, length / 2) : length / 2;
  return {.name = backward ? "attention_backward" : "attention",
          .op_class = OpClass::attention,
          .precision = b.job.precision,
          .shape = FusedAttention{.batch = parts ? s.batch : s.batch * (s.sequence / length),
                                  .heads = s.heads / spread,
                                  .kv_heads = std::max(1.0, s.kv_heads / spread),
                                  .head_dim = s.head_dim,
                                  .value_dim = s.value_dim == s.head_dim ? 0 : s.value_dim,
                                  .window = parts ? 0 : window,
                                  .queries = parts ? s.queries : length,
                                  .keys = parts ? seen : length,
                                  .causal = !parts,
                                  .backward = backward},
          .kernels = backward ? 3 : 1};
}

/// Width of the keys and values of this rank's heads.
double key_value_width(const Sizes& s) { return s.kv + s.kv_heads * s.value_dim; }

/// What the context-parallel ranks exchange for the attention that follows: keys and values, and backwards their gradients too.
void exchange_context(const BlockBuilder& b, List& list, bool backward) {
  const Sizes& s = b.size;
  if (b.plan.context == ContextParallel::ulysses) {
    const double widths =
        backward ? 2 * s.context : s.query + key_value_width(s); // gradient of the output and the output; queries, keys, values
    b.context_collective(list, "heads_exchange", CollectiveKind::all_to_all, s.tokens * widths * s.element, Overlap::none);
    return;
  }
  const bool blockwise = b.software.blockwise_context;
  const double keys = b.plan.cp * s.tokens * (blockwise ? 2 * s.context : key_value_width(s)) * s.element;
  b.context_collective(list, "keys_exchange", CollectiveKind::all_gather, (backward && !blockwise ? 2 : 1) * keys,
                       b.plan.context == ContextParallel::ring ? Overlap::next : Overlap::none);
}

/// What follows attention that is computed part by part, in a ring or by blocks: the outputs of the parts are merged by their log-sum-exps
/// in fp32, and gradients are added up.
void merge_context(const BlockBuilder& b, List& list, bool backward) {
  const bool blockwise = b.software.blockwise_context;
  if (b.plan.cp == 1 || b.plan.context == ContextParallel::ulysses || (b.plan.context == ContextParallel::all_gather && !blockwise))
    return;
  const Sizes& s = b.size;
  const double rows = s.tokens * s.context;
  const double merges = b.plan.cp - 1;
  const char* name = backward ? "attention_backward_merge" : "attention_merge";
  if (!blockwise) { // one kernel for each part; of the queries three quarters on average see a part that another rank sent
    const double merged = 0.75 * merges * rows;
    const double keys = merges * s.tokens * key_value_width(s);
    const double added = 2 * (merged + keys) * s.element;
    if (backward) // gradients of the queries, and of the keys and values that travel
      return b.streaming(list, name, OpClass::elementwise, added, added / 2, 3 * (b.plan.cp - 1));
    // The first part to fp32, the others onto it, the sum back.
    return b.streaming(list, name, OpClass::elementwise, (rows + merged) * (s.element + fp32_bytes),
                       (rows + merged) * fp32_bytes + rows * s.element, b.plan.cp + 1);
  }
  // By elementary operators; gradients in fp32, and those of keys and values go round part by part.
  if (backward) { // of the queries, and of half of the keys and of the values
    b.context_collective(list, "key_gradients_rotation", CollectiveKind::all_gather, b.plan.cp * 2 * rows * fp32_bytes, Overlap::none);
    return b.streaming(list, name, OpClass::elementwise, merges * 2 * (rows * s.element + 2 * rows * fp32_bytes),
                       merges * 2 * 2 * rows * fp32_bytes, 6 * (b.plan.cp - 1));
  }
  // To fp32; difference from what is there, times the share of the part, taken from what is there.
  b.streaming(list, name, OpClass::elementwise, merges * (rows * s.element + 5 * rows * fp32_bytes), merges * 4 * rows * fp32_bytes,
              4 * (b.plan.cp - 1));
}

/// Attention that others compute: queries, keys and values leave and the output returns, or their gradients. Two halves of a micro-batch
/// alternate, so that this runs beside the rest of the pass.
void serve_attention(const BlockBuilder& b, List& list, bool backward) {
  const Sizes& s = b.size;
  if (!b.plan.attention_servers || !b.job.documents.unequal())
    return;
  const double widths = s.query + key_value_width(s) + s.context;
  const double moved = excess_share(drawn_attended_lengths(b.job.documents, b.job.sequence));
  b.collective_over(list, "attention_dispatch", CollectiveKind::all_to_all, Group::data, b.plan.dp * b.plan.cp,
                    (backward ? 2 : 1) * moved * s.tokens * widths * s.element, Overlap::pass);
}

/// Ulysses brings the output back to sequence shards, and backwards the gradients of queries, keys and values.
void return_context(const BlockBuilder& b, List& list, bool backward) {
  const Sizes& s = b.size;
  if (b.plan.context == ContextParallel::ulysses)
    b.context_collective(list, "sequence_exchange", CollectiveKind::all_to_all,
                         s.tokens * (backward ? s.query + key_value_width(s) : s.context) * s.element, Overlap::none);
}

void core_attention_backward(const BlockBuilder& b, List& list) {
  const Sizes& s = b.size;
  exchange_context(b, list, true);
  if (is_fused(b.software.attention)) {
    serve_attention(b, list, true);
    list.push_back(fused_attention(b, true));
    merge_context(b, list, true);
    return return_context(b, list, true);
  }
  const double scores = s.batch * s.heads * s.queries * s.sequence;
  const double context = s.tokens * s.context * s.element;
  const double batch = s.batch * s.heads;
  b.streaming(list, "context_transpose_backward", OpClass::elementwise, context, context);
  b.matmul(list, "attention_context_dgrad", OpClass::attention, {.batch = batch, .m = s.queries, .n = s.sequence, .k = s.value_dim});
  b.matmul(list, "attention_value_grad", OpClass::attention, {.batch = batch, .m = s.sequence, .n = s.value_dim, .k = s.queries});
  if (b.software.attention_dropout)
    b.streaming(list, "attention_dropout_backward", OpClass::elementwise, scores * (s.element + 1), scores * s.element);
  const double passes = b.software.fused_softmax ? 1 : 3;
  b.streaming(list, "softmax_backward", OpClass::softmax, (passes + 1) * scores * s.element, passes * scores * s.element,
              b.software.fused_softmax ? 1 : 4);
  b.matmul(list, "attention_query_grad", OpClass::attention, {.batch = batch, .m = s.queries, .n = s.head_dim, .k = s.sequence});
  b.matmul(list, "attention_key_grad", OpClass::attention, {.batch = batch, .m = s.sequence, .n = s.head_dim, .k = s.queries});
}

/// Norms of queries and keys, head by head.
void query_key_norm(const BlockBuilder& b, List& list, bool backward) {
  if (!b.model.query_key_norm)
    return;
  const double bytes = b.size.tokens * (b.size.query + b.size.kv) * b.size.element;
  b.streaming(list, backward ? "qk_norm_backward" : "qk_norm", OpClass::normalization, (backward ? 3 : 1) * bytes, bytes, backward ? 4 : 2);
}

void rotary(const BlockBuilder& b, List& list, const std::string& name) {
  const double width = b.size.tokens * (b.size.query + b.size.kv);
  const double rotated = width * b.size.element;
  if (b.software.fused_norms)
    return b.streaming(list, name, OpClass::elementwise, rotated, rotated, 2);
  const double wide = width * fp32_bytes; // to fp32, product, from fp32, of queries and of keys
  b.streaming(list, name, OpClass::elementwise, rotated + 2 * wide, rotated + 2 * wide, 6);
}

} // namespace

void core_attention(const BlockBuilder& b, List& list) {
  const Sizes& s = b.size;
  exchange_context(b, list, false);
  if (is_fused(b.software.attention)) {
    serve_attention(b, list, false);
    list.push_back(fused_attention(b, false));
    merge_context(b, list, false);
    return return_context(b, list, false);
  }
  const double scores = s.batch * s.heads * s.queries * s.sequence;
  b.matmul(list, "attention_scores", OpClass::attention, {.batch = s.batch * s.heads, .m = s.queries, .n = s.sequence, .k = s.head_dim});
  if (b.software.fused_softmax)
    b.streaming(list, "softmax", OpClass::softmax, scores * s.element, scores * s.element);
  else // scale, mask, softmax
    b.streaming(list, "softmax", OpClass::softmax, 3 * scores * s.element, 3 * scores * s.element, 4);
  if (b.software.attention_dropout)
    b.streaming(list, "attention_dropout", OpClass::elementwise, scores * s.element, scores * (s.element + 1));
  b.matmul(list, "attention_context", OpClass::attention, {.batch = s.batch * s.heads, .m = s.queries, .n = s.value_dim, .k = s.sequence});
  const double context = s.tokens * s.context * s.element;
  b.streaming(list, "context_transpose", OpClass::elementwise, context, context);
}

void attention_forward(const BlockBuilder& b, List& list) {
  const Sizes& s = b.size;
  b.norm(list, "input_norm");
  if (b.model.latent.kv_rank > 0) {
    latent_projections(b, list);
  } else {
    b.linear(list, "qkv", OpClass::gemm, s.hidden, s.query + 2 * s.kv, Side::column, b.attention_parts());
    b.add_bias(list, "qkv", s.query + 2 * s.kv);
    query_key_norm(b, list, false);
    if (b.model.position == PositionKind::rotary)
      rotary(b, list, "rotary");
  }
  core_attention(b, list);
  b.linear(list, "projection", OpClass::gemm, s.context, s.hidden, b.model.parallel_block ? Side::inner : Side::row);
  if (!b.model.parallel_block)
    b.residual(list, "attention_residual");
}

void attention_backward(const BlockBuilder& b, List& list) {
  const Sizes& s = b.size;
  if (!b.model.parallel_block)
    b.residual_backward(list, "attention_residual");
  b.linear_backward(list, "projection", OpClass::gemm, s.context, s.hidden, b.model.parallel_block ? Side::inner : Side::row);
  core_attention_backward(b, list);
  if (b.model.latent.kv_rank > 0) {
    latent_projections_backward(b, list);
  } else {
    if (b.model.position == PositionKind::rotary)
      rotary(b, list, "rotary_backward");
    query_key_norm(b, list, true);
    if (const double bytes = s.tokens * (s.query + 2 * s.kv) * s.element; b.software.copy_attention_gradients)
      b.streaming(list, "qkv_grad_pack", OpClass::elementwise, bytes, bytes);
    b.linear_backward(list, "qkv", OpClass::gemm, s.hidden, s.query + 2 * s.kv, Side::column, b.attention_parts());
  }
  b.norm_backward(list, "input_norm");
}

double attention_kept(const BlockBuilder& b, bool keep_core) {
  const Sizes& s = b.size;
  const double norm_input = b.model.query_key_norm ? s.query + s.kv : 0;
  const double qkv = (s.tokens * (s.query + key_value_width(s) + norm_input) + latent_elements(b)) * s.element;
  // The output of the attention, which is the input of the projection unless that is cast.
  const double context =
      s.tokens * s.context * (s.element + (b.low_precision(OpClass::gemm) && !b.software.recast_inputs ? b.linear_input_bytes() : 0));
  double core = 0;
  if (is_fused(b.software.attention))
    core = s.batch * s.heads * s.queries * 4; // the log-sum-exp of each row in fp32
  else if (keep_core)
    core = s.batch * s.heads * s.queries * s.sequence * (s.element + (b.software.attention_dropout ? s.element + 1 : 0));
  return qkv + context + core;
}

double attention_rank_parameters(const BlockBuilder& b) {
  const Sizes& s = b.size;
  if (b.model.latent.kv_rank > 0)
    return latent_rank_parameters(b);
  const double norms = b.model.query_key_norm ? 2 * s.head_dim : 0;
  const double biases = b.model.biases ? s.query + 2 * s.kv + s.hidden : 0;
  return s.hidden * (2 * s.query + 2 * s.kv) + biases + norms;
}

} // namespace orrery
