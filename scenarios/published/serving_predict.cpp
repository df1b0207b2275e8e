#include "scenarios/published/serving_predict.hpp"

#include "models/iteration_memo.hpp" // group_share
#include "scenarios/serving/serving_deployment.hpp"
#include "sim/engine/kv_transfer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace orrery {

namespace {

constexpr std::uint64_t seed = 1;

BatchingPolicy policy_of(const SoftwareProfile& software, const ReplicaPool& pool) {
  BatchingPolicy policy = batching_of({}, software, pool.plan);
  if (pool.max_sequences > 0)
    policy.max_sequences = std::min(policy.max_sequences, pool.max_sequences);
  return policy;
}

double mean_length(const LengthLaw& law) {
  if (const auto* fixed = std::get_if<FixedLength>(&law))
    return fixed->tokens;
  if (const auto* uniform = std::get_if<UniformLength>(&law))
    return 0.5 * (uniform->min + uniform->max);
  if (const auto* lognormal = std::get_if<LognormalLength>(&law))
    return lognormal->median * std::exp(lognormal->sigma * lognormal->sigma / 2);
  return 1;
}

/// The share of the traffic that one of `replicas` alike gets.
Traffic share_of(Traffic traffic, int replicas) {
  const auto part = [&](int whole) { return std::max(1, (whole + replicas - 1) / replicas); };
  traffic.requests = static_cast<std::uint32_t>(part(static_cast<int>(traffic.requests.value_or(standard_requests))));
  if (auto* loop = std::get_if<ClosedLoop>(&traffic.arrivals))
    loop->concurrency = part(loop->concurrency);
  if (auto* poisson = std::get_if<PoissonArrivals>(&traffic.arrivals))
    poisson->rate = Hertz{poisson->rate.si() / replicas};
  return traffic;
}

/// Sums over the requests that were served.
struct Totals {
  double requests = 0;
  double input = 0;
  double output = 0;
  double ttft = 0;
  double end_to_end = 0;
  double tpot = 0;        ///< sum over requests of two tokens and more
  double decoding = 0;    ///< requests of two tokens and more
  double decode_time = 0; ///< of their tokens after the first
  double decoded = 0;     ///< these tokens
  double produced = 0;    ///< tokens of all requests, the unfinished too
};

/// Requests served when the run ends: a steady batch is measured while no user of its closed loop has run out of requests; else all of
/// them.
std::uint64_t measured_requests(const ServingRow& row, const Traffic& traffic) {
  const auto* const loop = std::get_if<ClosedLoop>(&traffic.arrivals);
  if (row.kind != ServingKind::steady || loop == nullptr)
    return 0;
  const std::uint64_t all = traffic.requests.value_or(standard_requests);
  const auto users = static_cast<std::uint64_t>(loop->concurrency);
  return all > users ? all - users : 0;
}

/// Of the times between the tokens of a sequence.
double median_gap(const ReplicaTotals& totals) {
  GapHistogram gaps;
  for (const GapHistogram& each : totals.gaps)
    gaps.add(each);
  return gaps.percentile(0.5).si();
}

Totals add_up(const RequestStream& stream, const ServingRun& run, const ServingTraits& engine) {
  Totals sums;
  for (std::size_t i = 0; i < stream.requests.size(); ++i) {
    const RequestRecord& record = run.requests[i];
    sums.produced += record.produced;
    if (record.outcome != Outcome::served)
      continue;
    const Request& request = stream.requests[i];
    ++sums.requests;
    sums.input += request.input;
    sums.output += request.output;
    const Seconds host = engine.before_first(request.input);
    sums.ttft += (record.first_token - record.arrival + host).si();
    sums.end_to_end += (record.end - record.arrival + host).si();
    if (request.output < 2)
      continue;
    const double time = (record.end - record.first_token).si();
    ++sums.decoding;
    sums.tpot += time / (request.output - 1);
    sums.decode_time += time;
    sums.decoded += request.output - 1;
  }
  return sums;
}

const ReplicaTotals& decoding_totals(const ServingRun& run, const std::vector<ReplicaPool>& layout) {
  return layout.size() > 1 ? run.replicas[static_cast<std::size_t>(layout.front().replicas)] : run.replicas.front();
}

} // namespace

