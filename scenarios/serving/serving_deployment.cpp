#include "scenarios/serving/serving_deployment.hpp"

#include "hardware/topology.hpp"
#include "hardware/words.hpp"
#include "models/device_part.hpp"
#include "models/memory.hpp"
#include "scenarios/data_files.hpp"
#include "scenarios/power_limits.hpp"
#include "scenarios/serving/serving_tiers.hpp"
#include "sim/engine/kv_transfer.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery {

namespace {

constexpr int moving_parts = 10;              // of devices whose multiprocessors follow the load
constexpr int image_block_tokens = 1'000'000; // more passes than any image takes

/// The scenario's cluster, or nodes of another type that hold so many devices.
Cluster machine_of(const Scenario& scenario, const std::optional<NodeType>& node, int devices) {
  Cluster cluster = scenario.cluster;
  if (node) {
    cluster.node = *node;
    cluster.nodes = (devices + node->devices - 1) / node->devices;
    cluster.degraded.clear();
  }
  return cluster;
}

double mean_tokens(const RequestStream& stream, std::uint16_t service) {
  double sum = 0;
  double count = 0;
  for (const Request& request : stream.requests)
    if (request.service == service) {
      sum += request.input + request.output;
      ++count;
    }
  return count > 0 ? sum / count : 1;
}

/// Tokens of the largest iteration: a policy without a budget computes whole prompts of a whole batch.
int largest_iteration(const BatchingPolicy& policy, const RequestStream& stream, std::uint16_t service) {
  double longest = 1;
  for (const Request& request : stream.requests)
    if (request.service == service)
      longest = std::max<double>(longest, request.input);
  return static_cast<int>(std::min<double>(policy.max_tokens, longest * policy.max_sequences));
}

/// Share of the memory bandwidth that a replica takes while it computes prompts.
double bandwidth_share(ReplicaModel& model, const ServingPlan& plan, const Device& device, int tokens) {
  const PrefillChunk chunk{.tokens = static_cast<std::uint32_t>(tokens)};
  const IterationCost cost = model.cost({&chunk, 1}, 0, 0);
  return cost.memory / (cost.latency * device.memory.front().bandwidth * plan.replica_devices());
}

/// The machine as each pool sees it where both share its devices. Prompts take what they need of the bandwidth, at most half; while it is
/// contended for, decoding gets no less than the other half, so that prompts have half of theirs.
std::vector<Cluster> parts_of(const Scenario& scenario, const std::vector<Deployment>& pools, double prefill_share) {
  Cluster prefill = scenario.cluster;
  prefill.node.device = device_part(scenario.cluster.node.device, prefill_share, 0);
  const Deployment& prompts = pools.front();
  ReplicaModel alone(prefill, prompts.job, prompts.plan, scenario.software, load_calibration(), scenario.power.device_cap);
  const double taken = std::min(0.5, bandwidth_share(alone, prompts.plan, scenario.cluster.node.device, prompts.policy.max_tokens));
  prefill.node.device = device_part(scenario.cluster.node.device, prefill_share, 0.5);
  Cluster decode = scenario.cluster;
  decode.node.device = device_part(scenario.cluster.node.device, 1 - prefill_share, taken);
  return {prefill, decode};
}

/// The models of both pools on every number of parts of the devices that they share.
void fill_parts(const Scenario& scenario, std::vector<Deployment>& pools) {
  const auto model_on = [&](const Deployment& pool, const Cluster& cluster) {
    return std::make_unique<ReplicaModel>(cluster, pool.job, pool.plan, scenario.software, load_calibration(), scenario.power.device_cap);
  };
  Deployment& prefill = pools[0];
  Deployment& decode = pools[1];
  decode.parts.resize(moving_parts);
  for (int i = 1; i < moving_parts; ++i) {
    const std::vector<Cluster> clusters = parts_of(scenario, pools, static_cast<double>(i) / moving_parts);
    prefill.parts.push_back(model_on(prefill, clusters.front()));
    decode.parts[static_cast<std::size_t>(moving_parts - i - 1)] = model_on(decode, clusters.back());
  }
  prefill.parts.push_back(model_on(prefill, scenario.cluster));
  decode.parts.back() = model_on(decode, scenario.cluster);
}

/// Ways from prefill to decode replicas that are not on one machine: each replica's adapters are a link.
KvTransfer transfer_between(const std::vector<const Deployment*>& places, Bytes per_token) {
  KvTransfer transfer{.per_token = per_token};
  transfer.routes.resize(places.size() * places.size());
  for (std::size_t r = 0; r < places.size(); ++r) {
    const NodeType& node = places[r]->cluster.node;
    const double adapters = static_cast<double>(node.nics.count) / node.devices * places[r]->plan.replica_devices();
    transfer.network.links.push_back({fmt::format("replica{}/nics", r), node.nics.bandwidth * adapters});
    transfer.latency = std::max(transfer.latency, node.nics.latency);
  }
  for (std::uint32_t from = 0; from < places.size(); ++from)
    for (std::uint32_t to = 0; to < places.size(); ++to)
      if (places[from]->pool == Pool::prefill && places[to]->pool == Pool::decode)
        transfer.routes[from * places.size() + to] = {{.link = from}, {.link = to}};
  return transfer;
}

/// Images keep nothing between passes: each holds one block as long as it is there.
ServingReplica image_replica_of(const Deployment& pool) {
  return {.model = pool.images.get(), .policy = pool.policy, .kv_blocks = pool.memory.kv_blocks, .block_tokens = image_block_tokens};
}

ServingReplica replica_of(const Scenario& scenario, const ServingScenario& job, const Deployment& pool) {
  if (pool.image)
    return image_replica_of(pool);
  const ServingTraits& engine = scenario.software.serving;
  std::vector<IterationModel*> parts;
  for (const std::unique_ptr<ReplicaModel>& part : pool.parts)
    parts.push_back(part.get());
  return {.model = pool.model.get(),
          .parts = std::move(parts),
          .decode_slack = job.pools ? job.pools->decode_slack.value_or(0) : 0,
          .policy = pool.policy,
          .kv_blocks = pool.memory.kv_blocks,
          .block_tokens = engine.block_tokens,
          .stages = pool.plan.pp,
          .pool = pool.pool,
          .prefix_cache = job.prefix_cache.value_or(engine.prefix_cache),
          .tokens_per_iteration = pool.job.speculation.tokens_per_iteration(),
          .tiers = replica_tiers(job, pool.model->graph(), pool.memory, pool.cluster.node, scenario.software),
          .moves = {.swap = job.swap, .keep_copies = job.kv_copies.keep, .overlapped = job.kv_copies.overlapped},
          .fairness = job.fairness};
}

/// Services in the order of their numbers: replicas of the pools, or workers.
std::vector<ServingService> services_of(const ServingScenario& job, const std::vector<Deployment>& pools) {
  std::vector<ServingService> services(1);
  if (job.traffic)
    for (const std::string& name : traffic_services(*job.traffic)) {
      const auto found = std::ranges::find(job.services, name, &ServiceChoice::name);
      services.push_back(found == job.services.end() ? ServingService{}
                                                     : ServingService{.workers = found->workers, .latency = found->latency});
    }
  std::uint32_t first = 0;
  for (const Deployment& pool : pools) {
    ServingService& service = services[pool.service];
    if (service.replicas == 0)
      service.first = first;
    service.replicas += static_cast<std::uint32_t>(pool.plan.replicas);
    first += static_cast<std::uint32_t>(pool.plan.replicas);
  }
  return services;
}

void deploy_images(ServingResult& result, const Scenario& scenario, const Cluster& whole, Deployment& pool) {
  const Device& device = whole.node.device;
  pool.images = std::make_unique<ImageReplica>(pool.cluster, *pool.image, pool.job.precision, scenario.software, load_calibration(),
                                               scenario.power.device_cap);
  pool.memory = image_memory(*pool.image, pool.job.precision, pool.policy.max_sequences, device, scenario.software);
  if (pool.memory.room < Bytes{})
    result.violations.push_back(fmt::format("{}weights {} + activations of {} at once {} + framework {} > memory {}", pool_prefix(pool),
                                            gigabytes(pool.memory.weights), pool.policy.max_sequences, gigabytes(pool.memory.workspace),
                                            gigabytes(pool.memory.framework), gigabytes(pool.memory.capacity)));
}

void deploy_model(ServingResult& result, const Scenario& scenario, const RequestStream& stream, const Cluster& whole, Deployment& pool) {
  pool.model =
      std::make_unique<ReplicaModel>(pool.cluster, pool.job, pool.plan, scenario.software, load_calibration(), scenario.power.device_cap);
  pool.memory = serving_memory(pool.model->graph(), whole.node.device, scenario.software,
                               {.sequences = pool.policy.max_sequences,
                                .tokens = largest_iteration(pool.policy, stream, pool.service),
                                .typical_tokens = mean_tokens(stream, pool.service),
                                .host = whole.node.host.memory.capacity / whole.node.devices});
  for (const Violation& violation : check_host_memory(pool.model->graph(), whole.node))
    result.violations.push_back(pool_prefix(pool) + violation.constraint);
  for (const Violation& violation : check_serving_memory(pool.memory, scenario.software.serving.block_tokens))
    result.violations.push_back(pool_prefix(pool) + violation.constraint);
}

} // namespace

