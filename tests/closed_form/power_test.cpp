#include "models/power.hpp"

#include <catch2/catch.hpp>

#include <cmath>

namespace orrery::power_test {

namespace {

PowerModel plain() {
  PowerModel model;
  model.idle = Watts{70};
  model.active = Watts{60};
  model.cap = Watts{700};
  model.voltage_floor = 0.7;
  model.memory = JoulesPerByte{1e-10};
  return model;
}

// Full clock: 130 W of idle and active, 700 W of arithmetic, 100 W of memory.
const Activity hungry{Seconds{0.8}, Seconds{0.2}, Joules{700}, Joules{100}};

} // namespace

TEST_CASE("energy of a profile is the integral of its power", "[power]") {
  PowerProfile profile;
  double integral = 0.0;
  double time = 0.0;
  for (int i = 1; i <= 1000; ++i) {
    const double seconds = 1e-3 * i;
    const double watts = 100.0 + 50.0 * std::sin(i);
    profile.append(Seconds{seconds}, Watts{watts});
    integral += seconds * watts;
    time += seconds;
  }
  CHECK(profile.energy().si() == Approx(integral).epsilon(1e-12));
  CHECK(profile.duration().si() == Approx(time).epsilon(1e-12));
  CHECK(profile.mean().si() == Approx(integral / time).epsilon(1e-12));
  CHECK(profile.peak() <= Watts{150});
  CHECK(profile.lowest() >= Watts{50});
}

TEST_CASE("neighbours of equal power are one piece; nothing of no length is kept", "[power]") {
  PowerProfile profile;
  profile.append(Seconds{1}, Watts{5});
  profile.append(Seconds{0}, Watts{9});
  profile.append(Seconds{2}, Watts{5});
  REQUIRE(profile.pieces().size() == 1);
  CHECK(profile.energy().si() == 15);
  CHECK(PowerProfile{}.mean().si() == 0);
  CHECK(PowerProfile{}.peak(Seconds{1}).si() == 0);
}

TEST_CASE("peak over a window is the highest mean of any stretch of it", "[power]") {
  PowerProfile profile;
  profile.append(Seconds{1}, Watts{100});
  profile.append(Seconds{1}, Watts{300});
  profile.append(Seconds{2}, Watts{200});
  CHECK(profile.peak(Seconds{0.5}).si() == Approx(300));
  CHECK(profile.peak(Seconds{2}).si() == Approx(250));
  CHECK(profile.peak(Seconds{3}).si() == Approx(700.0 / 3));
  CHECK(profile.peak(Seconds{9}).si() == Approx(200));
}

TEST_CASE("at full clock, time and energy are the sums", "[power]") {
  const PowerPoint point = at_clock(plain(), hungry, 1.0);
  CHECK(point.time.si() == Approx(1.0));
  CHECK(point.power().si() == Approx(930.0));
}

TEST_CASE("a cap is met exactly by the compute clock alone", "[power]") {
  const double watts = GENERATE(200.0, 300.0, 450.0, 600.0, 900.0);
  const PowerPoint point = under_cap(plain(), hungry, Watts{watts});
  CHECK(point.capped);
  CHECK(point.power().si() == Approx(watts).epsilon(1e-9));
  CHECK(point.time.si() == Approx(0.8 / point.clock + 0.2).epsilon(1e-12));
}

TEST_CASE("a cap above the draw changes nothing; a hopeless one is said", "[power]") {
  const PowerPoint loose = under_cap(plain(), hungry, Watts{931});
  CHECK_FALSE(loose.capped);
  CHECK(loose.clock == 1.0);
  const PowerPoint hopeless = under_cap(plain(), hungry, Watts{80});
  CHECK(hopeless.capped);
  CHECK(hopeless.power() > Watts{80});
  CHECK(under_cap(plain(), Activity{}).energy.si() == 0.0);
}

TEST_CASE("memory-bound time does not stretch under a cap", "[power]") {
  const Activity rigid{Seconds{}, Seconds{1}, Joules{50}, Joules{300}};
  const PowerPoint point = under_cap(plain(), rigid, Watts{450});
  CHECK(point.capped);
  CHECK(point.time.si() == 1.0);
}

TEST_CASE("lower caps never make a span faster", "[power]") {
  Seconds last{};
  for (double watts = 1000; watts >= 150; watts -= 10) {
    const PowerPoint point = under_cap(plain(), hungry, Watts{watts});
    CHECK(point.time >= last);
    CHECK(point.power().si() <= watts * (1 + 1e-12));
    last = point.time;
  }
}

TEST_CASE("energy over caps is U-shaped: idle power punishes the slowest clocks", "[power]") {
  const Joules full = under_cap(plain(), hungry, Watts{1000}).energy;
  const Joules middle = under_cap(plain(), hungry, Watts{500}).energy;
  const Joules low = under_cap(plain(), hungry, Watts{180}).energy;
  CHECK(middle < full);
  CHECK(middle < low);
}

TEST_CASE("a cost becomes an activity", "[power]") {
  OpCost cost;
  cost.time = Seconds{3};
  cost.stretchable = Seconds{2};
  cost.flops = Flops{10};
  cost.memory = Bytes{1e10};
  const Activity span = activity(cost, JoulesPerFlop{0.5}, plain());
  CHECK(span.rigid.si() == 1);
  CHECK(span.arithmetic.si() == 5);
  CHECK(span.transfer.si() == Approx(1));
}

TEST_CASE("a unit draws the same at its peak in every precision", "[power]") {
  ComputeUnit unit;
  unit.peak = {{Precision::bf16, FlopsPerSecond{1e15}}, {Precision::fp8, FlopsPerSecond{2e15}}, {Precision::tf32, FlopsPerSecond{5e14}}};
  unit.energy = JoulesPerFlop{0.7e-12};
  for (const auto& [precision, peak] : unit.peak) {
    CHECK((arithmetic_energy(unit, precision) * peak).si() == Approx(700));
  }
}

TEST_CASE("node and facility stand above the device", "[power]") {
  Cluster cluster;
  cluster.nodes = 10;
  cluster.pue = 1.2;
  cluster.node.devices = 8;
  cluster.node.host.power = Watts{1000};
  cluster.node.fan_share = 0.1;
  cluster.node.power_supply_efficiency = 0.95;
  CHECK(wall_power(cluster.node, Watts{500}).si() == Approx(5000 / 0.9 / 0.95));
  CHECK(facility_power(cluster, Watts{500}).si() == Approx(12 * 5000 / 0.9 / 0.95));
}

} // namespace orrery::power_test