std::string describe_layout(const std::vector<ReplicaPool>& layout) {
  std::string text;
  for (const ReplicaPool& pool : layout)
    text += fmt::format("{}{}{} x tp{} pp{} ep{} dp{}", text.empty() ? "" : ", ",
                        pool.pool == Pool::prefill  ? "prefill "
                        : pool.pool == Pool::decode ? "decode "
                                                    : "",
                        pool.replicas, pool.plan.tp, pool.plan.pp, pool.plan.ep, pool.plan.attention_dp);
  return text;
}

ServingPredictor::Built& ServingPredictor::built(const ServingRow& row, const ReplicaPool& pool, const IterationLimits& limits) {
  const ServingJob& job = row.job;
  const ServingPlan& plan = pool.plan;
  SoftwareProfile software = row.software;
  ServingTraits& engine = software.serving;
  const ServingMemory memory = serving_memory(ServingGraph(job, plan, software), row.cluster.node.device, software, limits);
  // Captured sizes end at the batch that the engine is built for (TensorRT-LLM: _filter_cuda_graph_batch_sizes).
  if (engine.graph_steps > 0)
    engine.graph_sequences = std::min(engine.graph_sequences, group_share(memory.sequences, plan.attention_dp));
  const std::string key =
      fmt::format("{} {} {} {} | {} {} {} {} {} {} | {} {} {} {} | {} {}", row.cluster.node.name, row.cluster.node.device.name,
                  row.cluster.node.devices, row.cluster.nodes, job.model.name, job.weights.name, static_cast<int>(job.weights.operand),
                  job.weights.experts_only, static_cast<int>(job.precision), static_cast<int>(job.kv), plan.tp, plan.pp, plan.ep,
                  plan.attention_dp, row.software.name, row.cluster.node.device.memory.front().capacity.si()) +
      fmt::format(" {} {} {} {} | {} {} {} {}", engine.iteration_host.si(), engine.sequence_host.si(), job.speculation.checked(),
                  engine.graph_sequences, static_cast<int>(engine.half_overlap), job.routing.redundant, static_cast<int>(job.routing.kind),
                  job.routing.balanced);
  Built& entry = built_[key];
  if (entry.model == nullptr)
    entry.model = std::make_unique<ReplicaModel>(row.cluster, job, plan, software, calibration_);
  entry.memory = memory;
  return entry;
}

std::string ServingPredictor::build(const ServingRow& row, const std::vector<ReplicaPool>& layout, double input, double output,
                                    ServingSystem& system) {
  const double length = input + output;
  std::vector<ReplicaPlace> places;
  Bytes per_token;
  for (const ReplicaPool& pool : layout) {
    const BatchingPolicy policy = policy_of(row.software, pool);
    const double most = std::min<double>(policy.max_tokens, policy.max_sequences * std::max(1.0, input));
    Built& entry = built(row, pool, {.sequences = policy.max_sequences, .tokens = static_cast<int>(most), .typical_tokens = length});
    if (const auto wrong = check_serving_memory(entry.memory, static_cast<std::int64_t>(length)); !wrong.empty())
      return "does not fit: " + wrong.front().constraint;
    const ServingReplica replica{.model = entry.model.get(),
                                 .policy = policy,
                                 .kv_blocks = entry.memory.kv_blocks,
                                 .block_tokens = row.software.serving.block_tokens,
                                 .stages = pool.plan.pp,
                                 .pool = pool.pool,
                                 .tokens_per_iteration = row.job.speculation.tokens_per_iteration()};
    const int devices = pool.plan.replica_devices();
    for (int i = 0; i < (layout.size() > 1 ? pool.replicas : 1); ++i) {
      places.push_back({.first = places.empty() ? 0 : places.back().first + places.back().count, .count = devices});
      system.replicas.push_back(replica);
    }
    per_token = entry.memory.replica_kv_token;
  }
  if (layout.size() > 1)
    system.transfer = kv_transfer(Topology(row.cluster), system.replicas, places, per_token);
  return {};
}

