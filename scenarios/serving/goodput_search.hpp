// Goodput: the highest rate of requests at which a stated share of them keeps its bounds.
//
// The rate is raised by factors of two until the share is missed (or lowered until it is kept), then the interval is halved in its
// logarithm. A rate at which the queue grows until the last arrival does not count: a longer run would miss the bounds.
#pragma once

#include "sim/base/units.hpp"

#include <functional>
#include <vector>

namespace orrery {

struct GoodputPoint {
  double rate = 0;       ///< requests per second that come
  double attainment = 0; ///< share of requests that keep their bounds
  bool saturated = false;
  bool kept = false; ///< the share is reached, and the queue does not grow
  Seconds ttft_p90;
  Seconds tpot_p90;
};

struct ServingGoodput {
  double rate = 0; ///< highest that was kept; 0 = none
  double per_device = 0;
  bool bounded = true;              ///< a higher rate was missed; else the search ended before one was
  std::vector<GoodputPoint> points; ///< in the order tried
};

struct GoodputOptions {
  double tolerance = 0.02; ///< relative, between the highest rate that is kept and the lowest that is not
  int most_doublings = 12; ///< of the scenario's rate, up or down
};

/// `at` = the point of a multiple of the scenario's rate.
ServingGoodput search_goodput(const std::function<GoodputPoint(double factor)>& at, const GoodputOptions& options);

} // namespace orrery
