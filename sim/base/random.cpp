#include "sim/base/random.hpp"

#include <bit>
#include <cmath>
#include <numbers>

namespace orrery {

namespace {

std::uint64_t splitmix(std::uint64_t& state) {
  state += 0x9E3779B97F4A7C15u;
  return scramble_bits(state);
}

} // namespace

std::uint64_t fingerprint(std::string_view text, std::uint64_t from) {
  for (const char c : text)
    from = (from ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return from;
}

RandomStream::RandomStream(std::uint64_t seed, std::string_view component) : state_{} {
  std::uint64_t named = fingerprint(component);
  std::uint64_t mixed = splitmix(seed) ^ splitmix(named);
  for (std::uint64_t& word : state_)
    word = splitmix(mixed);
}

std::uint64_t RandomStream::next() {
  const std::uint64_t result = std::rotl(state_[0] + state_[3], 23) + state_[0];
  const std::uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

double RandomStream::uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

double RandomStream::uniform(double low, double high) { return low + (high - low) * uniform(); }

std::uint64_t RandomStream::below(std::uint64_t n) {
  // Values under 2^64 mod n would make the first remainders likelier than the others.
  const std::uint64_t bias = (0 - n) % n;
  std::uint64_t value = next();
  while (value < bias)
    value = next();
  return value % n;
}

double RandomStream::exponential(double mean) { return -mean * std::log1p(-uniform()); }

double RandomStream::normal(double mean, double deviation) {
  // Box-Muller, one value per pair of draws: no state is left that would tie two calls together.
  const double radius = std::sqrt(-2 * std::log1p(-uniform()));
  return mean + deviation * radius * std::cos(2 * std::numbers::pi * uniform());
}

double RandomStream::lognormal(double mu, double sigma) { return std::exp(normal(mu, sigma)); }

double RandomStream::gamma(double shape, double mean) {
  // Below 1 the density has no top to reject against: draw one shape higher and take it back by a power of a uniform number.
  if (shape < 1) {
    const double higher = gamma(shape + 1, shape + 1);
    return mean / shape * higher * std::pow(1 - uniform(), 1 / shape);
  }
  const double d = shape - 1.0 / 3;
  const double c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = normal();
    const double v = (1 + c * x) * (1 + c * x) * (1 + c * x);
    if (v > 0 && std::log1p(-uniform()) < 0.5 * x * x + d * (1 - v + std::log(v)))
      return mean / shape * d * v;
  }
}

} // namespace orrery
