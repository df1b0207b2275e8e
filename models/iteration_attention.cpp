// Attention of prompts and decoding sequences, and what guesses cost, in ReplicaModel.
#include "models/iteration_memo.hpp"
#include "models/iteration_model.hpp"
#include "models/serving_memory.hpp"
#include "workloads/layer.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {

ReplicaModel::Work ReplicaModel::price_reading(const std::vector<Operator>& reading) const {
  Work work = price(reading);
  if (!graph_.plan().host_attention)
    return work;
  Work host{.flops = work.flops, .memory = work.memory, .host = work.memory / host_memory_};
  if (host_peak_ > FlopsPerSecond{})
    host.host = std::max(host.host, work.flops / host_peak_);
  return host;
}

ReplicaModel::Work ReplicaModel::keys_out(LayerKind kind, double tokens) const {
  if (!graph_.plan().host_attention || !attends(kind))
    return {};
  return {.out = Bytes{tokens * kv_width(graph_, kind) * element_bytes(graph_.job().kv)} / link_};
}

/// Share of what heads read again that the last-level cache has lost: heads follow one another through all sequences (grid of
/// flash_fwd_kernel.h: heads are its slowest dimension), so that it has to hold the keys and values of one.
double ReplicaModel::missed(const FusedAttention& shape, Precision precision) const {
  const double element = shape.kept_bytes > 0 ? shape.kept_bytes : element_bytes(precision);
  const double value = shape.value_dim > 0 ? shape.value_dim : shape.head_dim;
  const Bytes once{shape.batch * reached_keys(shape) * (shape.head_dim + value) * element};
  return std::max(0.0, 1 - cluster_.node.device.cache / once);
}

std::vector<ReplicaModel::Layers> ReplicaModel::decode_knots(const ServingGraph& graph, double sequences, double queries,
                                                             bool packed) const {
  const std::vector<LayerKind>& kinds = graph.kinds();
  std::vector<Layers> knots(contexts_.size(), Layers(kinds.size()));
  for (std::size_t k = 0; k < kinds.size(); ++k) {
    // Kinds that mix tokens alike cost alike.
    const auto like = static_cast<std::size_t>(std::ranges::find(kinds, kinds[k].mixer, &LayerKind::mixer) - kinds.begin());
    if (like < k) {
      for (Layers& knot : knots)
        knot[k] = knot[like];
      continue;
    }
    const bool unfused = !is_fused(graph.software().attention) && !graph.plan().host_attention;
    if (graph.job().kept == KvContent::inputs || unfused || graph.job().model.latent.index_keys > 0) { // all of it grows with the context
      for (std::size_t i = 0; i < contexts_.size(); ++i)
        knots[i][k] = price(graph.decode(kinds[k], sequences, contexts_[i], queries));
      continue;
    }
    Work fixed = keys_out(kinds[k], sequences * queries);
    std::vector<Operator> reading;
    for (Operator& op : graph.decode(kinds[k], sequences, contexts_.front(), queries))
      if (std::holds_alternative<FusedAttention>(op.shape))
        reading.push_back(std::move(op));
      else
        fixed += price({op});
    for (std::size_t i = 0; i < contexts_.size(); ++i) {
      std::vector<Operator> now = reading;
      for (Operator& op : now) {
        auto& shape = std::get<FusedAttention>(op.shape);
        shape.keys = std::max(queries, contexts_[i]);
        if (!packed)
          shape.kv_heads += (shape.heads - shape.kv_heads) * missed(shape, op.precision);
      }
      knots[i][k] = price_reading(now);
      knots[i][k] += fixed;
    }
  }
  return knots;
}

std::vector<ReplicaModel::Work> ReplicaModel::draft_knots(int sequences) const {
  const ServingGraph& drafter = *drafter_;
  const double busiest = group_share(sequences, graph_.plan().attention_dp);
  Work fixed = price(drafter.embedding(busiest));
  fixed += price(drafter.head(busiest));
  if (graph_.job().speculation.drafter == Drafter::prediction_layers)
    fixed += price(drafter.prediction_entry(busiest));
  std::vector<int> counts(drafter.kinds().size());
  for (const StageLayers& stage : drafter.stages())
    for (std::size_t k = 0; k < counts.size(); ++k)
      counts[k] += stage.counts[k];
  for (std::size_t k = 0; k < counts.size(); ++k)
    fixed += price(drafter.layer(drafter.kinds()[k], busiest, sequences)).times(counts[k]);
  std::vector<Work> drafts;
  drafts.reserve(contexts_.size());
  for (const Layers& attention : decode_knots(drafter, busiest, 1)) {
    Work pass = fixed;
    for (std::size_t k = 0; k < counts.size(); ++k)
      pass += attention[k].times(counts[k]);
    drafts.push_back(pass.times(graph_.job().speculation.drafts));
  }
  return drafts;
}

