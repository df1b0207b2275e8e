// The simulated long run against the exact mean of models/reliability.hpp.
#include "sim/engine/failures.hpp"

#include <catch2/catch.hpp>

#include <cmath>

namespace orrery::failures_test {

namespace {

constexpr double day = 86400.0;
constexpr double minute = 60.0;

RestartModel at_young(double mtbf, double stall, double restart) {
  RestartModel model;
  model.modes.push_back({"any", Hertz{1.0 / mtbf}, Seconds{}});
  model.interval = young_interval(Seconds{mtbf}, Seconds{stall});
  model.stall = Seconds{stall};
  model.restart = Seconds{restart};
  return model;
}

struct Mean {
  double goodput = 0, checkpoint = 0, lost = 0, detection = 0, restart = 0, failures = 0;
};

Mean mean_of(const RestartModel& model, double days, int seeds, double step = 0.0) {
  Mean mean;
  for (int seed = 1; seed <= seeds; ++seed) {
    const FailureTotals t = simulate_failures({model, Seconds{step}, Seconds{days * day}, static_cast<std::uint64_t>(seed)});
    mean.goodput += t.goodput() / seeds;
    mean.checkpoint += t.checkpoint / t.total() / seeds;
    mean.lost += t.lost / t.total() / seeds;
    mean.detection += t.detection / t.total() / seeds;
    mean.restart += t.restart / t.total() / seeds;
    mean.failures += static_cast<double>(t.outages.size()) / seeds;
  }
  return mean;
}

void check_against_formula(const RestartModel& model, const Mean& mean, double days) {
  const Goodput exact = goodput(model, Seconds{days * day});
  CHECK(mean.goodput == Approx(exact.goodput).margin(0.003));
  CHECK(mean.checkpoint == Approx(exact.checkpoint_share).margin(0.003));
  CHECK(mean.lost == Approx(exact.lost_share).margin(0.003));
  CHECK(mean.detection == Approx(exact.detection_share).margin(0.003));
  CHECK(mean.restart == Approx(exact.restart_share).margin(0.003));
  CHECK(mean.failures == Approx(exact.expected_failures).epsilon(0.02));
}

} // namespace

TEST_CASE("mean over seeds is within 0.3 points of the exact formula", "[failures]") {
  const auto [stall, restart] = GENERATE(table<double, double>({{0.5, 10.0}, {2.0, 10.0}, {5.0, 15.0}}));
  const RestartModel model = at_young(54 * day / 419, stall * minute, restart * minute);
  check_against_formula(model, mean_of(model, 54, 200), 54);
}

TEST_CASE("several classes, detection and writes beside training follow the formula", "[failures]") {
  RestartModel model = at_young(4000, 30, 200);
  model.modes = {{"loud", Hertz{1.0 / 6000}, Seconds{20}}, {"silent", Hertz{1.0 / 20000}, Seconds{3600}}, {"never", Hertz{0}, Seconds{5}}};
  SECTION("synchronous") { model.persist = Seconds{0}; }
  SECTION("asynchronous") { model.persist = model.interval * 0.8; }
  check_against_formula(model, mean_of(model, 20, 300), 20);
}

TEST_CASE("failures more frequent than restarts still end up where the formula says", "[failures]") {
  const RestartModel model = at_young(600, 60, 600);
  check_against_formula(model, mean_of(model, 10, 200), 10);
}

TEST_CASE("every second of the run is booked once", "[failures]") {
  RestartModel model = at_young(3000, 30, 500);
  model.modes.front().detection = Seconds{100};
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const FailureTotals t = simulate_failures({model, Seconds{7}, Seconds{5 * day}, seed});
    CHECK(t.total().si() == Approx(5 * day).epsilon(1e-10));
    double lost = 0.0;
    double down = 0.0;
    for (const Outage& outage : t.outages) {
      lost += outage.lost.si();
      down += outage.down.si();
    }
    CHECK(lost == Approx(t.lost.si()).epsilon(1e-10));
    CHECK(down == Approx((t.detection + t.restart).si()).epsilon(1e-10));
    CHECK(std::remainder(t.interval.si(), 7.0) == Approx(0.0).margin(1e-9));
  }
}

TEST_CASE("the same seed gives the same run to the bit; another seed another", "[failures]") {
  const RestartModel model = at_young(3000, 30, 500);
  const FailureTotals a = simulate_failures({model, Seconds{}, Seconds{20 * day}, 7});
  const FailureTotals b = simulate_failures({model, Seconds{}, Seconds{20 * day}, 7});
  CHECK(a.useful == b.useful);
  CHECK(a.lost == b.lost);
  CHECK(a.outages.size() == b.outages.size());
  CHECK_FALSE(a.useful == simulate_failures({model, Seconds{}, Seconds{20 * day}, 8}).useful);
}

TEST_CASE("another policy on the same seed meets the same failures", "[failures]") {
  RestartModel model = at_young(3000, 30, 500);
  const FailureTotals a = simulate_failures({model, Seconds{}, Seconds{20 * day}, 3});
  model.restart = Seconds{50};
  model.interval = Seconds{1000};
  const FailureTotals b = simulate_failures({model, Seconds{}, Seconds{20 * day}, 3});
  REQUIRE(a.outages.size() == b.outages.size());
  for (std::size_t i = 0; i < a.outages.size(); ++i) {
    CHECK(a.outages[i].at == b.outages[i].at);
  }
}

TEST_CASE("nothing fails: the run is work and stalls", "[failures]") {
  RestartModel model;
  CHECK(simulate_failures({model, Seconds{1}, Seconds{1000}, 1}).goodput() == 1.0);
  model.interval = Seconds{90};
  model.stall = Seconds{10};
  const FailureTotals t = simulate_failures({model, Seconds{9}, Seconds{1000}, 1});
  CHECK(t.useful.si() == 900);
  CHECK(t.checkpoint.si() == 100);
  CHECK(t.checkpoints == 10);
}

} // namespace orrery::failures_test
