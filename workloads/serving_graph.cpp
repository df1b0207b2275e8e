#include "workloads/serving_graph.hpp"

#include "workloads/expert_tiles.hpp"
#include "workloads/layer.hpp"
#include "workloads/recurrent.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace orrery {

namespace {

constexpr int serving_routing_kernels = 2; // choice of experts and the order of the rows
constexpr int sampling_kernels = 4;        // logits to fp32, temperature, maximum or threshold, draw
constexpr double dispatched_bytes = 1;     // of an element on its way to the experts (DeepEP dispatches FP8)
constexpr double mixed_multiple = 256; // of an expert's sizes, for kernels of FP4 weights beside wider rows (vLLM, quantization/mxfp4.py)

TrainingJob shapes_of(const ServingJob& job) { return {.model = job.model, .sequence = 1, .precision = job.precision}; }

Plan layout_of(const ServingPlan& plan) {
  return {.tp = plan.tp,
          .pp = plan.pp,
          .dp = plan.attention_dp,
          .ep = plan.ep,
          .etp = std::max(1, plan.tp * plan.attention_dp / std::max(1, plan.ep))};
}

/// What starts at `first` runs on a second stream beside the rest: its kernels start while others run and share memory and multiprocessors
/// with them. Its launches count with the product before it.
void second_stream(std::vector<Operator>& list, std::size_t first) {
  for (std::size_t i = first; i < list.size(); ++i)
    list[first - 1].kernels += std::exchange(list[i].kernels, 0);
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

/// Tokens to the experts' ranks, or `back`. The busiest, with `load` times the mean rank's rows, is the last to have them.
void ServingGraph::exchange(const BlockBuilder& b, List& list, double all, double load, bool back) const {
  const Sizes& s = b.size;
  const int ranks = plan_.tp * plan_.attention_dp;
  if (plan_.attention_dp == 1)
    return back ? sum(b, list, "expert_sum") : void();
  const ExpertExchange kind = software_.serving.expert_exchange;
  if (kind == ExpertExchange::dispatch && plan_.ep > 1) {
    const double copies = ranks_reached(b.model.experts.count, b.model.experts.top_k, plan_.ep);
    const double rows = std::min(all, s.tokens / plan_.tp * copies * load);
    const double row = s.hidden * (back || !job_.weights.casts ? s.element : dispatched_bytes);
    return b.collective_over(list, back ? "combine" : "dispatch", CollectiveKind::all_to_all, Group::expert, ranks, rows * row);
  }
  const bool narrow = !back && kind == ExpertExchange::gather_quantised && job_.weights.casts;
  b.collective_over(list, back ? "expert_scatter" : "expert_gather", back ? CollectiveKind::reduce_scatter : CollectiveKind::all_gather,
                    Group::expert, ranks, all * s.hidden * (narrow ? element_bytes(job_.weights.operand) : s.element));
}

void ServingGraph::experts(const BlockBuilder& b, List& list, double all) const {
  const Sizes& s = b.size;
  const Experts& e = b.model.experts;
  const double held = static_cast<double>(e.count + job_.routing.redundant) / plan_.ep;
  const RoutingLoad load = routing_load(job_.routing, all, e.count, e.top_k, plan_.ep, e.groups);
  const double rows = all * e.top_k / plan_.ep * load.rank;
  const double touched = held * load.touched;
  // Triton's kernels go over the rows of other ranks' experts too, where their tokens are here.
  const bool gathered = plan_.attention_dp == 1 || software_.serving.expert_exchange != ExpertExchange::dispatch || plan_.ep == 1;
  const bool four_bits = job_.weights.operand == Precision::fp4 || job_.weights.mixed;
  const bool triton = software_.experts == ExpertKernel::fused_moe && !four_bits;
  const double slots = triton && gathered ? std::max(rows, all * e.top_k) : rows;
  const double shared = static_cast<double>(e.shared_hidden) / b.plan.tp;
  const double scores = s.tokens * e.count * fp32_bytes;
  const auto padded = [&](double size) { return job_.weights.mixed ? std::ceil(size / mixed_multiple) * mixed_multiple : size; };
  const double inner = padded(static_cast<double>(e.hidden) / b.plan.expert_tensor());
  const double outer = padded(s.hidden);
  norm(b, list, "ffn_norm", true);
  b.plain_matmul(list, "router", OpClass::gemm, {.m = s.tokens, .n = static_cast<double>(e.count), .k = s.hidden});
  if (shared > 0) {
    const std::size_t first = list.size();
    linear(b, list, "shared_up", s.hidden, b.gates() * shared, false);
    b.streaming(list, "shared_act", OpClass::elementwise, b.gates() * s.tokens * shared * s.element, s.tokens * shared * s.element);
    linear(b, list, "shared_down", shared, s.hidden, false);
    if (software_.overlap_shared_experts)
      second_stream(list, first);
  }
  b.streaming(list, "routing", OpClass::elementwise, scores, scores, serving_routing_kernels);
  const bool early = plan_.attention_dp > 1 && software_.serving.expert_exchange != ExpertExchange::gather; // quantised before they travel
  if (early)
    quantise(b, list, "expert_cast", s.tokens * s.hidden, true);
  exchange(b, list, all, load.rank, false);
  // Rows that arrive are put in the order of the experts for kernels that do not look for them (DeepGEMM, CUTLASS), and the rows of a token
  // are summed up before they go back, once for each token that arrived.
  const double arriving = gathered ? all : rows / e.top_k * ranks_reached(e.count, e.top_k, plan_.ep);
  if (software_.experts == ExpertKernel::tuned_moe && !four_bits) {
    const double operand = element_bytes(job_.weights.casts ? job_.weights.operand : job_.precision);
    b.streaming(list, "expert_sort", OpClass::elementwise, std::min(arriving, rows) * s.hidden * operand, rows * s.hidden * operand);
  }
  const bool widened = job_.weights.weight_bytes < element_bytes(job_.weights.operand);
  const ExpertTile tile =
      triton && !widened && plan_.ep > 1 ? default_tile(software_.expert_tiles, job_.weights.block_scaled(), arriving, held) : ExpertTile{};
  const double others = e.count * load.any - touched;
  const auto product = [&](const char* name, double in, double out) {
    list.push_back({.name = name,
                    .op_class = OpClass::gemm,
                    .precision = job_.weights.operand,
                    .shape = GroupedMatmul{.groups = std::max(1.0, touched),
                                           .rows = rows,
                                           .busiest = std::min(rows, rows / std::max(1.0, touched) * std::max(2.0, load.largest)),
                                           .n = out,
                                           .k = in,
                                           .weight_bytes = job_.weights.weight_bytes,
                                           .mixed = job_.weights.mixed,
                                           .block_scaled = job_.weights.block_scaled(),
                                           .tile = tile,
                                           .idle = idle_tiles(tile, arriving, others, slots - rows, out)}});
  };
  if (!early)
    quantise(b, list, "expert_cast", std::min(all, rows) * outer, true);
  product("expert_up", outer, b.gates() * inner);
  b.streaming(list, "expert_act", OpClass::elementwise, b.gates() * slots * inner * s.element, slots * inner * s.element);
  quantise(b, list, "expert_act_cast", slots * inner, true);
  product("expert_down", inner, outer);
  b.streaming(list, "expert_join", OpClass::elementwise, (slots + (shared > 0 ? s.tokens : 0)) * s.hidden * s.element,
              arriving * s.hidden * s.element);
  exchange(b, list, all, load.rank, true);
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
