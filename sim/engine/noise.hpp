// Noise by position instead of by order of drawing: the same pass gets the same factor however events interleave.
#pragma once

#include "sim/base/random.hpp"

#include <cmath>
#include <cstdint>
#include <numbers>

namespace orrery {

/// exp(sigma z - sigma^2 / 2) with z standard normal (Box-Muller): mean 1.
inline double log_normal_factor(double sigma, std::uint64_t seed, std::uint64_t row, std::uint64_t column) {
  const std::uint64_t first = mix_bits(mix_bits(seed) ^ ((row << 32) | column));
  const std::uint64_t second = mix_bits(first);
  const double u = (static_cast<double>(first >> 11) + 0.5) * 0x1p-53;
  const double v = static_cast<double>(second >> 11) * 0x1p-53;
  const double z = std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v);
  return std::exp(sigma * z - sigma * sigma / 2);
}

} // namespace orrery
