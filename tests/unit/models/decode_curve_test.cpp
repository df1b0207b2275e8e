#include "models/decode_curve.hpp"

#include <catch2/catch.hpp>

namespace orrery::decode_curve_test {

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

TEST_CASE("iterations above a limit are counted piece by piece as one by one", "[models][serving]") {
  const auto cost = [](double seconds) { return IterationCost{.latency = Seconds{seconds}}; };
  const DecodeCurve dips({1, 10, 30, 50, 100}, {cost(1), cost(3), cost(2), cost(2), cost(4)});
  for (const double start : {1.0, 7.3, 29.5, 60.0, 140.0})
    for (const double step : {1.0, 1.7})
      for (const double limit : {0.5, 1.91, 2.003, 2.513, 3.307, 9.0})
        for (const int count : {0, 1, 40, 90}) {
          std::int64_t above = 0;
          for (int n = 0; n < count; ++n)
            above += dips.at(start + n * step).latency.si() > limit ? 1 : 0;
          CAPTURE(start, step, limit, count);
          CHECK(dips.longer(start, Seconds{limit}, count, step) == above);
        }
}

} // namespace orrery::decode_curve_test
