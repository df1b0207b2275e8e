#include "models/money.hpp"

#include <catch2/catch.hpp>

namespace orrery::money_test {

namespace {

Cluster sixteen_thousand_dollars_an_hour() {
  Cluster cluster;
  cluster.nodes = 100;
  cluster.node.devices = 8;
  cluster.node.price = Dollars{4380.0 * 160.0};
  cluster.depreciation = Seconds{4380.0 * 3600.0};
  cluster.electricity_price = DollarsPerJoule{0.1 / 3.6e6};
  return cluster;
}

} // namespace

TEST_CASE("bought: depreciation over the time, and electricity", "[money]") {
  const RunCost cost = run_cost(sixteen_thousand_dollars_an_hour(), Seconds{7200}, Watts{1e6});
  CHECK(cost.priced);
  CHECK(cost.capital.si() == Approx(32000));
  CHECK(cost.electricity.si() == Approx(200));
  CHECK(cost.total().si() == Approx(32200));
  CHECK(cost.energy.si() == Approx(7.2e9));
  CHECK(cost.device_hours == Approx(1600));
}

TEST_CASE("rented: device-hours at a rate, energy included", "[money]") {
  const RunCost cost = run_cost(sixteen_thousand_dollars_an_hour(), Seconds{3600}, Watts{1e6}, DollarsPerSecond{2.0 / 3600});
  CHECK(cost.total().si() == Approx(1600));
  CHECK(cost.energy.si() == Approx(3.6e9));
}

TEST_CASE("without prices there is no total to trust", "[money]") {
  Cluster cluster = sixteen_thousand_dollars_an_hour();
  cluster.node.price.reset();
  CHECK_FALSE(run_cost(cluster, Seconds{1}, Watts{1}).priced);
  cluster.node.device.price = Dollars{10};
  CHECK(purchase_price(cluster)->si() == 8000);
}

TEST_CASE("GPT-3 on 10,000 V100: LLMCarbon's time and energy", "[money]") {
  // 6 x 175e9 x 300e9 FLOP at 24.6 TFLOP/s per device; 330 W per device, PUE 1.1 (LLMCarbon, arXiv 2309.14393, data/database.csv).
  Cluster cluster;
  cluster.nodes = 10000;
  cluster.node.devices = 1;
  const Seconds time{6 * 175e9 * 300e9 / (10000 * 24.6e12)};
  const RunCost cost = run_cost(cluster, time, Watts{330 * 10000 * 1.1});
  CHECK(time.si() / 86400 == Approx(14.8).margin(0.05));
  CHECK(cost.energy.si() / 3.6e9 == Approx(1287).epsilon(0.004));
}

TEST_CASE("failures lengthen a run and lower its mean power", "[money]") {
  Goodput g;
  g.goodput = 0.8;
  g.lost_share = 0.1;
  g.restart_share = 0.1;
  CHECK(wall_time(Seconds{80}, g).si() == Approx(100));
  CHECK(mean_power(Watts{1000}, Watts{200}, g).si() == Approx(920));
}

} // namespace orrery::money_test
