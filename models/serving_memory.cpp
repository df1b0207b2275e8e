#include "models/serving_memory.hpp"

#include "sim/base/quantity_text.hpp"
#include "workloads/experts.hpp"
#include "workloads/layer.hpp"
#include "workloads/model_checks.hpp"
#include "workloads/recurrent.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace orrery {

namespace {

// Vendors state capacity in units of 2^30 bytes, of which the driver leaves 98.9% (79.1 GiB of an H100 with 80 GB, torch).
constexpr double usable_capacity = 1.073741824 * 0.989;
constexpr double logit_bytes = 8; // in fp32, and a sorted or scaled copy
constexpr double state_bytes = 4;
// Tokens that experts work through at once: vLLM and SGLang (fused_moe.py: chunks of 64 x 1024); assumed of TensorRT-LLM, where recipes for
// many ranks set moe_max_num_tokens.
constexpr double expert_chunk = 65536;

double layer_weights(const ServingGraph& graph, LayerKind kind) {
  const BlockBuilder b = graph.builder(kind, 1);
  const double half = element_bytes(graph.job().precision);
  const double kept = graph.job().weights.weight_bytes;
  double bytes = rank_parameters(b) * (graph.narrow(kind) ? kept : half);
  if (kind.feed_forward == FeedForward::experts)
    bytes += expert_rank_parameters(b) * kept;
  const LatentAttention& l = b.model.latent;
  if (l.kv_rank > 0 && attends(kind))
    bytes += l.kv_rank * b.size.heads * (b.size.head_dim - l.rope_dim + l.value_dim) * half;
  return bytes;
}

/// Of a sequence of `tokens` tokens on one rank.
double layer_kv(const ServingGraph& graph, LayerKind kind, double tokens) {
  const BlockBuilder b = graph.builder(kind, 1);
  if (kind.mixer == Mixer::recurrent) {
    const RecurrentSizes z(b);
    const double taps = z.convolved * (b.model.recurrent.convolution - 1) * element_bytes(graph.job().precision);
    return z.values * b.model.recurrent.key_dim * state_bytes + taps;
  }
  if (kind.mixer == Mixer::none)
    return 0;
  const bool windowed = kind.mixer == Mixer::windowed_attention && !graph.software().serving.whole_cache;
  return (kv_width(graph, kind) * element_bytes(graph.job().kv) + b.model.latent.index_bytes()) *
         (windowed ? std::min<double>(tokens, b.model.attention_window) : tokens);
}

/// Whether a rank's buffers of experts are as large as what arrives (DeepEP counts before it sends), or have a place for every slot of
/// every token: where tokens are gathered, and where an engine sets them up beforehand.
bool counts_arrivals(const ServingGraph& graph) {
  const ServingTraits& engine = graph.software().serving;
  return graph.plan().attention_dp > 1 && engine.expert_exchange == ExpertExchange::dispatch && !engine.fraction_of_free;
}

/// Of a layer's feed-forward half in an iteration of `tokens` tokens of all groups. Experts: inputs of both products share a buffer, as do
/// their outputs; beside them what came from other ranks, and the sums on their way back.
double feed_forward_workspace(const ServingGraph& graph, const BlockBuilder& b, double tokens) {
  const double half = element_bytes(graph.job().precision);
  const double hidden = b.size.hidden;
  const int groups = graph.plan().attention_dp;
  if (b.kind.feed_forward != FeedForward::experts)
    return tokens / groups * (b.gates() + 1) * b.size.ffn * half;
  const bool counted = counts_arrivals(graph);
  const double width = static_cast<double>(b.model.experts.hidden) / b.plan.expert_tensor();
  const double operand = element_bytes(graph.job().weights.operand);
  const double slots = b.model.experts.top_k * (counted ? tokens / graph.plan().ep : std::min(tokens, expert_chunk));
  const double exchanged = groups > 1 && !counted ? tokens * hidden * (operand + half) : 0;
  return slots * (std::max(hidden, width) * operand + std::max(b.gates() * width, hidden) * half) + exchanged;
}

double workspace(const ServingGraph& graph, const IterationLimits& limits) {
  const double half = element_bytes(graph.job().precision);
  const double own = static_cast<double>(limits.tokens) / graph.plan().attention_dp;
  double widest = 0;
  for (const LayerKind kind : graph.kinds()) {
    const BlockBuilder b = graph.builder(kind, own);
    const double attention = own * (b.size.query + 2 * b.size.kv + b.size.context) * half;
    widest = std::max(widest, std::max(feed_forward_workspace(graph, b, limits.tokens), attention) + own * 2 * b.size.hidden * half);
  }
  const double logits = static_cast<double>(limits.sequences) / graph.plan().attention_dp * graph.job().model.vocabulary * logit_bytes;
  return widest + logits;
}

/// Of the layers that guess, on the last stage. Prediction layers share the model's tables.
Bytes drafter_weights(const ServingGraph& graph) {
  const Drafter kind = graph.job().speculation.drafter;
  if (kind != Drafter::prediction_layers && kind != Drafter::model)
    return {};
  ServingPlan one_stage = graph.plan();
  one_stage.pp = 1;
  const ServingGraph drafter(drafting_job(graph.job()), one_stage, SoftwareProfile{});
  if (kind == Drafter::model)
    return stage_weights(drafter).front();
  const double hidden = drafter.job().model.hidden;
  return Bytes{layer_weights(drafter, drafter.kinds().front()) + 2 * hidden * hidden * element_bytes(drafter.job().precision)};
}

} // namespace

