#include "models/reliability.hpp"

#include <catch2/catch.hpp>

#include <cmath>

namespace orrery::reliability_test {

namespace {

constexpr double minute = 60.0;
const Seconds run_mtbf{54.0 * 86400.0 / 419.0}; // Llama 3: 419 interruptions in 54 days

RestartModel one_class(Seconds mtbf, Seconds stall, Seconds down, Seconds interval) {
  RestartModel model;
  model.modes.push_back({"any", 1.0 / mtbf, Seconds{}});
  model.interval = interval;
  model.stall = stall;
  model.restart = down;
  return model;
}

double total(const Goodput& g) { return g.goodput + g.checkpoint_share + g.lost_share + g.detection_share + g.restart_share; }

} // namespace

TEST_CASE("goodput at Young's interval", "[reliability]") {
  struct Row {
    double stall, restart, exact;
  };
  // Young 1974 and Daly 2006 evaluated at M = 3.09 h (54 d / 419).
  const auto row = GENERATE(Row{0.5, 10, 0.8797}, Row{2, 10, 0.8150}, Row{5, 15, 0.7240});
  const Seconds stall{row.stall * minute};
  const RestartModel model = one_class(run_mtbf, stall, Seconds{row.restart * minute}, young_interval(run_mtbf, stall));
  CHECK(goodput(model, Seconds{86400}).goodput == Approx(row.exact).margin(5e-5));
}

TEST_CASE("Daly's expectation: one class", "[reliability]") {
  const RestartModel model = one_class(Seconds{1000}, Seconds{30}, Seconds{200}, Seconds{300});
  const double expected = std::exp(0.2) * std::expm1(0.33) * 1000.0;
  CHECK(goodput(model, Seconds{1}).goodput == Approx(300.0 / expected).epsilon(1e-13));
}

TEST_CASE("shares of time sum to one, for any number of classes", "[reliability]") {
  RestartModel model = one_class(Seconds{5000}, Seconds{20}, Seconds{300}, Seconds{400});
  CHECK(total(goodput(model, Seconds{1e6})) == Approx(1.0).epsilon(1e-13));
  model.modes.push_back({"silent", Hertz{1e-5}, Seconds{7200}});
  model.modes.push_back({"loud", Hertz{3e-5}, Seconds{2}});
  model.persist = Seconds{60};
  const Goodput g = goodput(model, Seconds{1e6});
  CHECK(total(g) == Approx(1.0).epsilon(1e-13));
  CHECK(g.expected_failures == Approx(1e6 * (1.0 / 5000 + 4e-5)));
  CHECK(g.goodput > 0.0);
  CHECK(g.lost_share > 0.0);
}

TEST_CASE("a failure that is noticed at once costs no time to notice", "[reliability]") {
  RestartModel model = one_class(Seconds{5000}, Seconds{20}, Seconds{300}, Seconds{400});
  for (const double rate : {1e-5, 3e-5, 7e-6, 1.1e-4}) // whose shares of the sum of rates do not add up to exactly one
    model.modes.push_back({"another", Hertz{rate}, Seconds{}});
  CHECK(goodput(model, Seconds{1e6}).detection_share == 0.0);
  model.restart = Seconds{};
  CHECK(goodput(model, Seconds{1e6}).restart_share == 0.0);
}

TEST_CASE("classes with equal times act as one class of their summed rate", "[reliability]") {
  const RestartModel one = one_class(Seconds{1000}, Seconds{10}, Seconds{100}, Seconds{150});
  RestartModel split = one;
  split.modes = {{"a", Hertz{0.0004}, Seconds{}}, {"b", Hertz{0.0006}, Seconds{}}};
  CHECK(goodput(split, Seconds{1}).goodput == Approx(goodput(one, Seconds{1}).goodput).epsilon(1e-13));
}

TEST_CASE("a write beside training loses what a synchronous one stalls, to first order", "[reliability]") {
  RestartModel model = one_class(Seconds{1e6}, Seconds{0.001}, Seconds{}, Seconds{1000});
  const double without = goodput(model, Seconds{1}).goodput;
  model.persist = Seconds{500};
  // A failure loses `persist` more work, once per MTBF.
  CHECK(without - goodput(model, Seconds{1}).goodput == Approx(500.0 / 1e6).epsilon(2e-3));
}

TEST_CASE("no failures: only the stalls cost", "[reliability]") {
  RestartModel model;
  model.interval = Seconds{90};
  model.stall = Seconds{10};
  const Goodput g = goodput(model, Seconds{100});
  CHECK(g.goodput == 0.9);
  CHECK(g.checkpoint_share == Approx(0.1));
  CHECK(g.expected_failures == 0.0);
  CHECK(goodput(RestartModel{}, Seconds{100}).goodput == 1.0);
}

TEST_CASE("intervals", "[reliability]") {
  const double stall = GENERATE(1.0, 30.0, 120.0, 3000.0, 40000.0);
  const Seconds c{stall};
  const Seconds best = optimal_interval(run_mtbf, c);
  const auto at = [&](Seconds w) { return goodput(one_class(run_mtbf, c, Seconds{600}, w), Seconds{1}).goodput; };
  CHECK(at(best) >= at(best * 1.01));
  CHECK(at(best) >= at(best * 0.99));
  CHECK(at(best) >= at(young_interval(run_mtbf, c)));
  CHECK(at(best) >= at(daly_interval(run_mtbf, c)));
  if (stall < 200) {
    CHECK(daly_interval(run_mtbf, c).si() == Approx(best.si()).epsilon(1e-3));
  }
}

TEST_CASE("rates add over devices, nodes and the job", "[reliability]") {
  ReliabilityProfile profile;
  profile.classes = {{"gpu", FailureScope::device, 1.0, Seconds{1e8}, {}, {}},
                     {"nic", FailureScope::node, 8.0, Seconds{1e7}, {}, {}},
                     {"software", FailureScope::job, 1.0, Seconds{1e6}, {}, {}}};
  CHECK(failure_rate(profile, {1024, 128}).si() == Approx(1024 / 1e8 + 8 * 128 / 1e7 + 1e-6));
}

TEST_CASE("counts of an observation scale with the fleet", "[reliability]") {
  ReliabilityProfile profile;
  profile.observed = Observation{Seconds{54 * 86400.0}, 16384, 2048};
  profile.classes = {{"gpu", FailureScope::device, 1.0, {}, 148.0, {}}, {"switch", FailureScope::node, 1.0, {}, 35.0, {}}};
  CHECK(failure_rate(profile, {16384, 2048}).si() == Approx(183 / (54 * 86400.0)));
  CHECK(failure_rate(profile, {8192, 2048}).si() == Approx((74 + 35) / (54 * 86400.0)));
}

TEST_CASE("a policy becomes times", "[reliability]") {
  ReliabilityOptions options;
  options.failures.classes = {{"gpu", FailureScope::device, 1.0, Seconds{1e8}, {}, {}}};
  options.detection = Seconds{120};
  options.restart = Seconds{300};
  options.checkpoint.storage = BytesPerSecond{2e12};
  const CheckpointState state{Bytes{6.48e12}, Bytes{4e9}, BytesPerSecond{50e9}};
  const Fleet fleet{10000, 1250};
  RestartModel model = restart_model(options, fleet, state);
  CHECK(model.stall.si() == Approx(3.24)); // 405B x 16 B at 2 TB/s
  CHECK(model.restart.si() == Approx(303.24));
  CHECK(model.interval.si() == Approx(std::sqrt(2 * 1e4 * 3.24)));
  CHECK(model.modes.front().detection.si() == 120);

  options.checkpoint.interval.fixed = Seconds{1800};
  CHECK(restart_model(options, fleet, state).interval.si() == 1800);
  options.checkpoint.interval = {"optimal", {}};
  CHECK(restart_model(options, fleet, state).interval.si() == Approx(optimal_interval(Seconds{1e4}, Seconds{3.24}).si()));

  options.checkpoint.kind = CheckpointKind::asynchronous;
  options.checkpoint.storage = BytesPerSecond{6.48e9};
  model = restart_model(options, fleet, state);
  CHECK(model.stall.si() == Approx(0.08));
  CHECK(model.persist.si() == Approx(1000));
  CHECK((model.interval + model.stall).si() == Approx(1000)); // one write at a time

  options.failures.classes.clear();
  CHECK(goodput(restart_model(options, fleet, state), Seconds{1}).goodput == 1.0);
}

} // namespace orrery::reliability_test
