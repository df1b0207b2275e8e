// How many replicas should serve.
//
// What:    replicas wanted now, from the requests present (reactive) or from the arrivals expected once a replica started now would be
//          ready (forecast).
// Formula: reactive: requests present / target. Forecast: (trend of the arrival rate over the window, carried on to the end of a start-up,
//          and `margin` standard deviations about it) x mean time of a request in the system (Little) / target.
// Source:  Kubernetes' horizontal autoscaler (reactive); HARMONY (arXiv 2408.01000) for a forecast with a margin.
// Units:   SI; requests.
// Valid:   replicas that are alike.
#pragma once

#include "sim/engine/serving.hpp"

#include <deque>

namespace orrery {

class Autoscaler {
public:
  explicit Autoscaler(const Autoscaling& options) : options_(options) {}

  void arrived() { ++arrivals_; }
  void served(Seconds time_in_system);
  /// To be asked once per interval.
  int wanted(std::uint64_t present, int most);

private:
  [[nodiscard]] double forecast_rate() const;

  Autoscaling options_;
  std::deque<double> rates_; ///< by interval, the latest last
  std::uint64_t arrivals_ = 0;
  std::uint64_t served_ = 0;
  double time_sum_ = 0;
};

} // namespace orrery