std::string pool_prefix(const Deployment& pool) {
  const std::string service = pool.name.empty() ? "" : pool.name + ": ";
  return service + (pool.pool == Pool::both ? "" : pool.pool == Pool::prefill ? "prefill pool: " : "decode pool: ");
}

std::uint32_t longest_tokens(const RequestStream& stream, std::uint16_t service) {
  std::uint32_t longest = 0;
  for (const Request& request : stream.requests)
    if (request.service == service)
      longest = std::max(longest, request.input + request.output);
  return longest;
}

std::vector<Deployment> deployments_of(const Scenario& scenario, const ServingScenario& job) {
  std::vector<Deployment> pools;
  const auto add = [&](Pool pool, const ServingPlan& plan, const BatchingChoice& batching, const std::optional<NodeType>& node) {
    pools.push_back({.pool = pool,
                     .job = serving_job(job),
                     .plan = plan,
                     .policy = batching_of(batching, scenario.software, plan),
                     .cluster = machine_of(scenario, node, plan.devices()),
                     .apart = node.has_value()});
  };
  if (job.pools) {
    add(Pool::prefill, job.pools->prefill.plan, job.pools->prefill.batching, job.pools->prefill.node);
    add(Pool::decode, job.pools->decode.plan, job.pools->decode.batching, job.pools->decode.node);
  } else if (has_model(job)) {
    add(Pool::both, job.plan, job.batching, std::nullopt);
  }
  const std::vector<std::string> names = job.traffic ? traffic_services(*job.traffic) : std::vector<std::string>{};
  for (std::size_t s = 0; s < names.size(); ++s) {
    const auto found = std::ranges::find(job.services, names[s], &ServiceChoice::name);
    if (found == job.services.end() || !found->on_devices())
      continue;
    add(Pool::both, found->layout(), found->batching, found->node);
    if (found->model)
      pools.back().job = serving_job(job, *found);
    pools.back().image = found->image;
    pools.back().service = static_cast<std::uint16_t>(s + 1);
    pools.back().name = names[s];
  }
  return pools;
}