double kv_width(const ServingGraph& graph, LayerKind kind) {
  const BlockBuilder b = graph.builder(kind, 1);
  const LatentAttention& l = b.model.latent;
  if (l.kv_rank > 0)
    return l.kv_rank + l.rope_dim;
  return graph.job().kept == KvContent::inputs ? b.size.hidden : 2 * b.size.kv;
}

std::vector<Bytes> stage_weights(const ServingGraph& graph) {
  const TransformerModel& model = graph.job().model;
  const double half = element_bytes(graph.job().precision);
  const double elements = static_cast<double>(model.vocabulary) * model.hidden / graph.plan().tp;
  const WeightFormat& format = graph.job().weights;
  const double head = elements * (format.head_bytes > 0 ? format.head_bytes : half);
  const double table = graph.software().serving.host_embedding ? 0 : elements * (format.table_bytes > 0 ? format.table_bytes : half);
  std::vector<Bytes> stages;
  for (const StageLayers& stage : graph.stages()) {
    const bool begins = stages.empty();
    const bool ends = stages.size() + 1 == graph.stages().size();
    double weights = (begins ? table : 0) + (ends && !(model.tied_embedding && begins && table > 0) ? head : 0);
    for (std::size_t k = 0; k < graph.kinds().size(); ++k)
      weights += stage.counts[k] * layer_weights(graph, graph.kinds()[k]);
    stages.emplace_back(weights);
  }
  stages.back() += drafter_weights(graph);
  return stages;
}

namespace {

ServingMemory memory_of(const ServingGraph& graph, const Device& device, const SoftwareProfile& software, const IterationLimits& limits) {
  const ServingTraits& engine = software.serving;
  const std::vector<Bytes> weights = stage_weights(graph);
  const double host = graph.plan().host_weights;
  const double typical = limits.typical_tokens > 0 ? limits.typical_tokens : 1 << 20;
  const std::vector<StageLayers>& stages = graph.stages();
  ServingMemory memory{.capacity = device.memory.empty() ? Bytes{} : device.memory.front().capacity * usable_capacity,
                       .workspace = Bytes{workspace(graph, limits)},
                       .framework = software.framework_memory,
                       .sequences = limits.sequences};
  double tokens = 0;
  for (std::size_t s = 0; s < stages.size(); ++s) {
    double widest = 0; // layer of which the next one comes in meanwhile
    double unbounded = 0;
    double sequence = 0;
    for (std::size_t k = 0; k < graph.kinds().size(); ++k) {
      const LayerKind kind = graph.kinds()[k];
      widest = std::max(widest, layer_weights(graph, kind));
      unbounded += attends(kind) ? stages[s].counts[k] * layer_kv(graph, {Mixer::attention, kind.feed_forward}, 1) : 0;
      sequence += stages[s].counts[k] * layer_kv(graph, kind, typical);
    }
    memory.replica_kv_token += Bytes{unbounded * graph.plan().tp};
    const Bytes resident = weights[s] * (1 - host) + Bytes{host > 0 ? 2 * widest : 0};
    const Bytes used = resident + memory.workspace + memory.framework;
    const Bytes room =
        engine.fraction_of_free ? (memory.capacity - used) * engine.memory_fraction : memory.capacity * engine.memory_fraction - used;
    const Bytes kept = graph.plan().host_attention && room.si() > 0 ? limits.host * engine.memory_fraction - weights[s] * host : room;
    const double held = sequence > 0 ? std::max(0.0, kept.si()) / (sequence / typical) : room.si() > 0 ? 1e15 : 0;
    if (s > 0 && held >= tokens)
      continue;
    tokens = held;
    memory.weights = resident;
    memory.room = kept;
    memory.kv_token = Bytes{unbounded};
  }
  memory.kv_blocks = static_cast<std::int64_t>(tokens / engine.block_tokens) * graph.plan().attention_dp;
  memory.kv_tokens = memory.kv_blocks * engine.block_tokens;
  return memory;
}

} // namespace

