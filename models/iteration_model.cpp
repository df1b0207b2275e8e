#include "models/iteration_model.hpp"

#include "models/attention_generation.hpp"
#include "models/iteration_memo.hpp"

#include "models/offload_cost.hpp"
#include "models/serving_memory.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace orrery {

namespace {

constexpr int exact_tokens = 256; // up to here every number of tokens is priced
constexpr int knots_per_octave = 64;
constexpr double longest_context = 1 << 21;
constexpr double exchange_multiprocessors = 20; // that DeepEP's normal mode keeps (arXiv 2412.19437, section 3.2.2; Buffer.set_num_sms)

ServingJob resolved(const Device& device, ServingJob job) {
  job.weights = format_on(device, job.weights, job.precision);
  return job;
}

/// Whether halves of an iteration go to the ranks of their experts by kernels that keep multiprocessors from the products beside them.
bool keeps_multiprocessors(const Device& device, const ServingTraits& engine, const ServingPlan& plan) {
  return engine.half_overlap == HalfOverlap::communication && engine.expert_exchange == ExpertExchange::dispatch && plan.attention_dp > 1 &&
         plan.ep > 1 && device.multiprocessors > exchange_multiprocessors;
}

/// What such an exchange hides of `whole`: all of it that the rest lasts, less what the products lose for want of its multiprocessors, all
/// the time (SGLang, operations_strategy.py: deep_gemm_num_sms). What memory binds loses nothing.
Seconds hidden_exchange(Seconds exchange, Seconds reading, Seconds whole, double multiprocessors) {
  const Seconds rest = whole - exchange;
  const Seconds slower = (rest - reading) * (exchange_multiprocessors / (multiprocessors - exchange_multiprocessors));
  return std::min(exchange, rest + slower) - slower;
}

/// The sizes around `tokens` at which the linear part is priced.
std::pair<int, int> knots_around(int tokens) {
  if (tokens <= exact_tokens)
    return {tokens, tokens};
  const int step = std::max(1, (1 << (std::bit_width(static_cast<unsigned>(tokens)) - 1)) / knots_per_octave);
  const int low = tokens / step * step;
  return {low, low == tokens ? low : low + step};
}

} // namespace

WeightFormat format_on(const Device& device, WeightFormat format, Precision half) {
  if (format.operand == Precision::bf16 || format.operand == Precision::fp16) {
    format.operand = half;
    return format;
  }
  const Precision needed = format.mixed ? Precision::fp4 : format.operand;
  for (const ComputeUnit& unit : device.units)
    if (unit.peak.contains(needed))
      return format;
  format.operand = half;
  format.casts = format.mixed = false;
  return format;
}

int padded_batch(const ServingTraits& engine, int sequences) {
  if (engine.graph_steps == 0 || sequences > engine.graph_sequences || sequences == 0)
    return sequences;
  constexpr int step = 8;
  int padded = static_cast<int>(std::bit_ceil(static_cast<unsigned>(sequences)));
  if (sequences > step / 2 && sequences <= engine.graph_steps)
    padded = (sequences + step - 1) / step * step;
  return std::min(padded, engine.graph_sequences); // the largest batch is captured too
}

ReplicaModel::Work& ReplicaModel::Work::operator+=(const Work& other) {
  span += other.span;
  flops += other.flops;
  memory += other.memory;
  kernels += other.kernels;
  network += other.network;
  reading += other.reading;
  arithmetic += other.arithmetic;
  computing += other.computing;
  unlimited += other.unlimited;
  host += other.host;
  out += other.out;
  return *this;
}

ReplicaModel::Work ReplicaModel::Work::times(double count) const {
  return {.span = {.stretchable = count * span.stretchable,
                   .rigid = count * span.rigid,
                   .arithmetic = count * span.arithmetic,
                   .transfer = count * span.transfer},
          .flops = count * flops,
          .memory = count * memory,
          .kernels = count * kernels,
          .network = count * network,
          .reading = count * reading,
          .arithmetic = count * arithmetic,
          .computing = count * computing,
          .unlimited = count * unlimited,
          .host = count * host,
          .out = count * out};
}

