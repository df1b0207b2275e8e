// Laws of arrivals and lengths: their moments, their bounds, and that a seed repeats them.
#include "workloads/requests/request_laws.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <map>

namespace orrery::request_laws_test {

namespace {

constexpr int draws = 100'000;

struct Gaps {
  double mean = 0;
  double cv = 0;
};

Gaps gaps_of(const ArrivalLaw& law) {
  ArrivalClock clock(law, 5);
  double before = 0;
  double sum = 0;
  double squares = 0;
  bool ascending = true;
  for (int i = 0; i < draws; ++i) {
    const double at = clock.next().si();
    ascending = ascending && at >= before;
    sum += at - before;
    squares += (at - before) * (at - before);
    before = at;
  }
  CHECK(ascending);
  const double mean = sum / draws;
  return {mean, std::sqrt(squares / draws - mean * mean) / mean};
}

double mean_length(const LengthLaw& law, std::uint32_t min, std::uint32_t max) {
  LengthSource source(law, 5, "lengths");
  double sum = 0;
  bool inside = true;
  for (int i = 0; i < draws; ++i) {
    const std::uint32_t tokens = source.next();
    inside = inside && tokens >= min && tokens <= max;
    sum += tokens;
  }
  CHECK(inside);
  return sum / draws;
}

} // namespace

TEST_CASE("gaps between arrivals have the rate and the variation that was asked for", "[traffic]") {
  const Gaps poisson = gaps_of(PoissonArrivals{Hertz{16}});
  CHECK(poisson.mean == Approx(1.0 / 16).epsilon(0.016)); // 5 standard errors of 1 / sqrt(100,000)
  CHECK(poisson.cv == Approx(1).epsilon(0.03));
  for (const double cv : {0.3, 2.0, 4.0}) {
    CAPTURE(cv);
    const Gaps gamma = gaps_of(GammaArrivals{Hertz{2}, cv});
    CHECK(gamma.mean == Approx(0.5).epsilon(0.016 * cv));
    CHECK(gamma.cv == Approx(cv).epsilon(0.08));
  }
  const Gaps even = gaps_of(GammaArrivals{Hertz{2}, 0});
  CHECK(even.mean == Approx(0.5));
  CHECK(even.cv == Approx(0).margin(1e-6));
}

TEST_CASE("bursts have the mean rate of their phases and vary more than their parts", "[traffic]") {
  const BurstArrivals law{.rate = Hertz{40}, .quiet = Hertz{2}, .on = Seconds{3}, .off = Seconds{12}};
  const Gaps gaps = gaps_of(law);
  CHECK(1 / gaps.mean == Approx((40 * 3 + 2 * 12) / 15.0).epsilon(0.15));
  CHECK(gaps.cv > 1.5);
  BurstArrivals silent{.rate = Hertz{10}, .quiet = Hertz{}, .on = Seconds{1}, .off = Seconds{9}, .random = false};
  ArrivalClock clock(silent, 1);
  for (int i = 0; i < 200; ++i)
    CHECK(std::fmod(clock.next().si(), 10) <= 1 + 1e-9);
}

TEST_CASE("a day has its peak where it was asked for", "[traffic]") {
  const DiurnalArrivals law{.rate = Hertz{100}, .swing = 0.8, .period = Seconds{100}, .peak = Seconds{25}};
  ArrivalClock clock(law, 3);
  int high = 0;
  int low = 0;
  int all = 0;
  for (Seconds at = clock.next(); at < Seconds{1000}; at = clock.next(), ++all) {
    const double of_period = std::fmod(at.si(), 100);
    high += of_period >= 20 && of_period < 30 ? 1 : 0;
    low += of_period >= 70 && of_period < 80 ? 1 : 0;
  }
  CHECK(all == Approx(100'000).epsilon(0.02));
  // Mean of 1 + 0.8 cos over a tenth of the period around the peak: 1 + 0.8 sin(0.1 pi) / (0.1 pi).
  const double crest = 0.8 * std::sin(0.1 * M_PI) / (0.1 * M_PI);
  CHECK(high == Approx(10'000 * (1 + crest)).epsilon(0.04));
  CHECK(low == Approx(10'000 * (1 - crest)).epsilon(0.1));
}

TEST_CASE("a law played faster has its rate multiplied", "[traffic]") {
  const std::vector<ArrivalLaw> laws{PoissonArrivals{Hertz{3}}, GammaArrivals{Hertz{3}, 2},
                                     BurstArrivals{Hertz{9}, Hertz{1}, Seconds{1}, Seconds{4}}, DiurnalArrivals{.rate = Hertz{3}}};
  for (const ArrivalLaw& law : laws) {
    ArrivalClock slow(law, 9);
    ArrivalClock fast(faster(law, 2.5), 9);
    for (int i = 0; i < 100; ++i)
      CHECK(2.5 * fast.next().si() == Approx(slow.next().si()));
  }
  CHECK_FALSE(is_open(ClosedLoop{4}));
  CHECK_FALSE(is_open(AtOnce{}));
}

TEST_CASE("lengths keep to their law and their range", "[traffic]") {
  CHECK(mean_length(FixedLength{17}, 17, 17) == 17);
  CHECK(mean_length(UniformLength{10, 20}, 10, 20) == Approx(15).epsilon(0.005));
  // Mean of a lognormal: median x exp(sigma^2 / 2); the range cuts nothing off.
  CHECK(mean_length(LognormalLength{.median = 200, .sigma = 0.5, .min = 1, .max = 100'000}, 1, 100'000) ==
        Approx(200 * std::exp(0.125)).epsilon(0.01));
  CHECK(mean_length(LognormalLength{.median = 600, .sigma = 0.9, .min = 16, .max = 3000}, 16, 3000) < 600 * std::exp(0.405));
  double weight = 0;
  double mean = 0;
  for (int n = 4; n <= 64; ++n) {
    weight += std::pow(n, -1.2);
    mean += n * std::pow(n, -1.2);
  }
  CHECK(mean_length(ZipfLength{.exponent = 1.2, .min = 4, .max = 64}, 4, 64) == Approx(mean / weight).epsilon(0.02));
  // Bins 1 to 9 and 100 to 199, three quarters in the second; the empty one between them is never drawn.
  CHECK(mean_length(HistogramLength{.edges = {1, 10, 100, 200}, .shares = {1, 0, 3}}, 1, 199) ==
        Approx(0.25 * 5 + 0.75 * 149.5).epsilon(0.01));
}

TEST_CASE("lengths of a histogram fall into its bins as often as it says", "[traffic]") {
  LengthSource source(HistogramLength{.edges = {1, 2, 5, 6}, .shares = {0.2, 0.3, 0.5}}, 1, "lengths");
  std::map<std::uint32_t, int> counts;
  for (int i = 0; i < draws; ++i)
    ++counts[source.next()];
  CHECK(counts[1] == Approx(0.2 * draws).epsilon(0.03));
  CHECK(counts[2] + counts[3] + counts[4] == Approx(0.3 * draws).epsilon(0.03));
  CHECK(counts[5] == Approx(0.5 * draws).epsilon(0.03));
}

} // namespace orrery::request_laws_test