ReplicaModel::Decoding& ReplicaModel::decoding(int sequences) {
  std::unique_ptr<Decoding>& kept = memo_slot(decoding_, sequences);
  if (kept)
    return *kept;
  kept = std::make_unique<Decoding>();
  kept->knots = decode_knots(graph_, group_share(sequences, graph_.plan().attention_dp), checked_);
  if (unpacked_)
    kept->beside = decode_knots(graph_, group_share(sequences, graph_.plan().attention_dp), checked_, false);
  if (drafter_)
    kept->drafts = draft_knots(sequences);
  return *kept;
}

ReplicaModel::Work ReplicaModel::add_decode(Layers& attention, int sequences, double context, bool beside) {
  const Decoding& kept = decoding(sequences);
  const std::vector<Layers>& knots = beside && !kept.beside.empty() ? kept.beside : kept.knots;
  const double place = 4 * std::log2(std::max(1.0, context));
  const auto i = std::min(static_cast<std::size_t>(place), contexts_.size() - 2);
  const double weight = (std::max(1.0, context) - contexts_[i]) / (contexts_[i + 1] - contexts_[i]);
  for (std::size_t k = 0; k < attention.size(); ++k) {
    attention[k] += knots[i][k].times(1 - weight);
    attention[k] += knots[i + 1][k].times(weight);
  }
  if (kept.drafts.empty())
    return {};
  Work drafts = kept.drafts[i].times(1 - weight);
  return drafts += kept.drafts[i + 1].times(weight);
}

ReplicaModel::Prompt ReplicaModel::price_prompt(const PrefillChunk& chunk) const {
  constexpr double shared_tokens = 65536;
  const double like = std::max(1.0, std::floor(shared_tokens / chunk.tokens));
  const std::vector<LayerKind>& kinds = graph_.kinds();
  Prompt made;
  for (std::size_t k = 0; k < kinds.size(); ++k) {
    const auto same = static_cast<std::size_t>(std::ranges::find(kinds, kinds[k].mixer, &LayerKind::mixer) - kinds.begin());
    if (same < k) {
      made.shared.push_back(made.shared[same]);
      made.apart.push_back(made.apart[same]);
      continue;
    }
    const Work shared = price(graph_.prompt(kinds[k], chunk.tokens, chunk.past, like)).times(1 / like);
    Work apart = price(graph_.prompt(kinds[k], chunk.tokens, chunk.past));
    apart += shared.times(-1);
    made.shared.push_back(shared);
    made.shared.back() += keys_out(kinds[k], chunk.tokens);
    made.apart.push_back(apart);
  }
  return made;
}

const ReplicaModel::Prompt& ReplicaModel::prompt(const PrefillChunk& chunk) {
  constexpr std::uint32_t most_kept = 1 << 15;
  if (chunk.past > 0 || chunk.tokens > most_kept)
    return last_prompt_ = price_prompt(chunk);
  std::unique_ptr<Prompt>& kept = memo_slot(prompts_, static_cast<int>(chunk.tokens));
  if (!kept)
    kept = std::make_unique<Prompt>(price_prompt(chunk));
  return *kept;
}

void ReplicaModel::add_prompts(Layers& attention, std::span<const PrefillChunk> prompts, double part) {
  const auto time = [](const Work& work) { return work.span.stretchable + work.span.rigid; };
  Layers apart(attention.size());
  for (const PrefillChunk& chunk : prompts) {
    const Prompt& own = prompt(chunk);
    for (std::size_t k = 0; k < attention.size(); ++k) {
      attention[k] += part == 1 ? own.shared[k] : own.shared[k].times(part);
      if (time(own.apart[k]) > time(apart[k]))
        apart[k] = own.apart[k];
    }
  }
  for (std::size_t k = 0; k < attention.size(); ++k)
    attention[k] += apart[k];
}

} // namespace orrery
