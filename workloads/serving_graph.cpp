#include "workloads/serving_graph.hpp"

#include "workloads/layer.hpp"
#include "workloads/recurrent.hpp"

#include <algorithm>
#include <utility>

namespace orrery {

namespace {

constexpr int sampling_kernels = 4; // logits to fp32, temperature, maximum or threshold, draw

TrainingJob shapes_of(const ServingJob& job) { return {.model = job.model, .sequence = 1, .precision = job.precision}; }

Plan layout_of(const ServingPlan& plan) {
  return {.tp = plan.tp,
          .pp = plan.pp,
          .dp = plan.attention_dp,
          .ep = plan.ep,
          .etp = std::max(1, plan.tp * plan.attention_dp / std::max(1, plan.ep))};
}

} // namespace

ServingGraph::ServingGraph(ServingJob job, const ServingPlan& plan, const SoftwareProfile& software)
    : job_(std::move(job)), plan_(plan), software_(software), shapes_(shapes_of(job_)), layout_(layout_of(plan)),
      base_(shapes_, layout_, software_) {
  std::size_t layer = 0;
  for (const int count : layers_per_chunk(job_.model, {.pp = plan.pp})) {
    StageLayers& stage = stages_.emplace_back();
    for (int i = 0; i < count; ++i, ++layer) {
      const LayerKind kind = job_.model.layer_kind(static_cast<int>(layer));
      const auto place = static_cast<std::size_t>(std::ranges::find(kinds_, kind) - kinds_.begin());
      if (place == kinds_.size())
        kinds_.push_back(kind);
      stage.counts.resize(std::max(stage.counts.size(), kinds_.size()));
      ++stage.counts[place];
    }
  }
  for (StageLayers& stage : stages_)
    stage.counts.resize(kinds_.size());
}

BlockBuilder ServingGraph::builder(LayerKind kind, double tokens) const {
  BlockBuilder b = base_;
  b.kind = kind;
  b.size.tokens = b.size.shard = b.size.sequence = b.size.queries = tokens;
  return b;
}

bool ServingGraph::narrow(LayerKind kind) const { return !job_.weights.experts_only || kind.feed_forward != FeedForward::experts; }

void ServingGraph::norm(const BlockBuilder& b, List& list, const char* name, bool after_reduce) const {
  if (after_reduce && b.plan.tp > 1 && software_.serving.fused_all_reduce_norm && b.activation() < largest_own_reduce)
    return;            // the engine's own all-reduce does it; behind the library's it is a kernel again
  if (b.fuses_norms()) // with the addition to the residual
    return b.streaming(list, name, OpClass::normalization, 2 * b.shard(), 2 * b.shard());
  b.streaming(list, "residual", OpClass::elementwise, 2 * b.shard(), b.shard());
  b.norm(list, name);
}

void ServingGraph::quantise(const BlockBuilder& b, List& list, const char* name, double elements, bool alone) const {
  if (job_.weights.casts && (alone || !software_.serving.fused_quantisation))
    b.streaming(list, name, job_.weights.block_scaled() ? OpClass::block_cast : OpClass::cast, elements * b.size.element,
                elements * element_bytes(job_.weights.operand));
}

/// `alone` = no norm or activation stands before it that could write its input.
void ServingGraph::linear(const BlockBuilder& b, List& list, const char* name, double in, double out, bool alone) const {
  Matmul shape{.m = b.size.tokens, .n = out, .k = in};
  if (!narrow(b.kind))
    return product(b, list, name, OpClass::gemm, b.job.precision, shape);
  quantise(b, list, "quantise", b.size.tokens * in, alone);
  shape.weight_bytes = job_.weights.weight_bytes;
  shape.mixed = job_.weights.mixed;
  product(b, list, name, OpClass::gemm, job_.weights.operand, shape);
}

/// A layer of parts of those widths, as one product or as one for each.
void ServingGraph::parts(const BlockBuilder& b, List& list, const char* name, double in, const std::vector<double>& widths,
                         double out) const {
  if (widths.empty())
    return linear(b, list, name, in, out, false);
  for (const double width : widths)
    linear(b, list, name, in, width, false);
}

void ServingGraph::sum(const BlockBuilder& b, List& list, const char* name) const {
  b.collective(list, name, CollectiveKind::all_reduce, b.activation());
}

/// Over all heads the ranks of tensor parallelism add up their sums of squares, one of queries and one of keys, between two passes.
void ServingGraph::query_key_norm(const BlockBuilder& b, List& list, double bytes) const {
  constexpr double sums_bytes = 2 * 4; // of a token, in fp32
  const bool summed = b.model.whole_query_norm && plan_.tp > 1;
  if (summed) {
    b.streaming(list, "qk_squares", OpClass::normalization, bytes, b.size.tokens * sums_bytes, 2);
    b.collective(list, "qk_sum", CollectiveKind::all_reduce, b.size.tokens * sums_bytes);
  }
  b.streaming(list, "qk_norm", OpClass::normalization, bytes, bytes, 2);
}

void ServingGraph::attention_inputs(const BlockBuilder& b, List& list) const {
  const Sizes& s = b.size;
  parts(b, list, "qkv", s.hidden, b.attention_parts(), s.query + 2 * s.kv);
  const double rotated = s.tokens * (s.query + s.kv) * s.element;
  const double kept = s.tokens * (job_.kept == KvContent::inputs ? s.hidden : 2 * s.kv);
  if (b.model.query_key_norm)
    query_key_norm(b, list, rotated);
  const bool rotates = b.model.position == PositionKind::rotary;
  if (rotates && software_.serving.fused_rotary_cache)
    return b.streaming(list, "rotary_cache", OpClass::elementwise, rotated + (job_.kept == KvContent::inputs ? kept : kept / 2) * s.element,
                       rotated + kept * element_bytes(job_.kv));
  if (rotates && software_.fused_norms)
    b.streaming(list, "rotary", OpClass::elementwise, rotated, rotated);
  else if (rotates) // of queries and of keys: half negated, halves joined, times cosine, times sine, their sum
    b.streaming(list, "rotary", OpClass::elementwise, 5.5 * rotated, 4.5 * rotated, 10);
  b.streaming(list, "cache_write", OpClass::elementwise, kept * s.element, kept * element_bytes(job_.kv));
}

ServingGraph::List ServingGraph::layer(LayerKind kind, double tokens, double all) const {
  const BlockBuilder b = builder(kind, tokens);
  const Sizes& s = b.size;
  List list;
  list.reserve(24);
  if (attends(kind)) {
    norm(b, list, "input_norm", true);
    if (b.model.latent.kv_rank > 0)
      latent_inputs(b, list);
    else
      attention_inputs(b, list);
    linear(b, list, "projection", s.context, s.hidden, true);
    if (b.model.post_norms)
      norm(b, list, "attention_norm", true);
    if (!b.model.parallel_block)
      sum(b, list, "attention_sum");
  } else if (kind.mixer == Mixer::recurrent) {
    const RecurrentSizes z(b);
    norm(b, list, "input_norm", true);
    linear(b, list, "mixer_in", s.hidden, z.projected, false);
    const double convolved = s.tokens * z.convolved * s.element;
    const double values = s.tokens * z.values * s.element;
    b.streaming(list, "convolution", OpClass::elementwise, convolved, convolved);
    b.streaming(list, "gated_norm", OpClass::normalization, 2 * values, values);
    linear(b, list, "mixer_out", z.values, s.hidden, true);
    sum(b, list, "mixer_sum");
  }
  if (kind.feed_forward == FeedForward::dense)
    feed_forward(b, list);
  else if (kind.feed_forward == FeedForward::experts)
    experts(b, list, all);
  return list;
}

void ServingGraph::feed_forward(const BlockBuilder& b, List& list) const {
  const Sizes& s = b.size;
  const double wide = s.tokens * s.ffn * s.element;
  if (!b.model.parallel_block)
    norm(b, list, "ffn_norm", true);
  parts(b, list, "ffn_up", s.hidden, b.feed_forward_parts(), b.gates() * s.ffn);
  if (software_.fused_bias_activation)
    b.streaming(list, "activation", OpClass::elementwise, b.gates() * wide, wide);
  else // function, then product with the other half
    b.streaming(list, "activation", OpClass::elementwise, (2 * b.gates() - 1) * wide, b.gates() * wide, static_cast<int>(b.gates()));
  linear(b, list, "ffn_down", s.ffn, s.hidden, false);
  if (b.model.post_norms)
    norm(b, list, "ffn_post_norm", true);
  sum(b, list, "ffn_sum");
}

FusedAttention ServingGraph::attention(const BlockBuilder& b) const {
  const Sizes& s = b.size;
  return {.heads = s.heads,
          .kv_heads = s.kv_heads,
          .head_dim = s.head_dim,
          .value_dim = s.value_dim == s.head_dim ? 0 : s.value_dim,
          .window = b.kind.mixer == Mixer::windowed_attention ? static_cast<double>(b.model.attention_window) : 0,
          .kept_bytes = job_.kept == KvContent::inputs ? 0 : element_bytes(job_.kv)};
}

/// Keys and values of `tokens` tokens of each sequence out of the cached inputs of their layer.
void ServingGraph::rematerialise(const BlockBuilder& b, List& list, double sequences, double tokens) const {
  if (job_.kept != KvContent::inputs || tokens == 0)
    return;
  const Sizes& s = b.size;
  const bool windowed = b.kind.mixer == Mixer::windowed_attention;
  const double reach = sequences * (windowed ? std::min<double>(tokens, b.model.attention_window) : tokens);
  const double inputs = reach * s.hidden;
  b.streaming(list, "inputs_widen", OpClass::cast, inputs * element_bytes(job_.kv), inputs * s.element);
  b.plain_matmul(list, "key_value_again", OpClass::gemm, {.m = reach, .n = 2 * s.kv, .k = s.hidden});
  if (b.model.position == PositionKind::rotary)
    b.streaming(list, "key_rotary_again", OpClass::elementwise, reach * s.kv * s.element, reach * s.kv * s.element);
}

Operator ServingGraph::scan(LayerKind kind, double tokens, double prompts) const {
  return recurrent_scan(builder(kind, tokens), prompts, false);
}

ServingGraph::List ServingGraph::prompt(LayerKind kind, double tokens, double past, double prompts) const {
  List list;
  BlockBuilder b = builder(kind, prompts * tokens);
  if (!attends(kind))
    return list;
  const LatentAttention& l = b.model.latent;
  rematerialise(b, list, prompts, past);
  if (!is_fused(software_.attention) && l.kv_rank == 0) {
    unfused_attention(b, list, prompts, tokens, past + tokens);
    return list;
  }
  FusedAttention shape = attention(b);
  shape.batch = prompts;
  shape.queries = tokens;
  shape.keys = past + tokens;
  if (l.index_keys > 0 && shape.keys > l.index_keys) {
    absorbed(b, list, shape);
    return list;
  }
  if (l.kv_rank > 0) {
    b.size.tokens = prompts * (past + tokens);
    linear(b, list, "key_value_up", l.kv_rank, b.size.heads * (b.size.head_dim - l.rope_dim + l.value_dim), false);
    const double assembled = b.size.tokens * b.size.query * b.size.element;
    b.streaming(list, "key_assembly", OpClass::elementwise, assembled, assembled);
    shape.kept_bytes = 0;
    latent_copies(b, list, b.size.head_dim);
  }
  list.push_back({.name = "attention", .op_class = OpClass::attention, .precision = job_.precision, .shape = shape});
  return list;
}

ServingGraph::List ServingGraph::decode(LayerKind kind, double sequences, double context, double queries) const {
  List list;
  const BlockBuilder b = builder(kind, sequences * queries);
  if (kind.mixer == Mixer::recurrent) {
    const RecurrentSizes z(b);
    const double state = sequences * z.values * b.model.recurrent.key_dim * fp32_bytes;
    b.streaming(list, "state_update", OpClass::elementwise, state, state);
  }
  if (!attends(kind))
    return list;
  FusedAttention shape = attention(b);
  shape.batch = sequences;
  shape.queries = queries;
  shape.keys = std::max(queries, context);
  rematerialise(b, list, sequences, shape.keys - queries);
  if (b.model.latent.kv_rank > 0)
    absorbed(b, list, shape);
  else if (!is_fused(software_.attention))
    unfused_attention(b, list, sequences, queries, shape.keys);
  else
    list.push_back({.name = "attention", .op_class = OpClass::attention, .precision = job_.precision, .shape = shape});
  return list;
}

ServingGraph::List ServingGraph::embedding(double tokens) const {
  List list;
  const BlockBuilder b = builder({}, tokens);
  b.streaming(list, "embedding", OpClass::embedding, b.activation(), b.activation());
  sum(b, list, "embedding_sum");
  return list;
}

ServingGraph::List ServingGraph::prediction_entry(double tokens) const {
  List list;
  const BlockBuilder b = builder({}, tokens);
  norm(b, list, "state_norm", false);
  norm(b, list, "token_norm", false);
  b.plain_matmul(list, "prediction_in", OpClass::gemm, {.m = tokens, .n = b.size.hidden, .k = 2 * b.size.hidden});
  return list;
}

ServingGraph::List ServingGraph::head(double sequences) const {
  List list;
  const BlockBuilder b = builder({}, sequences);
  const double width = static_cast<double>(b.model.vocabulary) / b.plan.tp;
  norm(b, list, "final_norm", false);
  product(b, list, "head", OpClass::head, b.job.precision,
          {.m = sequences, .n = width, .k = b.size.hidden, .weight_bytes = job_.weights.head_bytes});
  const double logits = sequences * b.model.vocabulary;
  b.collective(list, "logits_gather", CollectiveKind::all_gather, logits * b.size.element);
  b.streaming(list, "sampling", OpClass::softmax, logits * (b.size.element + 2 * fp32_bytes), logits * fp32_bytes, sampling_kernels);
  return list;
}

ServingJob drafting_job(const ServingJob& job) {
  ServingJob drafting = job;
  drafting.speculation = {};
  if (job.speculation.drafter == Drafter::model) {
    drafting.model = job.speculation.model;
    return drafting;
  }
  TransformerModel& model = drafting.model;
  const LayerKind last = model.layer_kind(model.layers - 1);
  model.layers = 1;
  model.pattern = {};
  model.full_attention_every = 0;
  model.attention_window = last.mixer == Mixer::windowed_attention ? model.attention_window : 0;
  if (last.mixer != Mixer::recurrent)
    model.recurrent = {};
  model.experts.dense_layers = 0;
  model.experts.every = 1;
  if (last.feed_forward != FeedForward::experts)
    model.experts = {};
  return drafting;
}

} // namespace orrery
