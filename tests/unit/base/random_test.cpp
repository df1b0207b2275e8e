#include "sim/base/random.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <functional>

namespace orrery::random_test {

namespace {

struct Moments {
  double mean = 0;
  double variance = 0;
};

Moments moments(const std::function<double()>& draw) {
  constexpr int draws = 200000;
  double sum = 0;
  double squares = 0;
  for (int i = 0; i < draws; ++i) {
    const double value = draw();
    sum += value;
    squares += value * value;
  }
  const double mean = sum / draws;
  return {mean, squares / draws - mean * mean};
}

} // namespace

TEST_CASE("the stream is xoshiro256++ seeded by splitmix64") {
  // From an implementation of both algorithms in another language.
  RandomStream stream(1, "failures");
  CHECK(stream.next() == 0xc47637b2f5ceb007u);
  CHECK(stream.next() == 0x33140543b53d5d0fu);
  CHECK(stream.next() == 0xce57455ec0568a69u);
}

TEST_CASE("streams differ by seed and by component, and repeat otherwise") {
  CHECK(RandomStream(1, "a").next() == RandomStream(1, "a").next());
  CHECK(RandomStream(1, "a").next() != RandomStream(2, "a").next());
  CHECK(RandomStream(1, "a").next() != RandomStream(1, "b").next());
}

TEST_CASE("moments of the distributions") {
  // 200,000 draws: a mean is within 5 standard errors of 1 / sqrt(200,000) = 0.0022.
  RandomStream stream(7, "moments");
  const Moments uniform = moments([&] { return stream.uniform(); });
  CHECK(uniform.mean == Approx(0.5).margin(0.0033));
  CHECK(uniform.variance == Approx(1.0 / 12).epsilon(0.02));
  const Moments exponential = moments([&] { return stream.exponential(3); });
  CHECK(exponential.mean == Approx(3).margin(0.034));
  CHECK(exponential.variance == Approx(9).epsilon(0.04));
  const Moments normal = moments([&] { return stream.normal(2, 0.5); });
  CHECK(normal.mean == Approx(2).margin(0.0056));
  CHECK(normal.variance == Approx(0.25).epsilon(0.02));
  const Moments lognormal = moments([&] { return stream.lognormal(0, 0.25); });
  CHECK(lognormal.mean == Approx(std::exp(0.03125)).margin(0.003));
  for (const double shape : {0.2, 1.0, 7.5}) {
    CAPTURE(shape);
    const Moments gamma = moments([&] { return stream.gamma(shape, 3); });
    CHECK(gamma.mean == Approx(3).epsilon(0.012 / std::sqrt(shape)));
    CHECK(gamma.variance == Approx(9 / shape).epsilon(0.06));
  }
}

TEST_CASE("ranges of the distributions") {
  RandomStream stream(3, "ranges");
  for (int i = 0; i < 10000; ++i) {
    const double u = stream.uniform(-2, 5);
    REQUIRE((u >= -2 && u < 5));
    REQUIRE(stream.below(7) < 7);
    REQUIRE(stream.exponential(1) >= 0);
    REQUIRE(std::isfinite(stream.normal()));
  }
  CHECK(stream.below(1) == 0);
}

} // namespace orrery::random_test
