// Bounds that a scenario puts on its result.
#pragma once

#include "scenarios/result.hpp"
#include "sim/base/params.hpp"
#include "sim/base/units.hpp"

#include <optional>
#include <vector>

namespace orrery {

template <class V> struct Limits {
  std::optional<V> min;
  std::optional<V> max;
};

/// One member per metric that can be bounded. Every job of the scenario has to keep them.
struct Expectations {
  std::optional<Limits<Seconds>> step_time;
  std::optional<Limits<double>> tokens_per_second;
  std::optional<Limits<double>> mfu_full;
  std::optional<Limits<double>> mfu_causal;
  std::optional<Limits<double>> hfu;
  std::optional<Limits<Bytes>> memory;
  std::optional<Limits<Watts>> device_power;
  std::optional<Limits<Watts>> facility_power;
  std::optional<Limits<Joules>> energy_per_token;
  std::optional<Limits<double>> goodput;
  std::optional<Limits<Seconds>> time_to_budget;
  std::optional<Limits<Dollars>> cost;
  std::optional<Limits<Seconds>> ttft_mean; ///< this and the following: of jobs that serve
  std::optional<Limits<Seconds>> ttft_p50;
  std::optional<Limits<Seconds>> ttft_p90;
  std::optional<Limits<Seconds>> ttft_p99;
  std::optional<Limits<Seconds>> tpot_mean;
  std::optional<Limits<Seconds>> tpot_p50;
  std::optional<Limits<Seconds>> tpot_p90;
  std::optional<Limits<Seconds>> tpot_p99;
  std::optional<Limits<Seconds>> itl_mean;
  std::optional<Limits<Seconds>> itl_p99;
  std::optional<Limits<Seconds>> end_to_end_mean;
  std::optional<Limits<Seconds>> end_to_end_p99;
  std::optional<Limits<double>> requests_per_second;
  std::optional<Limits<double>> output_tokens_per_second;
  std::optional<Limits<double>> attainment;
  std::optional<Limits<double>> goodput_rate;
  std::optional<Limits<double>> mfu;
  std::optional<Limits<double>> mbu;
  std::optional<Limits<Joules>> energy_per_output_token;
  std::optional<Limits<Dollars>> cost_per_million_output_tokens;
};

const Table<Expectations>& expectations_table();

/// One outcome per metric that is bounded, per job. A metric that the job does not have is not met.
std::vector<ExpectationOutcome> check_expectations(const Expectations& expect, const Result& result);

} // namespace orrery
