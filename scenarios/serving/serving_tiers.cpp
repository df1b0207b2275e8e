#include "scenarios/serving/serving_tiers.hpp"

#include "models/offload_cost.hpp"
#include "sim/base/quantity_text.hpp"
#include "workloads/layer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace orrery {

namespace {

/// Copies of one block of a stage: keys and values of every layer that keeps them.
int copies_of(const ServingGraph& graph) {
  const int each = graph.job().model.latent.kv_rank > 0 ? 1 : 2;
  int most = 0;
  for (const StageLayers& stage : graph.stages()) {
    int layers = 0;
    for (std::size_t k = 0; k < graph.kinds().size(); ++k)
      layers += attends(graph.kinds()[k]) ? stage.counts[k] : 0;
    most = std::max(most, each * layers);
  }
  return most;
}

} // namespace

MemoryTier KvTierChoice::memory(const Host& host) const {
  if (tier)
    return *tier;
  return place == Place::storage ? host.storage.value_or(MemoryTier{.name = "storage"}) : host.memory;
}

std::vector<KvTierChoice> tier_choices(const ServingScenario& job) {
  if (job.kv_tiers.empty() && job.swap)
    return {{.place = KvTierChoice::Place::host}};
  return job.kv_tiers;
}

std::vector<KvTier> replica_tiers(const ServingScenario& job, const ServingGraph& graph, const ServingMemory& memory, const NodeType& node,
                                  const SoftwareProfile& software) {
  const int block_tokens = software.serving.block_tokens;
  const Bytes piece = memory.kv_token * block_tokens;
  const Bytes whole = memory.replica_kv_token * block_tokens;
  const BytesPerSecond link = host_link_rate(node);
  std::vector<KvTier> tiers;
  for (const KvTierChoice& choice : tier_choices(job)) {
    const MemoryTier tier = choice.memory(node.host);
    const Bytes room = choice.capacity.value_or(tier.capacity) * (static_cast<double>(graph.plan().replica_devices()) / node.devices);
    const auto time = [&](BytesPerSecond bandwidth) { return piece / std::min(link, bandwidth / node.devices); };
    tiers.push_back({.blocks = static_cast<std::int64_t>(std::floor(room / whole)),
                     .read = time(tier.bandwidth),
                     .write = time(tier.write_bandwidth.value_or(tier.bandwidth)),
                     .latency = choice.latency,
                     .copy = copies_of(graph) * software.kernel_launch,
                     .unit = job.kv_copies.unit});
  }
  return tiers;
}

std::vector<std::string> check_tiers(const ServingScenario& job, const NodeType& node) {
  std::vector<std::string> missing;
  for (const KvTierChoice& choice : tier_choices(job)) {
    const MemoryTier tier = choice.memory(node.host);
    if (tier.capacity == Bytes{})
      missing.push_back(fmt::format("KV blocks go to {}, of which a {} has none", tier.name, node.name));
    else if (choice.capacity && *choice.capacity > tier.capacity)
      missing.push_back(fmt::format("KV blocks take {} of {} > {} of a node", format_quantity(*choice.capacity), tier.name,
                                    format_quantity(tier.capacity)));
    if (node.host.device_link == BytesPerSecond{})
      missing.push_back(fmt::format("KV blocks go to {}, to which a {} has no link", tier.name, node.name));
  }
  return missing;
}

} // namespace orrery
