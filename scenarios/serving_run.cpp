#include "scenarios/serving_run.hpp"

#include "hardware/topology.hpp"
#include "hardware/words.hpp"
#include "models/device_part.hpp"
#include "models/iteration_model.hpp"
#include "models/serving_memory.hpp"
#include "scenarios/data_files.hpp"
#include "scenarios/serving_metrics.hpp"
#include "sim/engine/kv_transfer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

namespace orrery {

namespace {

constexpr Seconds timeline_sample{0.1}; // of a timeline, where the scenario says nothing

/// Replicas that are alike, ready to run.
struct Deployment {
  Pool pool = Pool::both;
  ServingPlan plan;
  BatchingPolicy policy;
  ServingMemory memory;
  std::unique_ptr<ReplicaModel> model;
};

std::vector<Deployment> deployments_of(const ServingScenario& job, const SoftwareProfile& software) {
  std::vector<Deployment> pools;
  const auto add = [&](Pool pool, const ServingPlan& plan, const BatchingChoice& batching) {
    pools.push_back({.pool = pool, .plan = plan, .policy = batching_of(batching, software, plan)});
  };
  if (job.pools) {
    add(Pool::prefill, job.pools->prefill.plan, job.pools->prefill.batching);
    add(Pool::decode, job.pools->decode.plan, job.pools->decode.batching);
  } else {
    add(Pool::both, job.plan, job.batching);
  }
  return pools;
}

std::string pool_prefix(Pool pool) { return pool == Pool::both ? "" : pool == Pool::prefill ? "prefill pool: " : "decode pool: "; }

double mean_tokens(const RequestStream& stream) {
  double sum = 0;
  for (const Request& request : stream.requests)
    sum += request.input + request.output;
  return sum / static_cast<double>(stream.requests.size());
}

std::uint32_t longest_tokens(const RequestStream& stream) {
  std::uint32_t longest = 0;
  for (const Request& request : stream.requests)
    longest = std::max(longest, request.input + request.output);
  return longest;
}

/// Tokens of the largest iteration: a policy without a budget computes whole prompts of a whole batch.
int largest_iteration(const BatchingPolicy& policy, const RequestStream& stream) {
  double longest = 1;
  for (const Request& request : stream.requests)
    longest = std::max<double>(longest, request.input);
  return static_cast<int>(std::min<double>(policy.max_tokens, longest * policy.max_sequences));
}

void check_job(ServingResult& result, const Scenario& scenario, const ServingJob& job, const RequestStream& stream,
               const std::vector<Deployment>& pools) {
  const Device& device = scenario.cluster.node.device;
  if (!supports(device, job.precision))
    result.violations.push_back(
        fmt::format("{} has no unit that computes in {}", device.name, choice_name(precision_words(), job.precision)));
  if (const int positions = job.model.max_positions; positions > 0 && longest_tokens(stream) > static_cast<std::uint32_t>(positions))
    result.violations.push_back(fmt::format("a request of {} tokens > {} learned positions", longest_tokens(stream), positions));
  const int devices = scenario.cluster.devices() - (scenario_ranks(scenario) - result.devices);
  if (result.devices > devices)
    result.violations.push_back(fmt::format("replicas need {} devices > {} devices", result.devices, devices));
  for (const Deployment& pool : pools)
    for (const Violation& violation : check_serving_plan(job, pool.plan, std::max(devices, pool.plan.devices())))
      result.violations.push_back(pool_prefix(pool.pool) + violation.constraint);
}

/// Share of the memory bandwidth that a replica takes while it computes prompts.
double bandwidth_share(ReplicaModel& model, const ServingPlan& plan, const Device& device, int tokens) {
  const PrefillChunk chunk{.tokens = static_cast<std::uint32_t>(tokens)};
  const IterationCost cost = model.cost({&chunk, 1}, 0, 0);
  return cost.memory / (cost.latency * device.memory.front().bandwidth * plan.replica_devices());
}

/// The machine as each pool sees it where both share its devices. Prompts take what they need of the bandwidth, at most half; while it is
/// contended for, decoding gets no less than the other half, so that prompts have half of theirs.
std::vector<Cluster> parts_of(const Scenario& scenario, const ServingJob& job, const std::vector<Deployment>& pools, double prefill_share) {
  Cluster prefill = scenario.cluster;
  prefill.node.device = device_part(scenario.cluster.node.device, prefill_share, 0);
  const Deployment& prompts = pools.front();
  ReplicaModel alone(prefill, job, prompts.plan, scenario.software, load_calibration(), scenario.power.device_cap);
  const double taken = std::min(0.5, bandwidth_share(alone, prompts.plan, scenario.cluster.node.device, prompts.policy.max_tokens));
  prefill.node.device = device_part(scenario.cluster.node.device, prefill_share, 0.5);
  Cluster decode = scenario.cluster;
  decode.node.device = device_part(scenario.cluster.node.device, 1 - prefill_share, taken);
  return {prefill, decode};
}

/// Builds the cost model of each pool and finds the room for its KV cache.
void deploy(ServingResult& result, const Scenario& scenario, const ServingJob& job, const RequestStream& stream,
            std::optional<double> prefill_share, std::vector<Deployment>& pools) {
  const std::vector<Cluster> clusters =
      prefill_share ? parts_of(scenario, job, pools, *prefill_share) : std::vector<Cluster>(pools.size(), scenario.cluster);
  for (std::size_t p = 0; p < pools.size(); ++p) {
    Deployment& pool = pools[p];
    pool.model =
        std::make_unique<ReplicaModel>(clusters[p], job, pool.plan, scenario.software, load_calibration(), scenario.power.device_cap);
    pool.memory = serving_memory(
        pool.model->graph(), scenario.cluster.node.device, scenario.software,
        {.sequences = pool.policy.max_sequences, .tokens = largest_iteration(pool.policy, stream), .typical_tokens = mean_tokens(stream)});
    for (const Violation& violation : check_host_memory(pool.model->graph(), scenario.cluster.node))
      result.violations.push_back(pool_prefix(pool.pool) + violation.constraint);
    for (const Violation& violation : check_serving_memory(pool.memory, scenario.software.serving.block_tokens))
      result.violations.push_back(pool_prefix(pool.pool) + violation.constraint);
    result.pools.push_back({.pool = pool.pool,
                            .plan = pool.plan,
                            .policy = pool.policy,
                            .weights = pool.memory.weights,
                            .workspace = pool.memory.workspace,
                            .framework = pool.memory.framework,
                            .kv_room = pool.memory.room,
                            .kv_tokens = pool.memory.kv_tokens});
  }
}

ServingSystem system_of(const Scenario& scenario, const ServingScenario& job, const std::vector<Deployment>& pools, int first) {
  const ServingTraits& engine = scenario.software.serving;
  ServingSystem system{.router = job.router};
  std::vector<ReplicaPlace> places;
  for (const Deployment& pool : pools)
    for (int r = 0; r < pool.plan.replicas; ++r) {
      const bool guest = job.pools && job.pools->prefill_share && pool.pool == Pool::decode;
      ServingReplica replica{.model = pool.model.get(),
                             .policy = pool.policy,
                             .kv_blocks = pool.memory.kv_blocks,
                             .block_tokens = engine.block_tokens,
                             .stages = pool.plan.pp,
                             .pool = pool.pool,
                             .prefix_cache = job.prefix_cache.value_or(engine.prefix_cache),
                             .tokens_per_iteration = pool.model->graph().job().speculation.tokens_per_iteration()};
      if (guest)
        replica.shares_memory_with = static_cast<std::uint32_t>(r);
      if (job.swap)
        replica.swap_block = pool.memory.kv_token * engine.block_tokens / scenario.cluster.node.host.device_link;
      system.replicas.push_back(replica);
      places.push_back({.first = first, .count = pool.plan.replica_devices()});
      first += pool.plan.replica_devices();
    }
  if (job.autoscaling)
    system.autoscaling = *job.autoscaling;
  if (job.pools && !job.pools->prefill_share)
    system.transfer = kv_transfer(Topology(scenario.cluster), system.replicas, places, pools.front().memory.replica_kv_token);
  return system;
}

/// What the host does with a request before the engine sees it comes after its arrival and before its first iteration: the engine is told
/// of arrivals that much later.
void delay(RequestStream& stream, Seconds request_host) {
  stream.pause += request_host;
  for (Request& request : stream.requests)
    request.arrival += request_host;
}

/// Of a delayed stream; records have the arrivals of before.
ServingRun simulate(const RequestStream& stream, const ServingSystem& system, const ServingOptions& options, Seconds request_host) {
  ServingRun run = simulate_serving(stream, system, options);
  for (RequestRecord& record : run.requests)
    record.arrival -= request_host;
  return run;
}

/// Requests per second, later turns of sessions counted as if they came with the first ones.
double arrival_rate(const RequestStream& stream) {
  Seconds first{1e300};
  Seconds last;
  for (const Request& request : stream.requests)
    if (request.follows == no_request) {
      first = std::min(first, request.arrival);
      last = std::max(last, request.arrival);
    }
  return last > first ? static_cast<double>(stream.requests.size()) / (last - first).si() : 0;
}

GoodputPoint point_of(const ServingScenario& job, RequestStream stream, const ServingSystem& system, Seconds request_host, double factor) {
  for (Request& request : stream.requests)
    if (request.follows == no_request)
      request.arrival = request_host + (request.arrival - request_host) / factor;
  const ServingRun run = simulate(stream, system, {}, request_host);
  ServingResult result{.devices = 1};
  fill_request_metrics(result, stream, run);
  GoodputPoint point{.rate = arrival_rate(stream),
                     .attainment = result.attainment,
                     .saturated = result.saturation.saturated,
                     .ttft_p90 = result.latencies.ttft.p90,
                     .tpot_p90 = result.latencies.tpot.p90};
  point.kept = point.attainment >= job.slo.attainment && !point.saturated && (!job.slo.itl_p99 || result.itl.p99 <= *job.slo.itl_p99);
  return point;
}

ServingGoodput goodput_of(const ServingScenario& job, const RequestStream& stream, const ServingSystem& system, Seconds request_host,
                          int devices) {
  ServingGoodput found = search_goodput([&](double factor) { return point_of(job, stream, system, request_host, factor); }, *job.goodput);
  found.per_device = found.rate / devices;
  return found;
}

void fill_metrics(ServingResult& result, const Scenario& scenario, const ServingJob& job, const RequestStream& stream,
                  const std::vector<Deployment>& pools, const ServingRun& run) {
  fill_request_metrics(result, stream, run);
  if (result.served == 0) {
    result.violations.push_back(fmt::format("no request fits: the longest has {} tokens, a replica's KV cache holds {}",
                                            longest_tokens(stream), result.pools.back().kv_tokens));
    return;
  }
  std::size_t first = 0;
  for (std::size_t p = 0; p < pools.size(); ++p) {
    fill_pool_metrics(result.pools[p], run, first, pools[p].memory.kv_blocks, result.time);
    first += static_cast<std::size_t>(pools[p].plan.replicas);
  }
  const Device& device = scenario.cluster.node.device;
  fill_device_metrics(result, scenario.cluster, format_on(device, job.weights, job.precision).operand, run);
  if (scenario.power.feed && result.facility_power > *scenario.power.feed)
    result.violations.push_back(fmt::format("mean power of the facility {:.3f} MW > feed {:.3f} MW", result.facility_power.si() / 1e6,
                                            scenario.power.feed->si() / 1e6));
}

} // namespace

BatchingPolicy batching_of(const BatchingChoice& choice, const SoftwareProfile& software, const ServingPlan& plan) {
  const ServingTraits& engine = software.serving;
  const std::string& name = choice.policy.value_or(engine.batching);
  const auto found = std::ranges::find(batching_policies(), name, &BatchingPolicy::name);
  assert(found != batching_policies().end() && "the tables know the names");
  BatchingPolicy policy = *found;
  const bool own = name == engine.batching; // the software's limits are those of its own policy
  policy.max_sequences = choice.max_sequences.value_or(own && engine.max_sequences > 0 ? engine.max_sequences : policy.max_sequences);
  policy.max_tokens = choice.max_tokens.value_or(own && engine.max_tokens > 0 ? engine.max_tokens : policy.max_tokens);
  constexpr std::int64_t unlimited = 1 << 24;
  const auto of_all = [&](int of_group) {
    return static_cast<int>(std::min<std::int64_t>(std::int64_t{of_group} * plan.attention_dp, unlimited));
  };
  policy.max_sequences = of_all(policy.max_sequences);
  policy.max_tokens = of_all(policy.max_tokens);
  policy.groups = plan.attention_dp;
  return policy;
}

namespace {

RolloutResult rollouts_of(const RequestStream& stream, const ServingSystem& system, const RolloutOptions& options) {
  const RolloutRun run = simulate_rollouts(stream.requests, system, options);
  RolloutResult result{.steps = options.steps,
                       .generation = run.generation() / options.steps,
                       .tokens_per_second = run.tokens_per_second(),
                       .tokens_per_second_with_training = run.tokens_per_second(options)};
  for (const RolloutStep& step : run.steps) {
    result.carried += static_cast<double>(step.carried) / options.steps;
    result.earlier_policy += step.earlier_tokens / run.output_tokens();
    result.computed_again += step.computed_again / run.output_tokens();
  }
  return result;
}

} // namespace

ServingResult run_serving(const Scenario& scenario, const ServingScenario& job, int first, const RunOptions& options) {
  const ServingJob served = serving_job(job);
  ServingResult result{.name = job.model.name,
                       .weights = std::string(served.weights.name),
                       .devices = serving_devices(job),
                       .parameters = job.model.parameters(),
                       .attainment_due = job.slo.attainment};
  ServingTraffic traffic = serving_traffic(job, scenario.simulation.seed);
  result.trace = std::move(traffic.trace);
  std::vector<Deployment> pools = deployments_of(job, scenario.software);
  check_job(result, scenario, served, traffic.stream, pools);
  if (result.violations.empty())
    deploy(result, scenario, served, traffic.stream, job.pools ? job.pools->prefill_share : std::nullopt, pools);
  if (!result.violations.empty())
    return result;
  const ServingSystem system = system_of(scenario, job, pools, first);
  const Seconds request_host = scenario.software.serving.request_host;
  delay(traffic.stream, request_host);
  ServingRun run = simulate(traffic.stream, system, {.sample = job.sample.value_or(options.record_timeline ? timeline_sample : Seconds{})},
                            request_host);
  result.method = {.events = run.events, .fold = fmt::format("each of {} replicas is simulated", system.replicas.size())};
  fill_metrics(result, scenario, served, traffic.stream, pools, run);
  if (job.goodput && result.served > 0)
    result.goodput = goodput_of(job, traffic.stream, system, request_host, result.devices);
  if (job.rollouts && result.served > 0)
    result.rollouts = rollouts_of(traffic.stream, system, *job.rollouts);
  result.samples = std::move(run.samples);
  if (options.record_requests)
    for (std::size_t i = 0; i < traffic.stream.requests.size(); ++i)
      result.rows.push_back({traffic.stream.requests[i], run.requests[i]});
  return result;
}

} // namespace orrery