int deployed_devices(const ServingScenario& job, const std::vector<Deployment>& pools) {
  int devices = serving_devices(job);
  for (const Deployment& pool : pools)
    devices += pool.apart ? pool.plan.devices() : 0;
  return devices;
}

void check_deployments(ServingResult& result, const Scenario& scenario, const ServingScenario& job, const RequestStream& stream,
                       const std::vector<Deployment>& pools) {
  const int needed = serving_devices(job);
  const int devices = scenario.cluster.devices() - (scenario_ranks(scenario) - needed);
  if (needed > devices)
    result.violations.push_back(fmt::format("replicas need {} devices > {} devices", needed, devices));
  for (const Deployment& pool : pools) {
    const std::string prefix = pool_prefix(pool);
    const Device& device = pool.cluster.node.device;
    if (!supports(device, pool.job.precision))
      result.violations.push_back(
          fmt::format("{}{} has no unit that computes in {}", prefix, device.name, choice_name(precision_words(), pool.job.precision)));
    if (std::optional<std::string> above = above_device_cap(scenario, device))
      result.violations.push_back(prefix + *above);
    if (pool.image) {
      for (const Violation& violation : check_patches(*pool.image))
        result.violations.push_back(prefix + violation.constraint);
      continue;
    }
    const std::uint32_t longest = longest_tokens(stream, pool.service);
    if (const int positions = pool.job.model.max_positions; positions > 0 && longest > static_cast<std::uint32_t>(positions))
      result.violations.push_back(fmt::format("{}a request of {} tokens > {} learned positions", prefix, longest, positions));
    const int own = pool.apart ? pool.cluster.devices() : std::max(devices, pool.plan.devices());
    for (const Violation& violation : check_serving_plan(pool.job, pool.plan, own))
      result.violations.push_back(prefix + violation.constraint);
    for (const std::string& missing : check_tiers(job, pool.cluster.node))
      result.violations.push_back(prefix + missing);
    if (job.fairness && pool.policy.admission == Admission::when_empty)
      result.violations.push_back(
          fmt::format("{}priorities change while requests run, but a batch of '{}' ends as a whole", prefix, pool.policy.name));
  }
}

