// When requests arrive and how long they are, as random laws.
//
// Every law draws from a stream of its own, so that a change of one leaves what the others draw as it is.
#pragma once

#include "sim/base/random.hpp"
#include "sim/base/units.hpp"

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace orrery {

struct PoissonArrivals {
  Hertz rate;
};

/// Times between arrivals follow a gamma distribution.
struct GammaArrivals {
  Hertz rate;
  double cv = 1; ///< standard deviation over mean of the times between arrivals; 1 = Poisson, 0 = evenly spaced
};

/// Poisson arrivals whose rate is switched.
struct BurstArrivals {
  Hertz rate;         ///< during a burst
  Hertz quiet;        ///< between bursts
  Seconds on;         ///< mean length of a burst
  Seconds off;        ///< mean time between bursts
  bool random = true; ///< lengths are exponential; else all alike
};

/// Poisson arrivals with rate(t) = rate x (1 + swing x cos(2 pi (t - peak) / period)).
struct DiurnalArrivals {
  Hertz rate; ///< mean over a period
  double swing = 0.5;
  Seconds period{86400};
  Seconds peak{14.0 * 3600};
};

/// So many requests in the system at all times.
struct ClosedLoop {
  int concurrency = 1;
  Seconds pause; ///< from the end of a request to the next arrival
};

/// All at the start: an offline batch.
struct AtOnce {};

using ArrivalLaw = std::variant<PoissonArrivals, GammaArrivals, BurstArrivals, DiurnalArrivals, ClosedLoop, AtOnce>;
const std::vector<std::string>& arrival_law_names();

/// Whether requests arrive at times of their own, whatever the system does.
[[nodiscard]] bool is_open(const ArrivalLaw& law);
/// The same law with times compressed: `factor` times the rate, whatever its shape.
[[nodiscard]] ArrivalLaw faster(ArrivalLaw law, double factor);

/// Draws one arrival after the other.
class ArrivalClock {
public:
  ArrivalClock(const ArrivalLaw& law, std::uint64_t seed);
  /// Ascending. 0 for laws that are not open.
  Seconds next();

private:
  Seconds draw(const PoissonArrivals& law);
  Seconds draw(const GammaArrivals& law);
  Seconds draw(const BurstArrivals& law);
  Seconds draw(const DiurnalArrivals& law);
  Seconds draw(const ClosedLoop& law);
  Seconds draw(const AtOnce& law);

  ArrivalLaw law_;
  RandomStream random_;
  Seconds now_;
  bool burst_ = false; ///< a burst is on; the first one begins at 0
  Seconds phase_end_;
};

struct FixedLength {
  std::uint32_t tokens = 1;
};

struct UniformLength {
  std::uint32_t min = 1;
  std::uint32_t max = 1;
};

/// Clipped to its range.
struct LognormalLength {
  double median = 1;
  double sigma = 1; ///< standard deviation of the logarithm
  std::uint32_t min = 1;
  std::uint32_t max = 1;
};

/// The length n is as likely as n^-exponent.
struct ZipfLength {
  double exponent = 1;
  std::uint32_t min = 1;
  std::uint32_t max = 1;
};

/// A measured histogram; lengths are even inside a bin.
struct HistogramLength {
  std::vector<std::uint32_t> edges; ///< ascending, one more than shares: bin i holds edges[i] to edges[i + 1] - 1
  std::vector<double> shares;       ///< of any sum
};

using LengthLaw = std::variant<FixedLength, UniformLength, LognormalLength, ZipfLength, HistogramLength>;
const std::vector<std::string>& length_law_names();

/// A ZipfLength keeps a number for each of its lengths.
inline constexpr std::uint32_t most_zipf_lengths = 2'000'000;

class LengthSource {
public:
  /// `name` = of its random stream.
  LengthSource(const LengthLaw& law, std::uint64_t seed, std::string_view name);
  std::uint32_t next();

private:
  [[nodiscard]] std::size_t draw_bin();

  LengthLaw law_;
  RandomStream random_;
  std::vector<double> cumulative_; ///< weights up to each bin of a Zipf or histogram law
};

} // namespace orrery