ReplicaModel::ReplicaModel(const Cluster& cluster, const ServingJob& job, const ServingPlan& plan, const SoftwareProfile& software,
                           const Calibration& calibration, std::optional<Watts> device_cap)
    : cluster_(cluster), software_(software), graph_(resolved(cluster.node.device, job), plan, software),
      kernels_(cluster.node.device, calibration, software),
      collectives_(cluster, calibration,
                   {.all_reduce = software.serving.custom_all_reduce,
                    .exchange = software.serving.expert_exchange == ExpertExchange::dispatch,
                    .experts = job.model.experts}),
      power_(cluster.node.device, device_cap), tensor_(place_group(cluster, {.size = plan.tp})),
      expert_(place_group(cluster, {.size = plan.tp * plan.attention_dp})) {
  const Bytes token{job.model.hidden * element_bytes(job.precision)};
  for (int stage = 0; stage + 1 < plan.pp; ++stage)
    messages_.push_back(collectives_.message(token, place_stages(cluster, plan.tp * plan.attention_dp, stage, stage + 1)));
  const Host& host = cluster.node.host;
  const double devices = cluster.node.devices;
  link_ = host_link_rate(cluster.node);
  host_memory_ = host.memory.bandwidth * (memory_share / devices);
  host_peak_ = host.cpu_peak / devices;
  for (const Bytes weights : stage_weights(graph_))
    weights_in_.push_back(plan.host_weights > 0 ? weights * plan.host_weights / link_ : Seconds{});
  for (double context = 1; context < longest_context; context *= std::exp2(0.25))
    contexts_.push_back(context);
  checked_ = job.speculation.checked();
  unpacked_ = software.serving.joint_attention && packs_single_queries_alone(cluster.node.device.architecture) &&
              job.model.kv_heads < job.model.heads && job.model.latent.kv_rank == 0 && !job.model.attention_sinks;
  if (job.speculation.drafter == Drafter::prediction_layers || job.speculation.drafter == Drafter::model) {
    ServingPlan one_stage = plan;
    one_stage.pp = 1;
    drafter_ = std::make_unique<ServingGraph>(drafting_job(graph_.job()), one_stage, software_);
  }
}

OpCost ReplicaModel::operator_cost(const Operator& op) const {
  const auto* collective = std::get_if<Collective>(&op.shape);
  if (collective == nullptr)
    return kernels_.cost(op);
  const CollectiveCost cost =
      collectives_.cost(collective->kind, collective->bytes, collective->group == Group::expert ? expert_ : tensor_);
  return {
      .time = cost.time, .scale_up = cost.scale_up_bytes, .network = cost.network_bytes, .bound = Bound::network, .assumed = cost.assumed};
}

std::vector<OpCost> ReplicaModel::operator_costs(const std::vector<Operator>& list) const {
  std::vector<OpCost> costs;
  costs.reserve(list.size());
  for (const Operator& op : list)
    costs.push_back(operator_cost(op));
  return costs;
}

ReplicaModel::Work ReplicaModel::price(const std::vector<Operator>& list) const {
  Work work;
  for (const Operator& op : list) {
    const OpCost cost = operator_cost(op);
    work.span += power_.activity(cost, op.precision);
    work.flops += cost.flops;
    work.memory += cost.memory;
    work.kernels += op.kernels;
    if (cost.bound == Bound::compute) {
      work.arithmetic += cost.flops;
      work.computing += cost.stretchable;
      work.unlimited += cost.unlimited;
    }
    (cost.bound == Bound::network ? work.network : work.reading) += cost.bound == Bound::compute ? Seconds{} : cost.time;
  }
  return work;
}

/// The last entry is the embedding.
ReplicaModel::Layers ReplicaModel::price_layers(double tokens, double all) const {
  Layers priced;
  priced.reserve(graph_.kinds().size() + 1);
  for (const LayerKind kind : graph_.kinds())
    priced.push_back(price(graph_.layer(kind, tokens, all)));
  priced.push_back(price(graph_.embedding(tokens)));
  return priced;
}

