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
};

const Table<Expectations>& expectations_table();

/// One outcome per metric that is bounded, per job. A metric that the job does not have is not met.
std::vector<ExpectationOutcome> check_expectations(const Expectations& expect, const Result& result);

} // namespace orrery
