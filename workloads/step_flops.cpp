#include "workloads/step_flops.hpp"

#include "workloads/adapters.hpp"
#include "workloads/layer.hpp"
#include "workloads/recurrent.hpp"
#include "workloads/skip_schedule.hpp"

#include <algorithm>

namespace orrery {

namespace {

/// FLOPs of some layers for all tokens of a step.
struct LayerFlops {
  double linear = 0;
  double attention = 0; ///< scores and context over the full square (within the window)
  double causal = 0;
  double kernels = 0; ///< of attention, what its kernels compute

  void add(const LayerFlops& other, double times) {
    linear += times * other.linear;
    attention += times * other.attention;
    causal += times * other.causal;
    kernels += times * other.kernels;
  }
};

/// Elements of the matrices that a token meets, forward, in the attention of one layer.
double attention_elements(const TransformerModel& m) {
  const double queries = static_cast<double>(m.heads) * m.head_dim;
  if (m.latent.kv_rank == 0)
    return m.hidden * 2 * (queries + static_cast<double>(m.kv_heads) * m.head_dim);
  const LatentAttention& l = m.latent;
  const double query = l.query_rank > 0 ? (m.hidden + queries) * l.query_rank : m.hidden * queries;
  const double values = static_cast<double>(m.heads) * l.value_dim;
  return query + static_cast<double>(m.hidden) * (l.kv_rank + l.rope_dim) +
         l.kv_rank * (static_cast<double>(m.heads) * (m.head_dim - l.rope_dim) + values) + values * m.hidden;
}

double recurrent_elements(const TransformerModel& m) {
  const RecurrentMixer& r = m.recurrent;
  const double values = static_cast<double>(r.heads) * r.head_dim;
  const double gates = r.heads * (r.kind == RecurrentKind::gated_delta ? 2.0 : 1.0);
  return m.hidden * (2.0 * r.key_heads * r.key_dim + 3 * values + gates);
}

double feed_forward_elements(const TransformerModel& m, FeedForward kind) {
  const double matrices = m.ffn == FfnKind::gated ? 3 : 2;
  if (kind == FeedForward::dense)
    return matrices * m.hidden * m.ffn_hidden;
  if (kind == FeedForward::none)
    return 0;
  // Experts padded to a capacity compute on the padding too.
  const double experts = m.experts.top_k * (m.experts.capacity > 0 ? m.experts.capacity : 1) * m.experts.hidden + m.experts.shared_hidden;
  return matrices * m.hidden * experts + static_cast<double>(m.hidden) * m.experts.count;
}

LayerFlops layer_flops(const TrainingJob& job, bool fused, LayerKind kind) {
  const TransformerModel& m = job.model;
  const double tokens = static_cast<double>(job.global_batch) * job.sequence;
  LayerFlops flops{.linear = 2 * tokens * feed_forward_elements(m, kind.feed_forward)};
  if (kind.mixer == Mixer::recurrent) {
    flops.linear += tokens * (2 * recurrent_elements(m) + scan_flops(m.recurrent));
  } else if (kind.mixer != Mixer::none) {
    flops.linear += 2 * tokens * attention_elements(m);
    const double value_dim = m.latent.kv_rank > 0 ? m.latent.value_dim : m.head_dim;
    const double pair = 2 * m.heads * (m.head_dim + value_dim); // a query and a key
    const double length = mean_attended_length(job.documents, job.sequence);
    const double reach = kind.mixer == Mixer::windowed_attention ? std::min<double>(m.attention_window, length) : length;
    flops.attention = tokens * reach * pair;
    flops.causal = tokens * (reach - reach * reach / (2 * length)) * pair;
    // A fused causal kernel skips what is masked.
    flops.kernels = fused ? flops.causal : tokens * job.sequence * pair;
  }
  return flops;
}

/// Elements of the adapters of one layer.
double adapter_elements(const TrainingJob& job) {
  const TransformerModel& m = job.model;
  const double queries = static_cast<double>(m.heads) * m.head_dim;
  const double keys = static_cast<double>(m.kv_heads) * m.head_dim;
  const double gates = m.ffn == FfnKind::gated ? 2 : 1;
  double width = 0;
  for (const auto& [name, both] :
       {std::pair("qkv", m.hidden + queries + 2 * keys), std::pair("projection", queries + m.hidden),
        std::pair("ffn_up", m.hidden + gates * m.ffn_hidden), std::pair("ffn_down", m.ffn_hidden + static_cast<double>(m.hidden))})
    width += has_adapter(job, name) ? both : 0;
  return job.tuning.adapter_rank * width;
}

double ranks_of_stage(const OpGraph& graph) {
  return static_cast<double>(graph.groups.at(Group::tensor).size) * graph.groups.at(Group::data).size;
}

/// Passes through each block, over the micro-batches of a step and all ranks.
std::vector<double> block_uses(const OpGraph& graph) {
  std::vector<double> uses(graph.blocks.size());
  const int stages = static_cast<int>(graph.stages.size());
  for (int s = 0; s < stages; ++s) {
    int left_out = 0;
    for (int m = 0; graph.skip_stages > 0 && m < graph.micro_batches; ++m)
      left_out += skips(stages, graph.skip_stages, m, s) ? 1 : 0;
    for (const int chunk : graph.stages[static_cast<std::size_t>(s)].chunks)
      for (const BlockUse& use : graph.chunks[static_cast<std::size_t>(chunk)].blocks)
        uses[static_cast<std::size_t>(use.block)] += use.count * ranks_of_stage(graph) * (graph.micro_batches - left_out);
  }
  return uses;
}

} // namespace

StepFlops step_flops(const TrainingJob& job, const SoftwareProfile& software) {
  const TransformerModel& m = job.model;
  const double tokens = static_cast<double>(job.global_batch) * job.sequence;
  const bool fused = is_fused(software.attention);
  const std::vector<LayerKind> kinds = layer_kinds(job);
  const auto forward = [&](int first, int count) {
    Chunk chunk;
    add_layers(chunk, job, kinds, first, count);
    LayerFlops sum;
    for (const BlockUse& use : chunk.blocks)
      sum.add(layer_flops(job, fused, kinds[static_cast<std::size_t>(use.block)]), use.count);
    return sum;
  };
  const int frozen_layers = job.tuning.frozen_layers;
  const LayerFlops frozen = forward(0, frozen_layers);
  LayerFlops trained = forward(frozen_layers, m.layers - frozen_layers);
  if (m.prediction_layers > 0)
    trained.add(forward(m.layers - 1, m.prediction_layers), 1);
  const double hidden = m.hidden;
  const double head = 2 * tokens * hidden * ((1.0 + m.prediction_layers) * m.vocabulary + m.prediction_layers * 2 * hidden);
  // Frozen weights have no gradient of their own.
  const double passes = job.tuning.freezes_weights() ? 2 : 3;
  const double adapters = 3 * 2 * tokens * (m.layers - frozen_layers) * adapter_elements(job);
  const double linear = passes * (trained.linear + head) + adapters + frozen.linear;
  const double executed =
      linear + 3 * trained.kernels + frozen.kernels + (fused ? trained.kernels / 2 : 0); // a fused backward pass repeats the scores
  return {.full_attention = Flops{linear + 3 * trained.attention + frozen.attention},
          .causal = Flops{linear + 3 * trained.causal + frozen.causal},
          .executed = Flops{executed}};
}

StepFlops operator_flops(const Operator& op) {
  if (const auto* m = std::get_if<Matmul>(&op.shape)) {
    const Flops flops{2 * m->batch * m->m * m->n * m->k};
    return {flops, flops, flops};
  }
  if (const auto* g = std::get_if<GroupedMatmul>(&op.shape)) {
    const Flops flops{2 * g->rows * g->n * g->k};
    return {flops, flops, flops};
  }
  if (const auto* scan = std::get_if<ChunkScan>(&op.shape)) {
    const Flops flops{scan->passes() * scan->sequences * scan->heads * scan->tokens * scan->flops};
    return {flops, flops, flops};
  }
  const auto* a = std::get_if<FusedAttention>(&op.shape);
  if (a == nullptr)
    return {};
  const double pair = 2 * a->batch * a->heads * (a->head_dim + (a->value_dim > 0 ? a->value_dim : a->head_dim));
  const double passes = a->backward ? 2 : 1;
  return {.full_attention = Flops{passes * pair * a->square()},
          .causal = Flops{passes * pair * a->seen()},
          .executed = Flops{(a->backward ? 2.5 : 1) * pair * a->seen()}}; // a fused backward pass repeats the scores
}

StepFlops summed_flops(const OpGraph& graph) {
  StepFlops sum;
  const auto add = [&](std::span<const Operator> list, double times) {
    for (const Operator& op : list) {
      const StepFlops flops = operator_flops(op);
      sum.executed += times * flops.executed;
      if (op.recomputed)
        continue;
      sum.full_attention += times * flops.full_attention;
      sum.causal += times * flops.causal;
    }
  };
  const std::vector<double> uses = block_uses(graph);
  for (std::size_t b = 0; b < uses.size(); ++b) {
    add(graph.blocks[b].forward, uses[b]);
    add(graph.blocks[b].backward, uses[b]);
  }
  for (const Stage& stage : graph.stages)
    add(graph.step_of(stage), ranks_of_stage(graph));
  return sum;
}

Flops recomputed_flops(const OpGraph& graph) {
  const std::vector<double> uses = block_uses(graph);
  Flops sum;
  for (std::size_t b = 0; b < uses.size(); ++b)
    for (const Operator& op : graph.blocks[b].backward)
      if (op.recomputed)
        sum += uses[b] * operator_flops(op).executed;
  return sum;
}

} // namespace orrery
