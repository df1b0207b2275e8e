#include "scenarios/serving/serving_run.hpp"

#include "scenarios/power_limits.hpp"
#include "scenarios/serving/serving_deployment.hpp"
#include "scenarios/serving/serving_metrics.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery {

namespace {

constexpr Seconds timeline_sample{0.1};         // of a timeline, where the scenario says nothing
constexpr std::size_t timeline_spans = 200'000; // of the same

/// What the host does with a request before the engine sees it comes after its arrival and before its first iteration: the engine is told
/// of arrivals that much later, in the order in which they came. Tools and images wait for no engine of language models.
void delay(RequestStream& stream, const ServingTraits& engine) {
  for (Request& request : stream.requests)
    if (gives_tokens(stream, request))
      request.arrival += engine.before_first(request.input);
}

/// Of a delayed stream; records have the arrivals of before.
ServingRun simulate(const RequestStream& stream, const ServingSystem& system, const ServingOptions& options, const ServingTraits& engine) {
  ServingRun run = simulate_serving(stream, system, options);
  for (std::size_t i = 0; i < run.requests.size(); ++i) {
    const Request& request = stream.requests[i];
    if (!gives_tokens(stream, request))
      continue;
    const bool awaits = stream.concurrency > 0 || request.follows != no_request; // an end of others
    run.requests[i].arrival = (awaits ? run.requests[i].arrival : request.arrival) - engine.before_first(request.input);
  }
  return run;
}

/// Requests, or tasks, per second; later turns of sessions counted as if they came with the first ones.
double arrival_rate(const RequestStream& stream) {
  Seconds first{1e300};
  Seconds last;
  std::size_t tasks = 0;
  for (const Request& request : stream.requests)
    if (request.follows == no_request) {
      first = std::min(first, request.arrival);
      last = std::max(last, request.arrival);
      ++tasks;
    }
  const std::size_t counted = stream.stages > 1 ? tasks : stream.requests.size();
  return last > first ? static_cast<double>(counted) / (last - first).si() : 0;
}

GoodputPoint point_of(const ServingScenario& job, RequestStream stream, const ServingSystem& system, const ServingTraits& engine,
                      double factor) {
  for (Request& request : stream.requests)
    if (request.follows == no_request) {
      const Seconds host = engine.before_first(request.input);
      request.arrival = host + (request.arrival - host) / factor;
    }
  const ServingRun run = simulate(stream, system, {}, engine);
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

ServingGoodput goodput_of(const ServingScenario& job, const RequestStream& stream, const ServingSystem& system, const ServingTraits& engine,
                          int devices) {
  ServingGoodput found = search_goodput([&](double factor) { return point_of(job, stream, system, engine, factor); }, *job.goodput);
  found.per_device = found.rate / devices;
  return found;
}

/// Workers of services that run tools, and what they cost over the time.
void fill_tools(ServingResult& result, const ServingScenario& serving, const ServingRun& run) {
  if (!serving.traffic)
    return;
  const std::vector<std::string> names = traffic_services(*serving.traffic);
  for (std::size_t s = 0; s < names.size(); ++s) {
    const auto found = std::ranges::find(serving.services, names[s], &ServiceChoice::name);
    if (found != serving.services.end() && found->on_devices())
      continue;
    const int workers = found == serving.services.end() ? 0 : found->workers;
    const int there = workers > 0 ? workers : run.tools[s + 1].most;
    const DollarsPerSecond price = found == serving.services.end() ? DollarsPerSecond{} : found->price;
    result.tools.push_back({.name = names[s],
                            .workers = workers,
                            .most = run.tools[s + 1].most,
                            .busy = there > 0 ? run.tools[s + 1].busy / (result.time * there) : 0,
                            .cost = price * result.time * there});
  }
}

void fill_metrics(ServingResult& result, const Scenario& scenario, const ServingScenario& serving, const RequestStream& stream,
                  const std::vector<Deployment>& pools, const ServingRun& run) {
  fill_request_metrics(result, stream, run);
  if (stream.requests.empty()) {
    result.violations.emplace_back("no request comes: the traffic's duration is over before the first arrival");
    return;
  }
  if (result.served == 0) {
    result.violations.push_back(fmt::format("no request fits: the longest has {} tokens, a replica's KV cache holds {}",
                                            longest_tokens(stream, pools.back().service), result.pools.back().kv_tokens));
    return;
  }
  std::size_t first = 0;
  std::vector<PoolMachine> machines;
  for (std::size_t p = 0; p < pools.size(); ++p) {
    const Deployment& pool = pools[p];
    fill_pool_metrics(result.pools[p], run, first, pool.memory.kv_blocks, result.time);
    const Cluster& machine = pool.apart ? pool.cluster : scenario.cluster;
    machines.push_back({&machine, format_on(machine.node.device, pool.job.weights, pool.job.precision).operand, first,
                        serving.pools && serving.pools->same_devices() && pool.service == 0 ? 0.5 : 1.0});
    first += static_cast<std::size_t>(pool.plan.replicas);
  }
  fill_tools(result, serving, run);
  fill_device_metrics(result, machines, run);
  if (std::optional<std::string> violation = above_feed(scenario, result.facility_power, "mean"))
    result.violations.push_back(std::move(*violation));
}

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
  std::vector<Deployment> pools = deployments_of(scenario, job);
  ServingResult result{.name = job.model.name, .devices = deployed_devices(job, pools), .attainment_due = job.slo.attainment};
  if (has_model(job)) {
    result.weights = pools.front().job.weights.name;
    result.parameters = job.model.parameters();
  } else {
    for (const Deployment& pool : pools)
      result.name += (result.name.empty() ? "" : ", ") + (pool.image ? pool.image->model.name : pool.job.model.name);
  }
  ServingTraffic traffic = serving_traffic(job, scenario.simulation.seed);
  result.trace = std::move(traffic.trace);
  check_deployments(result, scenario, job, traffic.stream, pools);
  if (result.violations.empty())
    deploy(result, scenario, job, traffic.stream, pools);
  if (!result.violations.empty())
    return result;
  const ServingSystem system = serving_system(scenario, job, pools, first);
  const ServingTraits& engine = scenario.software.serving;
  delay(traffic.stream, engine);
  const ServingOptions recorded{.sample = job.sample.value_or(options.record_timeline ? timeline_sample : Seconds{}),
                                .spans = options.record_timeline ? timeline_spans : 0};
  ServingRun run = simulate(traffic.stream, system, recorded, engine);
  result.method = {.events = run.events,
                   .fold = system.replicas.size() == 1 ? "the replica is simulated"
                                                       : fmt::format("each of {} replicas is simulated", system.replicas.size())};
  fill_metrics(result, scenario, job, traffic.stream, pools, run);
  if (job.goodput && result.served > 0)
    result.goodput = goodput_of(job, traffic.stream, system, engine, result.devices);
  if (job.rollouts && result.served > 0)
    result.rollouts = rollouts_of(traffic.stream, system, *job.rollouts);
  result.samples = std::move(run.samples);
  result.spans = std::move(run.spans);
  if (options.record_requests)
    for (std::size_t i = 0; i < traffic.stream.requests.size(); ++i)
      result.rows.push_back({traffic.stream.requests[i], run.requests[i]});
  return result;
}

} // namespace orrery