void deploy(ServingResult& result, const Scenario& scenario, const ServingScenario& job, const RequestStream& stream,
            std::vector<Deployment>& pools) {
  if (job.pools && job.pools->prefill_share) {
    const std::vector<Cluster> parts = parts_of(scenario, pools, *job.pools->prefill_share);
    for (std::size_t p = 0; p < parts.size(); ++p)
      pools[p].cluster = parts[p];
  }
  if (job.pools && job.pools->decode_slack)
    fill_parts(scenario, pools);
  for (Deployment& pool : pools) {
    const Cluster& whole = pool.apart ? pool.cluster : scenario.cluster;
    if (pool.image)
      deploy_images(result, scenario, whole, pool);
    else
      deploy_model(result, scenario, stream, whole, pool);
    result.pools.push_back({.service = pool.name,
                            .node = whole.node.name,
                            .pool = pool.pool,
                            .plan = pool.plan,
                            .policy = pool.policy,
                            .weights = pool.memory.weights,
                            .workspace = pool.memory.workspace,
                            .framework = pool.memory.framework,
                            .kv_room = std::max(Bytes{}, pool.memory.room),
                            .kv_tokens = pool.memory.kv_tokens});
    if (pool.image)
      result.pools.back().patches = pool.image->patches;
    for (const KvTierChoice& choice : pool.image ? std::vector<KvTierChoice>{} : tier_choices(job))
      result.pools.back().tiers.push_back({.name = choice.memory(whole.node.host).name});
  }
}

ServingSystem serving_system(const Scenario& scenario, const ServingScenario& job, const std::vector<Deployment>& pools, int first) {
  ServingSystem system{.services = services_of(job, pools), .router = job.router};
  std::vector<ReplicaPlace> places;
  std::vector<const Deployment*> owners;
  for (const Deployment& pool : pools)
    for (int r = 0; r < pool.plan.replicas; ++r) {
      ServingReplica replica = replica_of(scenario, job, pool);
      if (job.pools && job.pools->same_devices() && pool.pool == Pool::decode)
        replica.shares_memory_with = static_cast<std::uint32_t>(r);
      system.replicas.push_back(std::move(replica));
      owners.push_back(&pool);
      places.push_back({.first = pool.apart ? 0 : first, .count = pool.plan.replica_devices()});
      first += pool.apart ? 0 : pool.plan.replica_devices();
    }
  if (job.autoscaling)
    system.autoscaling = *job.autoscaling;
  if (!job.pools || job.pools->same_devices())
    return system;
  const Bytes per_token = pools.front().memory.replica_kv_token;
  if (pools[0].apart || pools[1].apart)
    system.transfer = transfer_between(owners, per_token);
  else
    system.transfer = kv_transfer(Topology(scenario.cluster), system.replicas, places, per_token);
  return system;
}

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
  policy.poll_iterations = own ? engine.poll_iterations : policy.poll_iterations;
  return policy;
}

} // namespace orrery
