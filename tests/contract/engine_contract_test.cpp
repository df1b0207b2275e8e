// What holds for every work source: nothing is lost, events come in order, links deliver what was submitted, the same run gives the same
// bytes.
#include "sim/base/random.hpp"
#include "sim/engine/engine.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <vector>

namespace orrery::engine_contract_test {

namespace {

constexpr std::uint32_t link_count = 6;

/// Submits random work, answers completions with more, stops and re-clocks at random.
class RandomSource final : public WorkSource {
public:
  RandomSource(std::uint64_t seed, bool flows) : random_(seed, "random source"), flows_(flows) {}

  void start(WorkScheduler& scheduler) override {
    for (int i = 0; i < 20; ++i)
      submit(scheduler);
  }

  void completed(WorkId id, const Work& work, WorkScheduler& scheduler) override {
    const double now = scheduler.now().si();
    order.emplace_back(now, id);
    REQUIRE(live_.erase(id) == 1);
    for (const LinkLoad& load : work.route)
      carried[load.link] += work.bytes.si() * load.weight;
    if (submitted < 400)
      for (std::uint64_t i = random_.below(3); i > 0; --i)
        submit(scheduler);
    if (random_.below(8) == 0)
      scheduler.set_clock(static_cast<std::uint32_t>(random_.below(4)), random_.uniform(0.5, 2.0));
    if (!flows_ && random_.below(16) == 0 && !live_.empty()) {
      scheduler.stop(live_.begin()->first);
      live_.erase(live_.begin());
    }
  }

  std::vector<std::pair<double, WorkId>> order;
  std::vector<double> carried = std::vector<double>(link_count, 0.0);
  int submitted = 0;
  [[nodiscard]] std::size_t lost() const { return live_.size(); }

private:
  void submit(WorkScheduler& scheduler) {
    ++submitted;
    Work work{.actor = static_cast<std::uint32_t>(random_.below(4)), .tag = static_cast<std::uint64_t>(submitted)};
    if (flows_ && random_.below(2) == 0) {
      work.bytes = Bytes{static_cast<double>(random_.below(1'000'000'000))};
      work.latency = Seconds{random_.below(2) == 0 ? 0.0 : random_.uniform() * 1e-3};
      for (std::uint64_t i = 1 + random_.below(3); i > 0; --i)
        work.route.push_back({static_cast<std::uint32_t>(random_.below(link_count)), 1 + static_cast<std::uint32_t>(random_.below(2))});
    } else {
      // Few values, so that many events fall on one time.
      work.stretchable = Seconds{0.25 * static_cast<double>(random_.below(4))};
      work.rigid = Seconds{0.25 * static_cast<double>(random_.below(3))};
    }
    live_[scheduler.submit(work)] = true;
  }

  RandomStream random_;
  bool flows_;
  std::map<WorkId, bool> live_;
};

Network network() {
  Network network;
  for (std::uint32_t i = 0; i < link_count; ++i)
    network.links.push_back({"link", BytesPerSecond{(1.0 + i) * 1e9}});
  return network;
}

} // namespace

TEST_CASE("Random sources: nothing lost, times in order, bytes conserved, runs repeat", "[engine]") {
  const std::uint64_t seed = GENERATE(range(1, 40));
  const bool flows = GENERATE(false, true);
  RandomSource source(seed, flows);
  Engine engine(network());
  engine.run(source);
  CHECK(source.lost() == 0);
  CHECK(std::is_sorted(source.order.begin(), source.order.end(), [](const auto& a, const auto& b) { return a.first < b.first; }));
  for (std::uint32_t i = 0; i < link_count; ++i)
    CHECK(engine.delivered()[i].si() == source.carried[i]);
  RandomSource again(seed, flows);
  Engine(network()).run(again);
  CHECK(again.order == source.order);
}

TEST_CASE("Work that ends together completes in the order of submission", "[engine]") {
  class Together final : public WorkSource {
  public:
    void start(WorkScheduler& scheduler) override {
      for (std::uint64_t i = 0; i < 50; ++i)
        if (i % 5 == 4)
          scheduler.submit({.tag = i, .bytes = Bytes{1e9}, .route = {{static_cast<std::uint32_t>(i / 10), 2}}});
        else
          scheduler.submit({.tag = i, .stretchable = Seconds{i % 2 == 0 ? 4.0 : 0.0}, .rigid = Seconds{i % 2 == 0 ? 0.0 : 4.0}});
    }
    void completed(WorkId /*id*/, const Work& work, WorkScheduler& scheduler) override {
      CHECK(scheduler.now() == Seconds{4.0});
      tags.push_back(work.tag);
    }
    std::vector<std::uint64_t> tags;
  };
  Network equal = network();
  for (NetworkLink& link : equal.links)
    link.bandwidth = BytesPerSecond{1e9};
  Together source;
  Engine(equal).run(source);
  CHECK(source.tags.size() == 50);
  CHECK(std::is_sorted(source.tags.begin(), source.tags.end()));
}

} // namespace orrery::engine_contract_test
