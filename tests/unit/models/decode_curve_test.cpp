#include "models/decode_curve.hpp"

#include <catch2/catch.hpp>

using namespace orrery;

namespace {

DecodeCurve curve() {
  const auto cost = [](double seconds) { return IterationCost{.latency = Seconds{seconds}, .energy = Joules{2 * seconds}}; };
  return DecodeCurve({1, 10, 50, 100}, {cost(1), cost(2), cost(3), cost(7)});
}

} // namespace

TEST_CASE("a curve goes through its knots and on beyond them", "[models][serving]") {
  CHECK(curve().at(10).latency.si() == Approx(2));
  CHECK(curve().at(30).latency.si() == Approx(2.5));
  CHECK(curve().at(30).energy.si() == Approx(5));
  CHECK(curve().at(150).latency.si() == Approx(11));
}

TEST_CASE("a stretch costs the sum of its iterations and is found again by its time", "[models][serving]") {
  const DecodeCurve c = curve();
  for (const double start : {1.0, 7.3, 49.5, 90.0, 200.25})
    for (const double step : {1.0, 1.7}) {
      double sum = 0;
      for (int n = 0; n < 120; ++n) {
        CHECK(c.sum(start, n, step).latency.si() == Approx(sum).epsilon(1e-12));
        CHECK(c.within(start, Seconds{sum + 1e-9}, 120, step) == n);
        const double next = c.at(start + n * step).latency.si();
        CHECK(c.within(start, Seconds{sum + next / 2}, 120, step) == n);
        sum += next;
      }
      CHECK(c.within(start, Seconds{2 * sum}, 120, step) == 120);
    }
}
