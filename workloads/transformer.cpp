#include "workloads/transformer.hpp"

#include "sim/base/quantity_text.hpp"
#include "workloads/layer.hpp"
#include "workloads/schedule.hpp"
#include "workloads/sharding.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace orrery {

namespace {

void require_divisible(std::vector<Violation>& found, const char* what, long long value, const char* by, long long divisor) {
  if (divisor > 0 && value % divisor != 0)
    found.push_back({fmt::format("{} {} is not divisible by {} {}", what, value, by, divisor)});
}

void check_schedule(std::vector<Violation>& found, const TrainingJob& job, const Plan& plan) {
  const int chunks = model_chunks(plan.schedule, plan.pp, plan.virtual_stages);
  if (plan.virtual_stages > 1 && plan.schedule != ScheduleKind::interleaved)
    found.push_back({fmt::format("virtual_stages {} > 1 needs the interleaved schedule", plan.virtual_stages)});
  if (plan.schedule == ScheduleKind::interleaved && plan.pp > 1) {
    const int replica_batch = job.global_batch / plan.dp;
    require_divisible(found, "interleaved schedule: micro-batches per replica", replica_batch / plan.micro_batch, "pp", plan.pp);
  }
  if (plan.schedule == ScheduleKind::dualpipe && plan.pp > 1) {
    require_divisible(found, "dualpipe: pp", plan.pp, "its directions", 2);
    require_divisible(found, "dualpipe: micro-batches per replica", job.global_batch / plan.dp / plan.micro_batch, "its directions", 2);
  }
  constexpr double most_passes = 1e6; // of a stage: their order is laid out in memory
  if (const double passes = static_cast<double>(job.global_batch) / plan.dp / plan.micro_batch * plan.virtual_stages; passes > most_passes)
    found.push_back({fmt::format("{} micro-batches x virtual stages > {}", exact_number(passes), exact_number(most_passes))});
  if (plan.stage_layers.empty() && job.model.layers < chunks)
    found.push_back({fmt::format("layers {} < pp x virtual_stages {}", job.model.layers, chunks)});
  if (plan.stage_layers.empty())
    return;
  if (static_cast<int>(plan.stage_layers.size()) != chunks)
    found.push_back({fmt::format("stage_layers has {} entries, pp x virtual_stages is {}", plan.stage_layers.size(), chunks)});
  const int sum = std::accumulate(plan.stage_layers.begin(), plan.stage_layers.end(), 0);
  if (sum != job.model.layers)
    found.push_back({fmt::format("stage_layers add up to {}, the model has {} layers", sum, job.model.layers)});
}

/// FLOPs of one step under the three conventions. Elementwise work is not counted, as everywhere in the field.
StepFlops step_flops(const TrainingJob& job, const Plan& plan, const SoftwareProfile& software) {
  const TransformerModel& m = job.model;
  const double tokens = static_cast<double>(job.global_batch) * job.sequence;
  const double q = static_cast<double>(m.heads) * m.head_dim;
  const double kv = static_cast<double>(m.kv_heads) * m.head_dim;
  const double ffn_matrices = m.ffn == FfnKind::gated ? 3 : 2;
  const double linear = 2 * tokens * m.layers * (m.hidden * (2 * q + 2 * kv) + ffn_matrices * m.hidden * m.ffn_hidden);
  const double attention = 4 * tokens * m.layers * job.sequence * q; // scores and context over the full square
  const double head = 2 * tokens * static_cast<double>(m.hidden) * m.vocabulary;
  const bool flash = is_fused(software.attention);
  const double computed = flash ? attention / 2 : attention;                         // a fused causal kernel skips the masked half
  double executed = 3 * (linear + head) + 3 * computed + (flash ? computed / 2 : 0); // its backward pass repeats the scores
  if (plan.recompute == Recompute::full)
    executed += linear + computed;
  if (plan.recompute == Recompute::selective && !flash)
    executed += computed;
  return {.full_attention = Flops{3 * (linear + head + attention)},
          .causal = Flops{3 * (linear + head + attention / 2)},
          .executed = Flops{executed}};
}

enum BlockIndex { layer_index, embedding_index, head_index, receive_index };

/// Finds an equal chunk or adds one: most chunks of a pipeline are alike, and each kind is costed once.
int intern(std::vector<Chunk>& chunks, const Chunk& chunk) {
  const auto same = [&](const Chunk& other) {
    return std::equal(chunk.blocks.begin(), chunk.blocks.end(), other.blocks.begin(), other.blocks.end(),
                      [](BlockUse a, BlockUse b) { return a.block == b.block && a.count == b.count; });
  };
  const auto found = std::find_if(chunks.begin(), chunks.end(), same);
  if (found != chunks.end())
    return static_cast<int>(found - chunks.begin());
  chunks.push_back(chunk);
  return static_cast<int>(chunks.size()) - 1;
}

} // namespace

