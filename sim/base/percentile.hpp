// Percentiles of samples.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace orrery {

/// The value below which `share` of them lie, interpolated linearly: of two values the median is their mean. Reorders the values; there is
/// at least one.
inline double percentile(std::vector<double>& values, double share) {
  const double at = share * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const auto place = values.begin() + static_cast<std::ptrdiff_t>(below);
  std::ranges::nth_element(values, place);
  const double low = *place;
  if (below + 1 == values.size())
    return low;
  const double high = *std::min_element(place + 1, values.end());
  return low + (at - static_cast<double>(below)) * (high - low);
}

} // namespace orrery