const ReplicaModel::Layers& ReplicaModel::layers(int all) {
  if (const std::unique_ptr<Layers>& kept = memo_slot(layers_, all))
    return *kept;
  const auto [low, high] = knots_around(all);
  Layers made;
  if (low == high) {
    made = price_layers(group_share(all, graph_.plan().attention_dp), all);
  } else {
    const double weight = static_cast<double>(all - low) / (high - low);
    made = layers(low);
    const Layers& above = layers(high);
    for (std::size_t k = 0; k < made.size(); ++k) {
      made[k] = made[k].times(1 - weight);
      made[k] += above[k].times(weight);
    }
  }
  std::unique_ptr<Layers>& place = memo_slot(layers_, all);
  place = std::make_unique<Layers>(std::move(made));
  return *place;
}

/// The same where one group has more than its share, at the nearest sizes below.
const ReplicaModel::Layers& ReplicaModel::uneven_layers(int tokens, int all) {
  const std::pair<int, int> key{knots_around(tokens).first, knots_around(all).first};
  const auto found = uneven_layers_.find(key);
  return found != uneven_layers_.end() ? found->second : uneven_layers_.emplace(key, price_layers(key.first, key.second)).first->second;
}

const ReplicaModel::Work& ReplicaModel::head(int sequences) {
  std::unique_ptr<Work>& kept = memo_slot(heads_, sequences);
  if (!kept)
    kept = std::make_unique<Work>(sequences > 0 ? price(graph_.head(sequences)) : Work{});
  return *kept;
}

bool ReplicaModel::captured(int sequences, int tokens, bool prompts) const {
  return prompts ? tokens <= software_.serving.graph_tokens : sequences <= software_.serving.graph_sequences;
}

IterationCost ReplicaModel::finish(const Iteration& iteration, const Layers& linear, const Layers& attention, const Work& head) const {
  const std::vector<StageLayers>& stages = graph_.stages();
  const double ranks = static_cast<double>(graph_.plan().tp) * graph_.plan().attention_dp;
  IterationCost total;
  for (std::size_t s = 0; s < stages.size(); ++s) {
    Work work;
    for (std::size_t k = 0; k < stages[s].counts.size(); ++k) {
      Work one = linear[k];
      one += attention[k];
      work += one.times(stages[s].counts[k]);
    }
    if (s == 0)
      work += linear.back();
    if (s + 1 == stages.size())
      work += head;
    work.span.stretchable += std::max(Seconds{}, work.unlimited * kernels_.clock_limit().loss(work.arithmetic.si()) - work.computing);
    if (!iteration.captured)
      work.span.rigid += std::max(Seconds{}, work.kernels * software_.kernel_launch - work.span.stretchable - work.span.rigid);
    const Span span = power_.limited(work.span);
    Seconds time = span.total();
    if (iteration.halved && !iteration.captured && keeps_multiprocessors(cluster_.node.device, software_.serving, graph_.plan()))
      time -= hidden_exchange(work.network, work.reading, work.span.stretchable + work.span.rigid, cluster_.node.device.multiprocessors);
    else if (iteration.halved)
      time -= hidden(work);
    time = std::max({time, weights_in_[s], work.host, work.out});
    total += {.latency = time,
              .energy = ranks * (span.power * span.total()),
              .excess = ranks * power_.excess(span),
              .flops = ranks * work.flops,
              .memory = ranks * work.memory};
    total.occupancy = std::max(total.occupancy, time);
    if (s + 1 < stages.size())
      total.latency += messages_[s].latency + iteration.tokens * (messages_[s].bytes / messages_[s].bandwidth);
  }
  const ServingTraits& engine = software_.serving;
  const Seconds host = engine.iteration_host + iteration.sequences * engine.sequence_host;
  const Seconds devices = total.latency;
  total.latency = engine.works_ahead ? std::max(devices, host) : devices + host;
  total.occupancy = stages.size() == 1 ? total.latency : std::max(total.occupancy, host);
  total.energy += (total.latency - devices) * waiting_power(power_.model()) * (ranks * static_cast<double>(stages.size()));
  return total;
}

Seconds ReplicaModel::hidden(const Work& work) const {
  const Seconds whole = work.span.stretchable + work.span.rigid;
  if (software_.serving.half_overlap == HalfOverlap::communication)
    return overlap_gain * std::min(work.network, whole - work.network);
  return overlap_gain * (whole - std::max({work.network, work.reading, whole - work.network - work.reading}));
}