std::set<Precision> arithmetic_precisions(const TrainingJob& job) {
  std::set<Precision> precisions{job.precision};
  if (job.recipe != Recipe::none)
    precisions.insert(recipe_traits(job.recipe).operand);
  return precisions;
}

std::vector<Violation> check_plan(const TrainingJob& job, const Plan& plan, int devices) {
  std::vector<Violation> found;
  const TransformerModel& m = job.model;
  if (plan.ranks() != devices)
    found.push_back({fmt::format("tp x {}pp x dp = {} x {}{} x {} = {} ranks {} {} devices", plan.cp > 1 ? "cp x " : "", plan.tp,
                                 plan.cp > 1 ? fmt::format("{} x ", plan.cp) : "", plan.pp, plan.dp, plan.ranks(),
                                 plan.ranks() > devices ? ">" : "<", devices)});
  for (Violation& violation : check_placement(plan))
    found.push_back(std::move(violation));
  require_divisible(found, "attention heads", m.heads, "tp", plan.tp);
  if (m.kv_heads > plan.tp)
    require_divisible(found, "key/value heads", m.kv_heads, "tp", plan.tp);
  else
    require_divisible(found, "tp", plan.tp, "key/value heads", m.kv_heads);
  require_divisible(found, "ffn_hidden", m.ffn_hidden, "tp", plan.tp);
  require_divisible(found, "vocabulary", m.vocabulary, "tp", plan.tp);
  require_divisible(found, "global_batch", job.global_batch, "dp x micro_batch", static_cast<long long>(plan.dp) * plan.micro_batch);
  if (plan.sequence_parallel)
    require_divisible(found, "sequence", job.sequence, "cp x tp", static_cast<long long>(plan.cp) * plan.tp);
  if (plan.cp > 1 && plan.context == ContextParallel::ulysses)
    require_divisible(found, "attention heads", m.heads, "tp x cp (ulysses)", static_cast<long long>(plan.tp) * plan.cp);
  else if (plan.cp > 1)
    require_divisible(found, "sequence", job.sequence, "2 x cp", 2LL * plan.cp);
  if (m.position == PositionKind::learned && job.sequence > m.max_positions)
    found.push_back({fmt::format("sequence {} > {} learned positions of {}", job.sequence, m.max_positions, m.name)});
  if (m.attention_window > 0 && job.sequence > m.attention_window)
    found.push_back({fmt::format("sequence {} > {} tokens that attention of {} reaches back: sliding windows are not modelled",
                                 job.sequence, m.attention_window, m.name)});
  check_schedule(found, job, plan);
  return found;
}

std::vector<int> layers_per_chunk(const TransformerModel& model, const Plan& plan) {
  if (!plan.stage_layers.empty())
    return plan.stage_layers;
  const int chunks = model_chunks(plan.schedule, plan.pp, plan.virtual_stages);
  std::vector<int> layers(static_cast<std::size_t>(chunks), model.layers / chunks);
  // The ends carry the embedding and the head, so the rest goes to the chunks between them first.
  for (int extra = model.layers % chunks, i = 0; i < extra; ++i)
    ++layers[static_cast<std::size_t>((i + 1) % chunks)];
  return layers;
}

OpGraph build_training_graph(const TrainingJob& job, const Plan& plan, const SoftwareProfile& software) {
  std::vector<HeldElements> held;
  return build_training_graph(job, plan, software, held);
}

