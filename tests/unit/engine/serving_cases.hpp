// A replica with simple costs, and traffic to drive it with.
#pragma once

#include "sim/base/random.hpp"
#include "sim/engine/serving.hpp"

#include <map>
#include <vector>

namespace orrery {

/// 10 ms, 20 us per token computed and 1 us per 100 tokens of context.
class SimpleModel final : public IterationModel {
public:
  IterationCost cost(std::span<const PrefillChunk> prompts, int decodes, double context) override {
    double tokens = decodes;
    for (const PrefillChunk& chunk : prompts)
      tokens += chunk.tokens;
    return of(tokens, decodes * context);
  }
  const DecodeCurve& decode(int sequences) override {
    const auto found = curves_.find(sequences);
    if (found != curves_.end())
      return found->second;
    std::vector<double> contexts{1, 100, 1000, 10000};
    std::vector<IterationCost> costs;
    for (const double context : contexts)
      costs.push_back(of(sequences, sequences * context * (1 + context / 1e5)));
    return curves_.emplace(sequences, DecodeCurve(contexts, costs)).first->second;
  }

private:
  static IterationCost of(double tokens, double context) {
    const Seconds time{0.01 + 20e-6 * tokens + 1e-8 * context};
    return {.latency = time, .occupancy = time, .energy = Joules{tokens}};
  }
  std::map<int, DecodeCurve> curves_;
};

constexpr std::int64_t kv_blocks = 150; ///< 2,400 tokens: scarce, so that sequences are preempted

inline ServingSystem scarce_system(IterationModel& model, const BatchingPolicy& policy, int replicas, int stages = 1) {
  ServingReplica replica{.model = &model, .policy = policy, .kv_blocks = kv_blocks, .stages = stages};
  replica.policy.max_sequences = std::min(replica.policy.max_sequences, 24);
  return {.replicas = std::vector<ServingReplica>(static_cast<std::size_t>(replicas), replica)};
}

inline RequestStream random_stream(int count, double rate, std::uint64_t seed, std::uint32_t longest = 600) {
  RequestStream stream;
  RandomStream random(seed, "requests");
  double now = 0;
  for (int i = 0; i < count; ++i) {
    now += random.exponential(1 / rate);
    stream.requests.push_back({.arrival = Seconds{now},
                               .input = 1 + static_cast<std::uint32_t>(random.below(longest)),
                               .output = 1 + static_cast<std::uint32_t>(random.below(longest / 3))});
  }
  return stream;
}

} // namespace orrery
