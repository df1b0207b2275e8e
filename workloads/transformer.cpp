#include "workloads/transformer.hpp"

#include "sim/base/quantity_text.hpp"
#include "workloads/layer.hpp"
#include "workloads/model_checks.hpp"
#include "workloads/offload.hpp"
#include "workloads/schedule.hpp"
#include "workloads/sharding.hpp"
#include "workloads/skip_schedule.hpp"
#include "workloads/step_flops.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace orrery {

namespace {

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
  if (plan.pp > 1)
    if (const auto problem = skip_problem(plan.pp, job.global_batch / plan.dp / plan.micro_batch, plan.skip_stages))
      found.push_back({*problem});
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

/// The blocks of a graph: a layer of each kind, then what stands at the ends of chunks.
struct BlockPlaces {
  std::vector<LayerKind> kinds;
  int embedding = 0;
  int head = 0;
  int receive = 0;
  int prediction_entry = 0; ///< where the model has prediction layers
  int prediction_head = 0;
  int kept_layers = 0;   ///< first of the layers of which nothing is computed again, where a plan has some of them
  int frozen_layers = 0; ///< first of the layers that are not trained, where there are some of them
};

BlockPlaces add_blocks(OpGraph& graph, const TrainingJob& job, const Plan& plan, const SoftwareProfile& software) {
  BlockPlaces places{.kinds = layer_kinds(job)};
  graph.blocks.reserve(2 * places.kinds.size() + 5); // a braced list would copy them
  for (const LayerKind kind : places.kinds)
    graph.blocks.push_back(layer_block(job, plan, software, kind));
  const auto add = [&](Block block) {
    graph.blocks.push_back(std::move(block));
    return static_cast<int>(graph.blocks.size()) - 1;
  };
  places.embedding = add(embedding_block(job, plan, software));
  places.head = add(head_block(job, plan, software));
  places.receive = add(receive_block(job, plan, software));
  if (job.model.prediction_layers > 0) {
    places.prediction_entry = add(prediction_entry_block(job, plan, software));
    places.prediction_head = add(prediction_head_block(job, plan, software));
  }
  if (plan.recompute != Recompute::none && plan.recompute_layers > 0) {
    Plan kept = plan;
    kept.recompute = Recompute::none;
    places.kept_layers = static_cast<int>(graph.blocks.size());
    for (const LayerKind kind : places.kinds)
      graph.blocks[static_cast<std::size_t>(add(layer_block(job, kept, software, kind)))].name += "_kept";
  }
  if (job.tuning.frozen_layers > 0) {
    places.frozen_layers = static_cast<int>(graph.blocks.size());
    TrainingJob frozen = job;
    frozen.tuning.adapts = false;
    for (const LayerKind kind : places.kinds) {
      Block& block = graph.blocks[static_cast<std::size_t>(add(layer_block(frozen, plan, software, kind)))];
      block.name += "_frozen";
      block.frozen = true;
      block.frozen_parameters = block.parameters;
    }
  }
  return places;
}

/// Indices of the blocks that are transformer layers.
std::vector<std::size_t> layers_of(const BlockPlaces& places) {
  std::vector<std::size_t> layers;
  for (std::size_t k = 0; k < places.kinds.size(); ++k) {
    layers.push_back(k);
    if (places.kept_layers > 0)
      layers.push_back(static_cast<std::size_t>(places.kept_layers) + k);
  }
  return layers;
}

/// Frozen layers run forward alone.
void clear_frozen(OpGraph& graph) {
  for (Block& block : graph.blocks) {
    if (!block.frozen)
      continue;
    block.backward.clear();
    block.activations = Bytes{};
  }
}

/// Finds an equal chunk or adds one: most chunks of a pipeline are alike, and each kind is costed once.
int intern(std::vector<Chunk>& chunks, Chunk chunk) {
  const auto same = [&](const Chunk& other) {
    return std::equal(chunk.blocks.begin(), chunk.blocks.end(), other.blocks.begin(), other.blocks.end(),
                      [](BlockUse a, BlockUse b) { return a.block == b.block && a.count == b.count; });
  };
  const auto found = std::find_if(chunks.begin(), chunks.end(), same);
  if (found != chunks.end())
    return static_cast<int>(found - chunks.begin());
  chunks.push_back(std::move(chunk));
  return static_cast<int>(chunks.size()) - 1;
}

Chunk chunk_of(const TrainingJob& job, const BlockPlaces& places, int first, int layers, bool begins, bool last) {
  Chunk chunk;
  chunk.blocks.reserve(3 + places.kinds.size());
  chunk.blocks.push_back({begins ? places.embedding : places.receive, 1});
  const int frozen = std::clamp(job.tuning.frozen_layers - first, 0, layers);
  Chunk untrained;
  add_layers(untrained, job, places.kinds, first, frozen);
  for (const BlockUse use : untrained.blocks)
    chunk.blocks.push_back({places.frozen_layers + use.block, use.count});
  add_layers(chunk, job, places.kinds, first + frozen, layers - frozen);
  if (!last)
    return chunk;
  chunk.blocks.push_back({places.head, 1});
  if (const int predictions = job.model.prediction_layers; predictions > 0) {
    chunk.blocks.push_back({places.prediction_entry, predictions});
    add_layers(chunk, job, places.kinds, job.model.layers - 1, predictions);
    chunk.blocks.push_back({places.prediction_head, predictions});
  }
  return chunk;
}

/// Leaves the recomputed blocks to the first `recompute_layers` layers of a chunk.
void keep_later_layers(Chunk& chunk, const BlockPlaces& places, int recompute_layers) {
  std::vector<BlockUse> uses;
  int left = recompute_layers;
  for (const BlockUse use : chunk.blocks) {
    const bool layer = use.block < static_cast<int>(places.kinds.size());
    const int repeated = layer ? std::min(left, use.count) : use.count;
    if (repeated > 0)
      uses.push_back({use.block, repeated});
    if (use.count > repeated)
      uses.push_back({places.kept_layers + use.block, use.count - repeated});
    left -= layer ? repeated : 0;
  }
  chunk.blocks = std::move(uses);
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
  if (plan.ranks() != devices)
    found.push_back({fmt::format("tp x {}pp x dp = {} x {}{} x {} = {} ranks {} {} devices", plan.cp > 1 ? "cp x " : "", plan.tp,
                                 plan.cp > 1 ? fmt::format("{} x ", plan.cp) : "", plan.pp, plan.dp, plan.ranks(),
                                 plan.ranks() > devices ? ">" : "<", devices)});
  check_tuning(found, job);
  for (Violation& violation : check_placement(plan))
    found.push_back(std::move(violation));
  check_split(found, job, plan);
  require_divisible(found, "global_batch", job.global_batch, "dp x micro_batch", static_cast<long long>(plan.dp) * plan.micro_batch);
  if (plan.sequence_parallel)
    require_divisible(found, "sequence", job.sequence, "cp x tp", static_cast<long long>(plan.cp) * plan.tp);
  if (plan.cp > 1 && plan.context == ContextParallel::ulysses)
    require_divisible(found, "attention heads", job.model.heads, "tp x cp (ulysses)", static_cast<long long>(plan.tp) * plan.cp);
  else if (plan.cp > 1)
    require_divisible(found, "sequence", job.sequence, "2 x cp", 2LL * plan.cp);
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

namespace {

/// Shares parameters or gradients of the blocks among replicas, and exposes what no pass hides.
void shard_blocks(OpGraph& graph, const BlockPlaces& places, const TrainingJob& job, const Plan& plan, const SoftwareProfile& software) {
  HeldElements outer;
  const Block* widest = nullptr;
  for (std::size_t k = 0; k < places.kinds.size(); ++k) {
    if (widest == nullptr || graph.blocks[k].parameters > widest->parameters)
      widest = &graph.blocks[k];
    shard_block(graph.blocks[k], job, plan, software);
    for (const int others : {places.kept_layers, places.frozen_layers})
      if (others > 0)
        shard_block(graph.blocks[static_cast<std::size_t>(others) + k], job, plan, software);
  }
  Block& embedding = graph.blocks[static_cast<std::size_t>(places.embedding)];
  if (!software.gather_blocking) // else all of them are exposed already
    outer.add(*widest, 1);
  outer.add(embedding, 1);
  if (plan.pp > 1 || !job.model.tied_embedding)
    outer.add(graph.blocks[static_cast<std::size_t>(places.head)], 1);
  expose_ends(embedding, outer, job, plan, software);
}

/// What passes from a stage to the next and back.
void set_boundaries(OpGraph& graph, const TrainingJob& job, const Plan& plan, const SoftwareProfile& software) {
  const double message = static_cast<double>(plan.micro_batch) * job.sequence / plan.cp * job.model.hidden * element_bytes(job.precision);
  const bool shares = plan.sequence_parallel;
  graph.boundary_forward = Bytes{shares || software.scatter_gather_p2p ? message / plan.tp : message};
  graph.boundary_backward = Bytes{shares || software.scatter_gather_backward ? message / plan.tp : message};
}

/// A chunk's place among those that differ, and what its parameters are.
struct PlacedChunk {
  int chunk = 0;
  HeldElements held;
};

/// The chunks of the model in order.
std::vector<PlacedChunk> place_chunks(OpGraph& graph, const BlockPlaces& places, const TrainingJob& job, const Plan& plan) {
  const int chunk_count = model_chunks(graph.schedule, plan.pp, graph.virtual_stages);
  Plan layout = plan;
  layout.virtual_stages = plan.pp == 1 ? 1 : plan.virtual_stages;
  layout.schedule = graph.schedule;
  const std::vector<int> layers = layers_per_chunk(job.model, layout);
  std::vector<PlacedChunk> placed;
  placed.reserve(static_cast<std::size_t>(chunk_count));
  for (int c = 0, first = 0; c < chunk_count; ++c) {
    const int count = layers[static_cast<std::size_t>(c)];
    if (c > 1 && c + 1 < chunk_count && places.kinds.size() == 1 && count == layers[static_cast<std::size_t>(c) - 1]) {
      placed.push_back(placed.back());
      first += count;
      continue;
    }
    Chunk chunk = chunk_of(job, places, first, count, c == 0, c == chunk_count - 1);
    if (places.kept_layers > 0)
      keep_later_layers(chunk, places, plan.recompute_layers);
    first += count;
    HeldElements part;
    for (const BlockUse& use : chunk.blocks)
      part.add(graph.blocks[static_cast<std::size_t>(use.block)], use.count);
    placed.push_back({intern(graph.chunks, std::move(chunk)), part});
  }
  return placed;
}

/// Deals the chunks to the stages, with what each holds and runs once per step.
void fill_stages(OpGraph& graph, const std::vector<PlacedChunk>& placed, const TrainingJob& job, const Plan& plan,
                 const SoftwareProfile& software, std::vector<HeldElements>& held) {
  const int last_chunk = static_cast<int>(placed.size()) - 1;
  const double table = static_cast<double>(job.model.vocabulary) * job.model.hidden / plan.tp;
  graph.stages.resize(static_cast<std::size_t>(plan.pp));
  graph.steps.reserve(4); // few differ
  held.clear();
  held.reserve(graph.stages.size());
  for (int s = 0; s < plan.pp; ++s) {
    Stage& stage = graph.stages[static_cast<std::size_t>(s)];
    HeldElements own;
    bool first = false;
    bool last = false;
    stage.chunks.reserve(static_cast<std::size_t>(graph.virtual_stages));
    for (int v = 0; v < graph.virtual_stages; ++v) {
      const int c = chunk_at(graph.schedule, plan.pp, s, v);
      const PlacedChunk& part = placed[static_cast<std::size_t>(c)];
      first = first || c == 0;
      last = last || c == last_chunk;
      own.add(part.held);
      stage.chunks.push_back(part.chunk);
    }
    // A stage that holds both ends of the model holds a tied table once; ends on two stages sum its gradient.
    const bool trained_table = !job.tuning.freezes_embedding();
    if (job.model.tied_embedding && first && last) {
      own.dense -= table;
      own.frozen -= trained_table ? 0 : table;
    }
    own.tied_embedding = job.model.tied_embedding && trained_table && first != last ? table : 0;
    if (held.empty() || held.back() != own) // else as the stage before
      graph.steps.push_back(step_operators(job, plan, software, own));
    stage.step = static_cast<int>(graph.steps.size()) - 1;
    fill_states(stage, job, plan, software, own);
    held.push_back(own);
  }
}

} // namespace

OpGraph build_training_graph(const TrainingJob& job, const Plan& plan, const SoftwareProfile& software) {
  std::vector<HeldElements> held;
  return build_training_graph(job, plan, software, held);
}

OpGraph build_training_graph(const TrainingJob& job, const Plan& plan, const SoftwareProfile& software, std::vector<HeldElements>& held) {
  OpGraph graph{.name = job.model.name, .precision = job.precision};
  const bool one_stage = plan.pp == 1;
  graph.schedule = one_stage ? ScheduleKind::one_f_one_b : plan.schedule;
  graph.virtual_stages = one_stage ? 1 : chunks_per_stage(plan.schedule, plan.virtual_stages);
  graph.skip_stages = one_stage ? 0 : plan.skip_stages;
  graph.micro_batches = job.global_batch / (plan.dp * plan.micro_batch);
  graph.overlap_p2p = plan.overlap_p2p;
  graph.groups = group_shapes(plan);
  const BlockPlaces places = add_blocks(graph, job, plan, software);
  if (plan.zero >= 2)
    shard_blocks(graph, places, job, plan, software);
  if (plan.offload.any())
    offload_passes(graph, layers_of(places), job, plan, software);
  clear_frozen(graph);
  graph.flops = step_flops(job, software);
  graph.sequences = job.global_batch;
  graph.tokens = graph.sequences * job.sequence;
  if (!one_stage)
    set_boundaries(graph, job, plan, software);
  fill_stages(graph, place_chunks(graph, places, job, plan), job, plan, software, held);
  if (graph.skip_stages > 0)
    graph.flops = summed_flops(graph);
  else if (plan.recompute != Recompute::none)
    graph.flops.executed += recomputed_flops(graph);
  return graph;
}

int OpGraph::ranks() const { return groups.at(Group::tensor).size * groups.at(Group::data).size * groups.at(Group::pipeline).size; }

int OpGraph::micro_batches_of(std::size_t stage) const {
  return micro_batches_of_stage(schedule, static_cast<int>(stages.size()), skip_stages, micro_batches, static_cast<int>(stage));
}

} // namespace orrery