OpGraph build_training_graph(const TrainingJob& job, const Plan& plan, const SoftwareProfile& software, std::vector<HeldElements>& held) {
  OpGraph graph{.name = job.model.name, .precision = job.precision};
  const bool one_stage = plan.pp == 1;
  graph.schedule = one_stage ? ScheduleKind::one_f_one_b : plan.schedule;
  graph.virtual_stages = one_stage ? 1 : chunks_per_stage(plan.schedule, plan.virtual_stages);
  graph.micro_batches = job.global_batch / (plan.dp * plan.micro_batch);
  graph.overlap_p2p = plan.overlap_p2p;
  graph.groups = group_shapes(plan);
  // In the order of BlockIndex; a braced list would copy them.
  graph.blocks.reserve(4);
  graph.blocks.push_back(layer_block(job, plan, software));
  graph.blocks.push_back(embedding_block(job, plan, software));
  graph.blocks.push_back(head_block(job, plan, software));
  graph.blocks.push_back(receive_block(job, plan, software));
  if (plan.zero >= 2) {
    const double layer = graph.blocks[layer_index].parameters;
    const double outer =
        graph.blocks[embedding_index].parameters + (one_stage && job.model.tied_embedding ? 0 : graph.blocks[head_index].parameters);
    shard_block(graph.blocks[layer_index], job, plan, software);
    expose_ends(graph.blocks[embedding_index], outer, layer, job, plan, software);
  }
  graph.flops = step_flops(job, plan, software);
  graph.sequences = job.global_batch;
  graph.tokens = graph.sequences * job.sequence;
  if (!one_stage) {
    const double message = static_cast<double>(plan.micro_batch) * job.sequence / plan.cp * job.model.hidden * element_bytes(job.precision);
    const bool shares = plan.sequence_parallel;
    graph.boundary_forward = Bytes{shares || software.scatter_gather_p2p ? message / plan.tp : message};
    graph.boundary_backward = Bytes{shares || software.scatter_gather_backward ? message / plan.tp : message};
  }

  const int chunk_count = model_chunks(graph.schedule, plan.pp, graph.virtual_stages);
  Plan layout = plan;
  layout.virtual_stages = one_stage ? 1 : plan.virtual_stages;
  layout.schedule = graph.schedule;
  const std::vector<int> layers = layers_per_chunk(job.model, layout);
  graph.stages.resize(static_cast<std::size_t>(plan.pp));
  struct Placed {
    int chunk = 0;
    double parameters = 0;
  };
  std::vector<Placed> placed;
  for (int c = 0; c < chunk_count; ++c) {
    Chunk chunk;
    if (c > 0)
      chunk.blocks.push_back({receive_index, 1});
    if (c == 0)
      chunk.blocks.push_back({embedding_index, 1});
    if (layers[static_cast<std::size_t>(c)] > 0)
      chunk.blocks.push_back({layer_index, layers[static_cast<std::size_t>(c)]});
    if (c == chunk_count - 1)
      chunk.blocks.push_back({head_index, 1});
    double parameters = 0;
    for (const BlockUse& use : chunk.blocks)
      parameters += use.count * graph.blocks[static_cast<std::size_t>(use.block)].parameters;
    placed.push_back({intern(graph.chunks, chunk), parameters});
  }
  const double table = static_cast<double>(job.model.vocabulary) * job.model.hidden / plan.tp;

  held.clear();
  for (int s = 0; s < plan.pp; ++s) {
    Stage& stage = graph.stages[static_cast<std::size_t>(s)];
    double dense = 0;
    bool first = false;
    bool last = false;
    for (int v = 0; v < graph.virtual_stages; ++v) {
      const int c = chunk_at(graph.schedule, plan.pp, s, v);
      first = first || c == 0;
      last = last || c == chunk_count - 1;
      dense += placed[static_cast<std::size_t>(c)].parameters;
      stage.chunks.push_back(placed[static_cast<std::size_t>(c)].chunk);
    }
    // A stage that holds both ends of the model holds a tied table once; ends on two stages sum its gradient.
    if (job.model.tied_embedding && first && last)
      dense -= table;
    const bool ties = job.model.tied_embedding && first != last;
    held.push_back({.dense = dense, .tied_embedding = ties ? table : 0});
    stage.step = step_operators(job, plan, software, held.back());
    fill_states(stage, job, plan, software, held.back());
  }
  return graph;
}

int OpGraph::ranks() const { return groups.at(Group::tensor).size * groups.at(Group::data).size * groups.at(Group::pipeline).size; }

} // namespace orrery
