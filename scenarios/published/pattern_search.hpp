// Constants of the least error, where it is piecewise smooth in them.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

namespace orrery {

/// Tries a step up and down in every constant, none of which falls below 0; halves the steps where no try is better, until the first is at
/// most `finest`.
template <std::size_t N, class Error>
std::array<double, N> pattern_search(std::array<double, N> best, std::array<double, N> step, double finest, Error error_of) {
  double error = error_of(best);
  while (step[0] > finest) {
    bool better = false;
    for (std::size_t k = 0; k < N; ++k)
      for (const double sign : {1.0, -1.0}) {
        std::array<double, N> next = best;
        next[k] = std::max(0.0, next[k] + sign * step[k]);
        const double candidate = error_of(next);
        if (candidate < error - 1e-9) {
          error = candidate;
          best = next;
          better = true;
        }
      }
    if (!better)
      for (double& each : step)
        each /= 2;
  }
  return best;
}

} // namespace orrery