IterationCost ReplicaModel::quicker(const Iteration& iteration, const Layers& linear, const Layers& attention, const Work& head) {
  const IterationCost whole = finish(iteration, linear, attention, head);
  if (software_.serving.half_overlap == HalfOverlap::none || iteration.all < 2)
    return whole;
  Iteration halves = iteration;
  halves.halved = true;
  Layers twice = layers(static_cast<int>(iteration.all / 2));
  const auto time = [](const Work& work) { return work.span.stretchable + work.span.rigid; };
  for (std::size_t k = 0; k < twice.size(); ++k) // halves gain by their overlap, not by their size
    twice[k] = time(twice[k].times(2)) > time(linear[k]) ? twice[k].times(2) : linear[k];
  const IterationCost halved = finish(halves, twice, attention, head);
  return halved.latency < whole.latency ? halved : whole;
}

IterationCost ReplicaModel::cost(std::span<const PrefillChunk> prompts, int decodes, double context) {
  const int groups = graph_.plan().attention_dp;
  Iteration iteration;
  int prompt_tokens = 0;
  int longest = 0;
  int ending = 0;
  for (const PrefillChunk& chunk : prompts) {
    prompt_tokens += static_cast<int>(chunk.tokens);
    longest = std::max(longest, static_cast<int>(chunk.tokens));
    ending += chunk.last ? 1 : 0;
  }
  const int all = prompt_tokens + decodes * checked_;
  iteration.all = all;
  iteration.tokens = std::max(group_share(all, groups), longest);
  iteration.sequences = group_share(decodes, groups) + group_share(static_cast<int>(prompts.size()), groups);
  iteration.emitting = group_share(decodes * checked_ + ending, groups);
  if (software_.serving.padded_groups && groups > 1)
    iteration.all = groups * iteration.tokens;
  iteration.captured = captured(group_share(decodes, groups), group_share(all, groups), !prompts.empty());
  Layers attention(graph_.kinds().size());
  // Of several groups the busiest counts: its even share, or the longest prompt.
  const double part = groups == 1 ? 1 : std::max(1.0 / groups, static_cast<double>(longest) / std::max(1, prompt_tokens));
  add_prompts(attention, prompts, part);
  for (std::size_t k = 0; k < attention.size(); ++k)
    if (prompt_tokens > 0 && graph_.kinds()[k].mixer == Mixer::recurrent)
      attention[k] +=
          price({graph_.scan(graph_.kinds()[k], part * prompt_tokens, std::max(1.0, part * static_cast<double>(prompts.size())))});
  Work last = head(static_cast<int>(iteration.emitting));
  if (decodes > 0)
    last += add_decode(attention, decodes, context, prompt_tokens > 0);
  const int run = static_cast<int>(iteration.all);
  const Layers& linear = longest > group_share(run, groups) ? uneven_layers(longest, run) : layers(run);
  return quicker(iteration, linear, attention, last);
}

const DecodeCurve& ReplicaModel::decode(int sequences) {
  Decoding& kept = decoding(sequences);
  if (kept.curve)
    return *kept.curve;
  const int groups = graph_.plan().attention_dp;
  const int busiest = group_share(sequences, groups);
  const int padded = padded_batch(software_.serving, busiest);
  const int all = padded > busiest ? padded * groups : sequences;
  const Iteration iteration{.tokens = static_cast<double>(padded) * checked_,
                            .all = static_cast<double>(all) * checked_,
                            .emitting = static_cast<double>(padded) * checked_,
                            .sequences = busiest,
                            .captured = captured(busiest, busiest, false)};
  const Layers& linear = layers(all * checked_);
  const Work& emitted = head(padded * checked_);
  std::vector<IterationCost> costs;
  costs.reserve(contexts_.size());
  for (std::size_t i = 0; i < contexts_.size(); ++i) {
    Work last = emitted;
    if (!kept.drafts.empty())
      last += kept.drafts[i];
    costs.push_back(quicker(iteration, linear, kept.knots[i], last));
  }
  kept.curve = std::make_unique<DecodeCurve>(contexts_, std::move(costs));
  return *kept.curve;
}

} // namespace orrery
