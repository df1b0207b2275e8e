#include "sim/base/random.hpp"
#include "sim/engine/engine.hpp"
#include "sim/engine/link_loads.hpp"
#include "tests/unit/engine/scripted_source.hpp"
#include "tests/unit/hardware/clusters.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <numeric>
#include <utility>

namespace orrery::collective_flow_test {

using testing::ScriptedSource;

namespace {

constexpr std::uint32_t links_in_all = 40;

Network random_links(RandomStream& random) {
  Network network;
  for (std::uint32_t i = 0; i < links_in_all; ++i)
    network.links.push_back({"link", BytesPerSecond{random.uniform(1e9, 4e9)}});
  return network;
}

std::vector<BytesPerSecond> bandwidths_of(const Network& network) {
  std::vector<BytesPerSecond> bandwidths;
  for (const NetworkLink& link : network.links)
    bandwidths.push_back(link.bandwidth);
  return bandwidths;
}

/// Lists of transfers, each list one after the other.
class Sequences final : public WorkSource {
public:
  explicit Sequences(std::vector<std::vector<Work>> lists) : lists_(std::move(lists)), next_(lists_.size(), 0) {}
  void start(WorkScheduler& scheduler) override {
    for (std::uint32_t list = 0; list < lists_.size(); ++list)
      go_on(list, scheduler);
  }
  void completed(WorkId /*id*/, const Work& work, WorkScheduler& scheduler) override {
    ends.push_back(scheduler.now().si());
    go_on(work.actor, scheduler);
  }
  std::vector<double> ends;

private:
  void go_on(std::uint32_t list, WorkScheduler& scheduler) {
    if (next_[list] == lists_[list].size())
      return;
    Work work = lists_[list][next_[list]++];
    work.actor = list;
    scheduler.submit(work);
  }

  std::vector<std::vector<Work>> lists_;
  std::vector<std::size_t> next_;
};

} // namespace

TEST_CASE("A ring takes 2 (n - 1) / n x bytes / bandwidth and its latencies", "[engine]") {
  const int nodes = GENERATE(1, 2, 8, 64);
  Cluster cluster = testing::rail_cluster(nodes);
  cluster.fabric.nodes_per_leaf = nodes;
  const Topology topology(cluster);
  std::vector<int> ring(static_cast<std::size_t>(topology.devices()));
  std::iota(ring.begin(), ring.end(), 0);
  LoadCounter counter(topology);
  Work work = ring_all_reduce(counter, ring, Bytes{1e9});
  const std::vector<std::vector<LinkLoad>*> routes = {&work.route};
  fold_links(bandwidths(topology), routes);
  CHECK(work.route.size() == 1);
  Engine engine(used_links(topology, routes));
  ScriptedSource source;
  work.tag = 1;
  source.at(0, work);
  engine.run(source);
  const double n = topology.devices();
  const double bandwidth = nodes == 1 ? 450e9 : 50e9;
  CHECK(source.time_of(1) == Approx(work.latency.si() + 2 * (n - 1) / n * 1e9 / bandwidth).epsilon(1e-12));
}

TEST_CASE("Folding links changes no time", "[engine]") {
  const std::uint64_t seed = GENERATE(range(1, 60));
  RandomStream random(seed, "folding");
  const Network network = random_links(random);
  // Few patterns of use, so that many links fold.
  std::vector<Work> works(5);
  for (std::uint32_t link = 0; link < links_in_all; ++link) {
    const std::uint64_t users = random.below(8) * 4 + random.below(2);
    const auto factor = static_cast<std::uint32_t>(1 + random.below(2));
    for (std::uint32_t i = 0; i < works.size(); ++i)
      if ((users >> i & 1) != 0)
        works[i].route.push_back({.link = link, .weight = factor * (1 + i % 2)});
  }
  ScriptedSource whole;
  ScriptedSource folded;
  std::vector<std::vector<LinkLoad>*> routes;
  for (std::uint32_t i = 0; i < works.size(); ++i) {
    works[i].tag = i;
    works[i].bytes = Bytes{random.uniform(1e8, 1e9)};
    works[i].latency = Seconds{random.uniform(0, 0.1)};
    if (!works[i].route.empty())
      routes.push_back(&works[i].route);
    else
      works[i].bytes = Bytes{};
    whole.at(0, works[i]);
  }
  fold_links(bandwidths_of(network), routes);
  std::size_t kept = 0;
  for (std::uint32_t i = 0; i < works.size(); ++i) {
    kept = std::max(kept, works[i].route.size());
    folded.at(0, works[i]);
  }
  CHECK(kept < links_in_all / 2);
  Engine(network).run(whole);
  Engine(network).run(folded);
  for (std::uint64_t i = 0; i < works.size(); ++i)
    CHECK(folded.time_of(i) == Approx(whole.time_of(i)).epsilon(1e-9));
}

TEST_CASE("Transfers of one owner follow each other: links that only they load slow each of them alone", "[engine]") {
  const std::uint64_t seed = GENERATE(range(1, 40));
  RandomStream random(seed, "owners");
  const Network network = random_links(random);
  std::vector<std::vector<Work>> lists(3);
  for (std::vector<Work>& list : lists)
    for (int i = 0; i < 3; ++i)
      list.push_back({.bytes = Bytes{random.uniform(1e8, 1e9)}, .latency = Seconds{random.uniform(0, 0.1)}});
  for (std::uint32_t link = 0; link < links_in_all; ++link) {
    const std::uint64_t users = 1 + random.below(7);
    for (std::uint32_t owner = 0; owner < 3; ++owner)
      for (Work& work : lists[owner])
        if ((users >> owner & 1) != 0 && random.below(4) != 0)
          work.route.push_back({.link = link, .weight = static_cast<std::uint32_t>(1 + random.below(4))});
  }
  Sequences whole(lists);
  std::vector<std::vector<LinkLoad>*> routes;
  std::vector<std::uint32_t> owners;
  for (std::uint32_t owner = 0; owner < 3; ++owner)
    for (Work& work : lists[owner]) {
      routes.push_back(&work.route);
      owners.push_back(owner);
    }
  const std::vector<std::uint32_t> users = fold_links(bandwidths_of(network), routes, owners);
  CHECK(std::ranges::all_of(users, [](std::uint32_t count) { return count <= 3; }));
  for (const std::vector<LinkLoad>* route : routes) {
    CHECK_FALSE(route->empty());
    CHECK(std::ranges::count_if(*route, [&](const LinkLoad& load) { return users[load.link] == 1; }) <= 1);
  }
  Sequences folded(lists);
  Engine(network).run(whole);
  Engine(network).run(folded);
  REQUIRE(folded.ends.size() == 9);
  for (std::size_t i = 0; i < 9; ++i)
    CHECK(folded.ends[i] == Approx(whole.ends[i]).epsilon(1e-9));
}

} // namespace orrery::collective_flow_test