ServingMemory serving_memory(const ServingGraph& graph, const Device& device, const SoftwareProfile& software,
                             const IterationLimits& limits) {
  IterationLimits built = limits;
  ServingMemory memory = memory_of(graph, device, software, built);
  if (!software.serving.fraction_of_free || limits.typical_tokens <= 0)
    return memory;
  constexpr int rounds = 4; // each brings the batch nearer to what the cache holds beside its logits
  for (int round = 0; round < rounds; ++round) {
    const double held = static_cast<double>(memory.kv_tokens) / limits.typical_tokens;
    const int batch = std::max(1, std::min(static_cast<int>(std::ceil(held)), limits.sequences));
    if (batch == built.sequences)
      break;
    built.sequences = batch;
    memory = memory_of(graph, device, software, built);
  }
  return memory;
}

std::vector<Violation> check_serving_plan(const ServingJob& job, const ServingPlan& plan, int devices) {
  std::vector<Violation> found;
  const TransformerModel& m = job.model;
  if (plan.devices() > devices)
    found.push_back({fmt::format("tp x pp x attention_dp x replicas = {} devices > {} devices", plan.devices(), devices)});
  if (plan.pp > m.layers)
    found.push_back({fmt::format("pp {} > {} layers", plan.pp, m.layers)});
  require_divisible(found, "attention heads", m.heads, "tp", plan.tp);
  if (m.latent.kv_rank == 0 && m.kv_heads > plan.tp)
    require_divisible(found, "key/value heads", m.kv_heads, "tp", plan.tp);
  require_divisible(found, "ffn_hidden", m.ffn_hidden, "tp", plan.tp);
  if (m.recurrent.heads > 0)
    require_divisible(found, "heads of the recurrent layers", m.recurrent.heads, "tp", plan.tp);
  const int ranks = plan.tp * plan.attention_dp;
  if (m.experts.count == 0 && plan.ep > 1)
    found.push_back({fmt::format("ep {} > 1: {} has no experts", plan.ep, m.name)});
  if (m.experts.count == 0)
    return found;
  require_divisible(found, "tp x attention_dp", ranks, "ep", plan.ep);
  require_divisible(found, job.routing.redundant > 0 ? "experts and their copies" : "experts", m.experts.count + job.routing.redundant,
                    "ep", plan.ep);
  if (ranks % plan.ep == 0)
    require_divisible(found, "width of an expert", m.experts.hidden, "tp x attention_dp / ep", ranks / plan.ep);
  return found;
}

std::vector<Violation> check_serving_memory(const ServingMemory& memory, std::int64_t tokens) {
  const auto gb = [](Bytes bytes) { return fmt::format("{:.1f} GB", bytes.si() / 1e9); };
  if (memory.room.si() <= 0)
    return {{fmt::format("weights {} + workspace {} + framework {} > the engine's share of {}", gb(memory.weights), gb(memory.workspace),
                         gb(memory.framework), gb(memory.capacity))}};
  if (memory.kv_tokens < tokens)
    return {{fmt::format("KV cache of {} tokens > room for {} tokens", tokens, memory.kv_tokens)}};
  return {};
}

std::vector<Violation> check_host_memory(const ServingGraph& graph, const NodeType& node) {
  Bytes needed;
  for (const Bytes stage : stage_weights(graph))
    needed = std::max(needed, stage * graph.plan().host_weights * node.devices);
  if (needed <= node.host.memory.capacity)
    return {};
  return {{fmt::format("weights in host memory: {:.1f} GB needed > {:.1f} GB of {}", needed.si() / 1e9,
                       node.host.memory.capacity.si() / 1e9, node.name)}};
}

} // namespace orrery
