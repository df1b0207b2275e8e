// Percentiles of samples.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace orrery {

/// Percentile of sorted values, between the two nearest in proportion: of two values the median is their mean. Precondition: at least one
/// value.
inline double percentile(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const double above = sorted[std::min(below + 1, sorted.size() - 1)];
  return std::lerp(sorted[below], above, at - static_cast<double>(below));
}

} // namespace orrery
