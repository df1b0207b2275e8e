#include "sim/engine/engine.hpp"
#include "tests/unit/engine/scripted_source.hpp"

#include <catch2/catch.hpp>

#include <stdexcept>

namespace orrery::engine_test {

using testing::flow;
using testing::ScriptedSource;
using testing::span;

namespace {

Network links(std::vector<double> bandwidths) {
  Network network;
  for (double bandwidth : bandwidths)
    network.links.push_back({"link " + std::to_string(network.links.size()), BytesPerSecond{bandwidth}});
  return network;
}

Approx within(double value) { return Approx(value).epsilon(1e-12); }

} // namespace

TEST_CASE("A lone flow takes latency + bytes / bandwidth", "[engine]") {
  const double bytes = GENERATE(1.0, 4096.0, 1e6, 1e9 + 1, 3e12);
  const double latency = GENERATE(0.0, 2e-6, 1e-3);
  const double begin = GENERATE(0.0, 0.7);
  ScriptedSource source;
  source.at(begin, flow(1, bytes, {{0, 1}, {1, 1}}, latency));
  Engine engine(links({50e9, 400e9}));
  engine.run(source);
  CHECK(source.time_of(1) == within(begin + latency + bytes / 50e9));
}

TEST_CASE("Flows share a link evenly whatever their latency", "[engine]") {
  ScriptedSource source;
  SECTION("two") {
    source.at(0, flow(1, 1e9, {{0, 1}}));
    source.at(0, flow(2, 2e9, {{0, 1}}));
    Engine(links({1e9})).run(source);
    CHECK(source.time_of(1) == within(2));
    CHECK(source.time_of(2) == within(3));
  }
  SECTION("two of different latency") {
    source.at(0, flow(1, 1e9, {{0, 1}}, 0.5));
    source.at(0, flow(2, 1e9, {{0, 1}}));
    Engine(links({1e9})).run(source);
    CHECK(source.time_of(2) == within(1.5));
    CHECK(source.time_of(1) == within(2));
  }
  SECTION("three, one of them held up elsewhere") {
    source.at(0, flow(1, 1e9, {{0, 1}, {1, 1}}));
    source.at(0, flow(2, 4e9, {{0, 1}}));
    source.at(0, flow(3, 4e9, {{0, 1}}));
    Engine(links({10e9, 2e9})).run(source);
    CHECK(source.time_of(1) == within(0.5));
    CHECK(source.time_of(2) == within(0.5 + 2e9 / 5e9));
    CHECK(source.time_of(3) == within(0.5 + 2e9 / 5e9));
  }
  SECTION("weight 2 takes the link twice") {
    source.at(0, flow(1, 1e9, {{0, 2}}));
    source.at(0, flow(2, 1e9, {{0, 1}}));
    Engine(links({1e9})).run(source);
    CHECK(source.time_of(1) == within(3));
    CHECK(source.time_of(2) == within(3));
  }
}

TEST_CASE("A flow of no bytes takes its latency", "[engine]") {
  ScriptedSource source;
  source.at(0, flow(1, 0, {{0, 1}}, 0.25));
  source.at(0, flow(2, 0, {{0, 1}}));
  Engine(links({1e9})).run(source);
  CHECK(source.time_of(1) == 0.25);
  CHECK(source.time_of(2) == 0);
}

TEST_CASE("A clock changed in mid-kernel ends it at the exact time", "[engine]") {
  ScriptedSource source;
  source.at(0, span(1, 1.0));
  source.at(0, span(2, 1.0, 1.0, 1));
  source.at(0, span(3, 0.0, 1.0));
  SECTION("halved") {
    source.at(0.5, [](WorkScheduler& scheduler) {
      scheduler.set_clock(0, 0.5);
      scheduler.set_clock(1, 0.5);
    });
    Engine().run(source);
    CHECK(source.time_of(1) == 1.5);
    CHECK(source.time_of(2) == 2.75); // a quarter done; 0.75 / 0.5 + 0.75
    CHECK(source.time_of(3) == 1.0);
  }
  SECTION("doubled, then back") {
    source.at(0.25, [](WorkScheduler& scheduler) { scheduler.set_clock(0, 2.0); });
    source.at(0.5, [](WorkScheduler& scheduler) { scheduler.set_clock(0, 1.0); });
    Engine().run(source);
    CHECK(source.time_of(1) == 0.75);
    CHECK(source.time_of(2) == 2.0);
  }
  SECTION("before the work") {
    source.at(2.0, [](WorkScheduler& scheduler) {
      scheduler.set_clock(0, 0.25);
      scheduler.submit(span(4, 1.0, 0.5));
    });
    Engine().run(source);
    CHECK(source.time_of(4) == 6.5);
  }
}

TEST_CASE("Stopped work never completes and frees its share", "[engine]") {
  ScriptedSource source;
  WorkId kernel = 0;
  WorkId transfer = 0;
  source.at(0, [&](WorkScheduler& scheduler) {
    kernel = scheduler.submit(span(1, 1.0));
    transfer = scheduler.submit(flow(2, 10e9, {{0, 1}}));
  });
  source.at(0, flow(3, 1e9, {{0, 1}}));
  source.at(0.5, [&](WorkScheduler& scheduler) {
    scheduler.stop(kernel);
    scheduler.stop(transfer);
    scheduler.stop(transfer);
    scheduler.stop(0);
    scheduler.stop(~WorkId{0});
  });
  Engine engine(links({1e9}));
  engine.run(source);
  CHECK(source.done.size() == 1);
  CHECK(source.time_of(3) == within(1.25));
  CHECK(engine.delivered()[0].si() == Approx(1.25e9).epsilon(1e-9));
}

TEST_CASE("Late in a long run a flow is as exact as at its start", "[engine]") {
  const double late = 60 * 86400.0;
  ScriptedSource source;
  source.at(late, flow(1, 1e9, {{0, 1}}));
  source.at(late, flow(2, 1e9, {{0, 1}}));
  source.at(late + 0.5, span(3, 0.25));
  Engine(links({1e9})).run(source);
  CHECK(source.time_of(1) == late + 2);
  CHECK(source.time_of(2) == late + 2);
  CHECK(source.time_of(3) == late + 0.75);
}

TEST_CASE("A network that is never idle keeps its flows", "[engine]") {
  // Ten days of one flow beneath, with short ones on top.
  ScriptedSource source;
  const double days = 10 * 86400.0;
  source.at(0, flow(1, days * 1e9 / 2, {{0, 1}}));
  for (int i = 1; i < 200; ++i)
    source.at(i * 4000.0 + 0.1, flow(1 + static_cast<std::uint64_t>(i), 1e9 / 3.0, {{0, 1}}));
  Engine(links({1e9})).run(source);
  CHECK(source.done.size() == 200);
  CHECK(source.time_of(2) == Approx(4000.1 + 2 / 3.0).epsilon(1e-9));
  CHECK(source.time_of(200) == Approx(199 * 4000.0 + 0.1 + 1 / 3.0).epsilon(1e-9));
}

TEST_CASE("A source's exception comes out of the run, and the next run is sound", "[engine]") {
  ScriptedSource bad;
  bad.at(0, flow(1, 1e9, {{0, 1}}));
  bad.at(0.5, [](WorkScheduler&) { throw std::runtime_error("a source's own"); });
  Engine engine(links({1e9}));
  CHECK_THROWS_WITH(engine.run(bad), "a source's own");
  ScriptedSource good;
  good.at(0, flow(1, 1e9, {{0, 1}}));
  engine.run(good);
  CHECK(good.time_of(1) == within(1));
}

} // namespace orrery::engine_test
