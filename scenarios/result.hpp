// What a run gives: plain values with units. The tools print its fields and compute nothing.
#pragma once

#include "hardware/description.hpp"
#include "models/memory.hpp"
#include "models/money.hpp"
#include "models/reliability.hpp"
#include "scenarios/serving/serving_result.hpp"
#include "sim/base/units.hpp"
#include "workloads/plan.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace orrery {

inline constexpr int result_schema_version = 1;

/// Under which kind of time a share is listed.
enum class TimeKind { compute, communication, bubble, optimizer, host };

/// Part of the step time, mean over all ranks. The shares of a job add up to its step time.
struct TimeShare {
  TimeKind kind = TimeKind::compute;
  std::string name; ///< operator class, or kind of communication
  Seconds time;
};

/// Throughput under one counting convention.
struct FlopRate {
  std::string convention; ///< "full attention", "causal attention", "executed"
  std::string meaning;
  FlopsPerSecond per_device;
  double utilisation = 0; ///< of the peak at the job's precision
};

struct StepPower {
  Watts device_mean;
  Watts device_peak;
  Watts facility_mean;
  Watts facility_peak;
  Joules energy_per_step; ///< at the facility's feed
  Joules energy_per_token;
  double clock = 1.0;     ///< lowest relative clock that a cap forced
  bool above_cap = false; ///< even the lowest clock draws more at times: memory keeps its rate, which a device that keeps its cap would not
};

/// Time, cost and energy to the token budget.
struct Budget {
  double tokens = 0;
  double steps = 0;
  Seconds time; ///< with failures and checkpoints where the scenario has them
  Joules energy;
  Dollars cost;
  Dollars capital; ///< depreciation share of `cost`
  Dollars electricity;
  bool priced = false; ///< the catalogue states what `cost` needs
  double device_hours = 0;
};

/// One recorded span of work on a row of the timeline.
struct RecordedSpan {
  std::int32_t replica = 0;
  std::int32_t stage = 0;
  std::string stream; ///< "compute", "pipeline", "data"
  std::string name;
  std::int32_t micro_batch = -1;
  Seconds begin;
  Seconds end;
  Watts power;  ///< mean of one device over the span
  Bytes memory; ///< of one device at its begin
};

/// How the figure was made.
struct Method {
  std::string kind;    ///< "estimate" or "simulate"
  std::string network; ///< the network model and its settings
  std::string fold;    ///< what was simulated once for many
  std::uint64_t events = 0;
  double simulate_minus_estimate = 0; ///< relative
};

/// A figure of which no source was found, that the result rests on.
struct Assumption {
  std::string subject; ///< "device h100-sxm-80gb", "software megatron-core-2024", "cost models"
  std::string figure;
  std::string reason;
};

struct ErrorBand {
  double low = 0; ///< relative: the step time is within [1 + low, 1 + high] of the stated one
  double high = 0;
  std::string basis;
};

/// Where the time of one rank of a trace goes. compute + exposed + host + waiting = step_time.
struct TraceRank {
  int rank = 0;
  Seconds end; ///< of its last node
  Seconds compute;
  Seconds exposed; ///< communication in flight and the device idle
  Seconds hidden;  ///< communication in flight beside compute
  Seconds host;    ///< host or memory nodes alone
  Seconds waiting;
};

/// Nodes of one kind and name on the critical path.
struct TracePath {
  std::string kind; ///< "compute", "host", "memory", "message", "ALL_REDUCE", ...
  std::string name;
  Seconds time;
  std::uint64_t nodes = 0;
};

/// What only the replay of a trace gives.
struct TraceReport {
  std::uint64_t nodes = 0;
  std::uint64_t roofline_nodes = 0; ///< priced by their FLOPs and bytes
  std::uint64_t recorded_nodes = 0; ///< of recorded time
  std::uint64_t untimed_nodes = 0;  ///< compute and memory nodes that say nothing of their time
  std::uint64_t collectives = 0;
  std::uint64_t lone_collectives = 0; ///< with a single member: they take no time
  std::uint64_t messages = 0;
  bool assumed = false; ///< some time rests on an assumed fraction of the device's peak
  std::vector<TraceRank> ranks;
  std::vector<TracePath> path; ///< adds up to step_time
};

struct TrainingResult {
  std::string name;
  Plan plan;
  int devices = 0;
  int micro_batches = 0; ///< per replica and step
  double parameters = 0;
  std::vector<std::string> violations; ///< deciding inequalities; not empty = infeasible, and only memory below is filled in
  Seconds step_time;
  double tokens_per_second = 0;
  double tokens_per_second_per_device = 0;
  std::vector<FlopRate> flop_rates;
  std::vector<TimeShare> time;
  MemoryFootprint memory; ///< of the fullest stage
  int memory_stage = 0;
  Bytes memory_capacity;
  Bytes memory_traffic; ///< per step of one device, mean over stages
  StepPower power;
  std::optional<Goodput> goodput;
  Seconds goodput_run_length;
  std::optional<Budget> budget;
  ErrorBand error_band;
  std::optional<TraceReport> trace; ///< of a trace, which has no plan, memory, power or tokens
  Method method;
  std::vector<RecordedSpan> timeline; ///< recorded on request
};

struct ExpectationOutcome {
  std::string metric;
  double value = 0;
  std::optional<double> min;
  std::optional<double> max;
  bool met = false;
};

struct Result {
  int schema_version = result_schema_version;
  std::string scenario;
  std::string cluster; ///< one line: devices, nodes, fabric
  std::string software;
  std::uint64_t seed = 0;
  std::vector<TrainingResult> jobs;
  std::vector<ServingResult> serving; ///< instead of jobs
  std::vector<Assumption> assumptions;
  std::vector<ExpectationOutcome> expectations;

  [[nodiscard]] bool feasible() const;
  [[nodiscard]] bool expectations_met() const;
};

} // namespace orrery
