// What a serving job gives: plain values with units.
//
// TTFT = arrival to first token. TPOT of a request = (last token - first token) / (output tokens - 1): the first token's time is not in it,
// requests of one token have none. ITL = time between two tokens of a request, over tokens. Percentiles are interpolated linearly between
// the values next to them. Rates are over the time from the first arrival to the last token.
#pragma once

#include "hardware/description.hpp"
#include "scenarios/serving/goodput_search.hpp"
#include "sim/base/units.hpp"
#include "sim/engine/serving.hpp"
#include "workloads/requests/request_trace.hpp"
#include "workloads/serving_job.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace orrery {

/// Over requests.
struct LatencySummary {
  std::uint64_t count = 0;
  Seconds mean;
  Seconds p50;
  Seconds p90;
  Seconds p95;
  Seconds p99;
  Seconds max;
};

struct ServingLatencies {
  LatencySummary ttft;
  LatencySummary tpot;
  LatencySummary end_to_end;
  LatencySummary queueing; ///< from arrival to the first iteration
  Seconds itl_mean;        ///< over tokens
};

/// Requests of one class of service, and how many kept each bound. A request keeps its bounds if it is served and keeps all of them.
struct ClassResult {
  ServiceClass bounds;
  std::uint64_t requests = 0;
  std::uint64_t served = 0;
  ServingLatencies latencies;
  LatencySummary itl;  ///< times between tokens, over tokens
  double ttft_met = 1; ///< share of the class's requests
  double tpot_met = 1;
  double end_to_end_met = 1;
  double itl_met = 1;    ///< enough of the gaps between their tokens kept the bound
  double attainment = 1; ///< all bounds
};

/// Memory below that of the devices.
struct TierResult {
  std::string name;
  std::uint64_t tokens = 0; ///< of prompts, that came up from it instead of being computed
};

/// Replicas that are alike.
struct PoolResult {
  std::string service; ///< empty = the job's own model
  std::string node;    ///< type of its machines
  Pool pool = Pool::both;
  ServingPlan plan;
  int patches = 0; ///< devices that share each image; 0 = they serve a language model
  BatchingPolicy policy;
  Bytes weights; ///< of the fullest device
  Bytes workspace;
  Bytes framework;
  Bytes kv_room;              ///< of that device
  std::int64_t kv_tokens = 0; ///< that a replica's KV cache holds
  Seconds active;             ///< time that replicas are there, added up
  double busy = 0;            ///< share of it that they are in iterations
  double peak_kv = 0;         ///< most of the KV cache in use, of the fullest replica
  int peak_sequences = 0;     ///< the same of running sequences
  std::uint64_t iterations = 0;
  double mean_batch = 0; ///< decoding sequences per iteration
  std::uint64_t prefill_tokens = 0;
  std::uint64_t cached_tokens = 0; ///< of prompts, found in the prefix cache
  std::uint64_t decode_tokens = 0;
  std::uint64_t preemptions = 0;
  std::vector<TierResult> tiers;
  std::uint64_t swapped_out = 0; ///< KV blocks of preempted sequences that were written
  std::uint64_t swapped_in = 0;
  std::uint64_t reused = 0; ///< that needed no writing
  double moving = 0;        ///< share of the time in iterations that they waited for KV blocks
};

/// Workers that run tools.
struct ToolResult {
  std::string name;
  int workers = 0; ///< 0 = as many as were asked for
  int most = 0;    ///< that ran at once
  double busy = 0; ///< share of the workers' time; of the most that ran where there is no limit
  Dollars cost;    ///< of the workers over the time
};

/// Tasks of several stages. A task keeps its bounds if all its stages do and it ends in time.
struct TaskResult {
  int stages = 0;
  std::uint64_t count = 0;
  std::uint64_t served = 0;
  double per_second = 0;
  LatencySummary end_to_end; ///< from arrival to the last end
};

/// Whether requests come faster than they are served.
struct Saturation {
  bool saturated = false;
  double offered = 0; ///< requests/s until the last arrival
  double served = 0;  ///< the same of those that ended by then
  double queue = 0;   ///< requests that wait, mean over the last quarter of that time
};

struct RequestRow {
  Request request;
  RequestRecord record;

  /// It went to a service that runs tools, which takes no tokens: no replica saw it.
  [[nodiscard]] bool ran_tool() const { return request.input == 0 && request.output == 0; }
};

struct ServingMethod {
  std::uint64_t events = 0;
  std::uint64_t iterations = 0; ///< that they stand for
  std::string fold;
};

/// What a reinforcement learner gets.
struct RolloutResult {
  int steps = 0;
  Seconds generation;           ///< mean of a step's phase
  double tokens_per_second = 0; ///< of finished responses, over the generation phases
  double tokens_per_second_with_training = 0;
  double carried = 0;        ///< responses that go on in the next step, mean
  double earlier_policy = 0; ///< share of the tokens that an earlier policy sampled
  double computed_again = 0; ///< tokens computed again for responses that go on, over those sampled
};

struct ServingResult {
  std::string name; ///< of the model
  std::string weights;
  int devices = 0;
  double parameters = 0;
  std::vector<std::string> violations; ///< deciding inequalities; not empty = infeasible, and only pools below is filled in
  std::vector<PoolResult> pools;
  std::optional<RequestTraceReport> trace; ///< what became of the lines of its file
  std::uint64_t requests = 0;
  std::uint64_t served = 0;
  std::uint64_t refused = 0;    ///< longer than a replica's KV cache
  std::uint64_t unfinished = 0; ///< behind a refused one
  Seconds time;                 ///< from the first arrival to the last token
  double requests_per_second = 0;
  double input_tokens_per_second = 0;
  double output_tokens_per_second = 0;
  double output_tokens_per_second_per_device = 0;
  Saturation saturation;
  ServingLatencies latencies;
  LatencySummary itl; ///< times between tokens, over tokens; percentiles within 0.6%
  std::vector<ClassResult> classes;
  std::optional<TaskResult> tasks;
  std::vector<ToolResult> tools;
  double attainment = 1; ///< share of all requests, or tasks, that keep their bounds
  double attainment_due = 0;
  std::optional<ServingGoodput> goodput;
  double iterations_per_request = 0;
  double mfu = 0;          ///< FLOPs as run over the devices' peak
  double mbu = 0;          ///< memory traffic over the devices' bandwidth
  double mean_devices = 0; ///< that are there: fewer than all where replicas are started and stopped
  Watts device_power;      ///< mean
  bool above_cap = false;  ///< as StepPower::above_cap, in iterations
  Watts facility_power;
  Joules energy_per_output_token; ///< at the feed; 0 where no tokens come out
  Joules energy_per_request;      ///< the same, of one served, or of a task
  Dollars cost_per_million_output_tokens;
  Dollars cost_per_request; ///< served, or task; with its tools
  bool priced = false;
  std::optional<RolloutResult> rollouts;
  std::vector<ServingSample> samples; ///< where asked for
  std::vector<ServingSpan> spans;     ///< the same
  std::vector<RequestRow> rows;       ///< where asked for
  ServingMethod method;
};

} // namespace orrery
