// A published serving run, request by request: its arrivals and lengths simulated, its latencies compared.
#pragma once

#include <string>
#include <vector>

namespace orrery {

/// A latency over all requests of the run; s.
struct LatencyScore {
  std::string metric;
  double measured_median = 0;
  double predicted_median = 0;
  double measured_p99 = 0;
  double predicted_p99 = 0;
  double request_error = 0; ///< median over requests of the absolute relative error of each
};

struct RequestRunScore {
  int requests = 0;
  std::vector<LatencyScore> latencies; ///< TTFT from the engine's queue, TPOT
};

/// 300 requests of ShareGPT to Llama-3.1-8B under vLLM 0.19 on one RTX PRO 6000 (scenarios/validation/serving_requests.csv).
RequestRunScore validate_request_run();

} // namespace orrery
