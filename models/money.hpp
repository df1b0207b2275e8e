// Time, energy and money of a run.
//
// What: what a run of a given wall time on a cluster costs, bought or rented, and the energy behind it.
// Formula: bought: capital = price of all nodes x time / depreciation, electricity = energy at the feed x tariff.
//   Rented: devices x time x rate, energy included. Energy = share of time at work x its power + the rest x waiting power.
// Source: arithmetic; straight-line depreciation.
// Units: SI inside the types.
// Valid range: nodes, their network and hosts as priced in the catalogue; no building, staff or financing.
// Known error: reproduces the time and energy that LLMCarbon states for GPT-3 to 0.4% (14.8 days, 1,287 MWh).
#pragma once

#include "hardware/description.hpp"
#include "models/reliability.hpp"
#include "sim/base/units.hpp"

#include <optional>

namespace orrery {

struct RunCost {
  Seconds time;
  Joules energy;   ///< at the facility's feed
  Dollars capital; ///< depreciation over the time, or rent
  Dollars electricity;
  double device_hours = 0;
  bool priced = false; ///< the cluster states what `total` needs

  [[nodiscard]] Dollars total() const { return capital + electricity; }
};

/// Price of a cluster's nodes: of the node where stated, else of its devices. Nothing where the catalogue has neither.
[[nodiscard]] std::optional<Dollars> purchase_price(const Cluster& cluster);

/// `power` is the mean at the facility's feed. With `rent` (per device) nothing of the cluster's prices is read.
[[nodiscard]] RunCost run_cost(const Cluster& cluster, Seconds time, Watts power, std::optional<DollarsPerSecond> rent = std::nullopt);

/// Wall time until `useful` seconds of work are kept.
[[nodiscard]] Seconds wall_time(Seconds useful, const Goodput& goodput);

/// Mean power of a long run: work (kept or lost) at `working`, stalls and recovery at `waiting`.
[[nodiscard]] Watts mean_power(Watts working, Watts waiting, const Goodput& goodput);

} // namespace orrery
