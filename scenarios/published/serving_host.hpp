// Host constants of a serving engine, fitted to a third of its published rows.
//
// What:    host time per iteration, per sequence of it and per request that the devices wait for (ServingTraits of workloads/software.hpp).
// Formula: the constants with the least mean absolute logarithm of predicted / measured over times per output token, times to first token,
//          latencies and throughputs of closed loops, open arrivals, bursts, batches and offline runs. How a figure moves with a constant
//          of the iterations is taken from a second run with that constant alone, so that queues and batches grow with it; a first token
//          comes request_host later. Where the host works ahead only request_host is fitted.
// Units:   s.
// Valid:   engines with rows; one set for all machines and models; as far as figures move in proportion to the constants.
#pragma once

#include "models/kernel_curves.hpp"
#include "scenarios/published/serving_rows.hpp"

#include <map>
#include <string>
#include <vector>

namespace orrery {

struct ServingHost {
  Seconds iteration;
  Seconds sequence;
  Seconds request;
};

/// The third of an engine's rows (by a hash of the id) that its constants are fitted on. They are not scored.
bool fits_serving_host(const ServingRow& row);

/// By software profile.
std::map<std::string, ServingHost> fit_serving_hosts(const std::vector<ServingRow>& rows, const Calibration& calibration);

} // namespace orrery