namespace {

/// Time to the first token of a prompt whose pieces follow one another through the pipeline stages, as far as one call of the engine goes
/// (llama.cpp's logical batch, n_batch).
double piped_prompt(IterationModel& model, std::uint32_t tokens, std::uint32_t piece) {
  constexpr std::uint32_t call = 2048;
  double time = 0;
  for (std::uint32_t past = 0; past < tokens; past += piece) {
    const std::uint32_t end = std::min(past + piece, tokens);
    const PrefillChunk chunk{.tokens = end - past, .past = past, .last = end == tokens};
    const IterationCost cost = model.cost({&chunk, 1}, 0, 0);
    time += (chunk.last || end % call == 0 ? cost.latency : cost.occupancy).si();
  }
  return time;
}

/// One figure of a run.
double figure(ServingMetric metric, const Totals& sums, const ServingRun& run, double folded) {
  switch (metric) {
  case ServingMetric::output_rate:
    return folded * sums.output / run.end.si();
  case ServingMetric::input_rate:
    return folded * sums.input / run.end.si();
  case ServingMetric::ttft:
    return sums.ttft / sums.requests;
  case ServingMetric::tpot:
    return sums.tpot / std::max(1.0, sums.decoding);
  case ServingMetric::itl:
  case ServingMetric::itl_median:
    return sums.decode_time / std::max(1.0, sums.decoded);
  case ServingMetric::end_to_end:
    return sums.end_to_end / sums.requests;
  case ServingMetric::energy: {
    double energy = 0;
    for (const ReplicaTotals& totals : run.replicas)
      energy += totals.cost.energy.si();
    return energy / sums.produced;
  }
  }
  return 0;
}

} // namespace

ServingPrediction ServingPredictor::predict(const ServingRow& row, const std::vector<ReplicaPool>& layout) {
  ServingPrediction prediction{.layout = describe_layout(layout)};
  const int folded = layout.size() > 1 ? 1 : layout.front().replicas; // replicas that one stands for
  const Traffic traffic = share_of(row.traffic, folded);
  const double input = mean_length(traffic.input);
  const double output = mean_length(traffic.output);
  ServingSystem system{.router = Router::least_requests};
  prediction.refusal = build(row, layout, input, output, system);
  if (!prediction.refusal.empty())
    return prediction;
  if (row.kind == ServingKind::decode) {
    const int sequences = static_cast<int>(traffic.requests.value_or(1));
    prediction.span = system.replicas.front().model->cost({}, sequences, input).occupancy.si();
    prediction.values = {sequences * folded / prediction.span};
    return prediction;
  }
  const bool prompt_alone = row.kind == ServingKind::batch && traffic.requests == 1U && output <= 1;
  if (const ReplicaPool& pool = layout.front(); row.software.serving.pipelined_chunks && prompt_alone && pool.plan.pp > 1) {
    const auto piece = static_cast<std::uint32_t>(system.replicas.front().policy.max_tokens);
    prediction.span = piped_prompt(*system.replicas.front().model, static_cast<std::uint32_t>(input), piece);
    prediction.values.assign(row.measured.size(), prediction.span);
    return prediction;
  }
  const RequestStream stream = generate_requests(traffic, seed);
  const ServingRun run = simulate_serving(stream, system, {.stop_after = measured_requests(row, traffic)});
  const Totals sums = add_up(stream, run, row.software.serving);
  if (sums.requests == 0) {
    prediction.refusal = "no request fits the KV cache";
    return prediction;
  }
  const ReplicaTotals& decode = decoding_totals(run, layout);
  prediction.groups = layout.back().plan.attention_dp;
  prediction.iterations = double(decode.iterations);
  prediction.sequences = decode.iterations > 0 ? double(decode.decode_tokens) / double(decode.iterations) : 0;
  prediction.span = run.end.si();
  for (const Measured& each : row.measured)
    prediction.values.push_back(each.metric == ServingMetric::itl_median ? median_gap(decode) : figure(each.metric, sums, run, folded));
  return prediction;
}

ServingRun ServingPredictor::simulate(const ServingRow& row, const RequestStream& stream) {
  ServingSystem system;
  constexpr double typical_length = 1024;
  const std::string refusal = build(row, {ReplicaPool{}}, typical_length / 2, typical_length / 2, system);
  if (!refusal.empty())
    throw UserError(row.id + ": " + refusal);
  return simulate_serving(stream, system);
}

ServingPrediction ServingPredictor::predict(const ServingRow& row) {
  ServingPrediction best;
  for (const std::vector<ReplicaPool>& layout : row.layouts) {
    ServingPrediction next = predict(row, layout);
    const bool first = best.layout.empty();
    if (first || (!best.refusal.empty() && next.refusal.empty()) || (next.refusal.empty() && next.span < best.span))
      best = std::move(next);
  }
  return best;
}

} // namespace orrery
