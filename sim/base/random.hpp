// Seeded random streams, one per component, so that what one component draws does not shift what another one sees.
//
// Generator: xoshiro256++ (Blackman and Vigna 2019, public domain reference), seeded by splitmix64. The distributions are our own, because
// those of the standard library differ between implementations and results must not.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace orrery {

/// A number's bits spread over all 64: SplitMix64's finalizer (Steele et al., OOPSLA 2014).
constexpr std::uint64_t scramble_bits(std::uint64_t bits) {
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9U;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebU;
  return bits ^ (bits >> 31);
}

/// One step of SplitMix64 from `x`.
constexpr std::uint64_t mix_bits(std::uint64_t x) { return scramble_bits(x + 0x9e3779b97f4a7c15U); }

/// FNV-1a of `text`, going on from `from`.
std::uint64_t fingerprint(std::string_view text, std::uint64_t from = 0xcbf29ce484222325U);

class RandomStream {
public:
  /// The stream of `component` ("failures", "failures/node 17") under the run's seed.
  RandomStream(std::uint64_t seed, std::string_view component);

  /// 64 random bits.
  std::uint64_t next();
  /// In [0, 1).
  double uniform();
  double uniform(double low, double high);
  /// In [0, n), without bias. n > 0.
  std::uint64_t below(std::uint64_t n);
  double exponential(double mean);
  double normal(double mean = 0, double deviation = 1);
  /// exp of a normal with these parameters.
  double lognormal(double mu, double sigma);
  /// Of any shape > 0 (Marsaglia and Tsang 2000).
  double gamma(double shape, double mean);

private:
  std::array<std::uint64_t, 4> state_;
};

} // namespace orrery
