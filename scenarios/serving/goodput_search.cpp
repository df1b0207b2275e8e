#include "scenarios/serving/goodput_search.hpp"

#include <cmath>

namespace orrery {

ServingGoodput search_goodput(const std::function<GoodputPoint(double factor)>& at, const GoodputOptions& options) {
  ServingGoodput found;
  const auto kept = [&](double factor) {
    found.points.push_back(at(factor));
    const GoodputPoint& point = found.points.back();
    if (point.kept && point.rate > found.rate)
      found.rate = point.rate;
    return point.kept;
  };
  double low = 0;  // kept
  double high = 0; // missed
  double factor = 1;
  const bool upwards = kept(factor);
  (upwards ? low : high) = factor;
  for (int i = 0; i < options.most_doublings && (low == 0 || high == 0); ++i) {
    factor *= upwards ? 2 : 0.5;
    (kept(factor) ? low : high) = factor;
  }
  found.bounded = high > 0;
  while (low > 0 && high > 0 && high > low * (1 + options.tolerance)) {
    factor = std::sqrt(low * high);
    (kept(factor) ? low : high) = factor;
  }
  return found;
}

} // namespace orrery
