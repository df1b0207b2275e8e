// Times between the tokens of sequences, counted in bins a 64th of an octave wide: a percentile is within 0.6% of the exact one.
#pragma once

#include "sim/base/units.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

namespace orrery {

class GapHistogram {
public:
  void add(Seconds gap, double count) {
    const double place = std::log2(std::max(gap.si(), shortest) / shortest) * static_cast<double>(per_octave);
    counts_[std::min(static_cast<std::size_t>(place), bins - 1)] += count;
    total_ += count;
    sum_ += gap * count;
    longest_ = std::max(longest_, gap);
  }
  void add(const GapHistogram& other) {
    for (std::size_t i = 0; i < bins; ++i)
      counts_[i] += other.counts_[i];
    total_ += other.total_;
    sum_ += other.sum_;
    longest_ = std::max(longest_, other.longest_);
  }

  [[nodiscard]] double count() const { return total_; }
  [[nodiscard]] Seconds mean() const { return total_ > 0 ? sum_ / total_ : Seconds{}; }
  [[nodiscard]] Seconds longest() const { return longest_; }
  /// `share` in (0, 1]: the middle of the bin below whose upper end that share lies.
  [[nodiscard]] Seconds percentile(double share) const {
    double below = 0;
    for (std::size_t i = 0; i < bins; ++i) {
      below += counts_[i];
      if (below >= share * total_ && total_ > 0)
        return std::min(longest_, Seconds{shortest * std::exp2((static_cast<double>(i) + 0.5) / static_cast<double>(per_octave))});
    }
    return longest_;
  }

private:
  static constexpr double shortest = 1e-6; ///< seconds
  static constexpr std::size_t per_octave = 64;
  static constexpr std::size_t bins = 40 * per_octave;

  std::array<double, bins> counts_{};
  double total_ = 0;
  Seconds sum_;
  Seconds longest_;
};

} // namespace orrery
