#include "sim/engine/autoscaler.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {

void Autoscaler::served(Seconds time_in_system) {
  ++served_;
  time_sum_ += time_in_system.si();
}

double Autoscaler::forecast_rate() const {
  const auto n = static_cast<double>(rates_.size());
  const double middle = (n - 1) / 2;
  double mean = 0;
  for (const double rate : rates_)
    mean += rate / n;
  double slope = 0;
  double spread = 0;
  for (std::size_t i = 0; i < rates_.size(); ++i) {
    const double x = static_cast<double>(i) - middle;
    slope += x * (rates_[i] - mean);
    spread += x * x;
  }
  slope = spread > 0 ? slope / spread : 0;
  double variance = 0;
  for (std::size_t i = 0; i < rates_.size(); ++i) {
    const double error = rates_[i] - mean - slope * (static_cast<double>(i) - middle);
    variance += error * error / n;
  }
  const double ahead = middle + options_.start_up / options_.interval;
  return std::max(0.0, mean + slope * ahead + options_.margin * std::sqrt(variance));
}

int Autoscaler::wanted(std::uint64_t present, int most) {
  double load = static_cast<double>(present);
  if (options_.window > Seconds{}) {
    rates_.push_back(static_cast<double>(arrivals_) / options_.interval.si());
    while (static_cast<double>(rates_.size()) > std::max(1.0, options_.window / options_.interval))
      rates_.pop_front();
    const double time = served_ > 0 ? time_sum_ / static_cast<double>(served_) : 0;
    load = std::max(load, forecast_rate() * time);
  }
  arrivals_ = 0;
  return std::clamp(static_cast<int>(std::ceil(load / options_.target)), options_.least, most);
}

} // namespace orrery
