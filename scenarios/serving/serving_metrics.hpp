// Figures of a serving run, out of its requests and its replicas.
#pragma once

#include "hardware/description.hpp"
#include "scenarios/serving/serving_result.hpp"

#include <vector>

namespace orrery {

/// Whether a request asks a language model: tools give no tokens, and passes over an image are none.
bool gives_tokens(const RequestStream& stream, const Request& request);

/// Requests, latencies, classes, rates and saturation.
void fill_request_metrics(ServingResult& result, const RequestStream& stream, const ServingRun& run);

/// Replicas of one pool are neighbours in the run. `first` = the first of them.
void fill_pool_metrics(PoolResult& pool, const ServingRun& run, std::size_t first, std::int64_t kv_blocks, Seconds time);

/// What a pool runs on. A pool has a share of its cluster.
struct PoolMachine {
  const Cluster* cluster = nullptr;
  Precision peak = Precision::bf16; ///< of the products
  std::size_t first = 0;            ///< replica of the pool
  double part = 1;                  ///< of its devices, where pools share them
};

/// FLOPs, traffic, power and cost over result.time. `machines` are parallel to result.pools.
void fill_device_metrics(ServingResult& result, const std::vector<PoolMachine>& machines, const ServingRun& run);

} // namespace orrery
