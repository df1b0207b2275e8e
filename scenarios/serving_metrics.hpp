// Figures of a serving run, out of its requests and its replicas.
#pragma once

#include "hardware/description.hpp"
#include "scenarios/serving_result.hpp"

#include <vector>

namespace orrery {

/// The value below which `share` of them lie, interpolated linearly. Reorders the values; there is at least one.
[[nodiscard]] double percentile(std::vector<double>& values, double share);

/// Requests, latencies, classes, rates and saturation.
void fill_request_metrics(ServingResult& result, const RequestStream& stream, const ServingRun& run);

/// Replicas of one pool are neighbours in the run. `first` = the first of them.
void fill_pool_metrics(PoolResult& pool, const ServingRun& run, std::size_t first, std::int64_t kv_blocks, Seconds time);

/// FLOPs, traffic, power and cost over result.time. `peak` = precision of the products.
void fill_device_metrics(ServingResult& result, const Cluster& cluster, Precision peak, const ServingRun& run);

} // namespace orrery
