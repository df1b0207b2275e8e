#include "sim/base/random.hpp"
#include "sim/engine/engine.hpp"
#include "sim/engine/link_loads.hpp"
#include "tests/unit/engine/scripted_source.hpp"
#include "tests/unit/hardware/clusters.hpp"

#include <catch2/catch.hpp>

#include <numeric>

namespace orrery {

using testing::ScriptedSource;

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
  constexpr std::uint32_t link_count = 40;
  Network network;
  std::vector<BytesPerSecond> bandwidths;
  for (std::uint32_t i = 0; i < link_count; ++i) {
    bandwidths.emplace_back(random.uniform(1e9, 4e9));
    network.links.push_back({"link", bandwidths.back()});
  }
  // Few patterns of use, so that many links fold.
  std::vector<Work> works(5);
  for (std::uint32_t link = 0; link < link_count; ++link) {
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
  fold_links(bandwidths, routes);
  std::size_t kept = 0;
  for (std::uint32_t i = 0; i < works.size(); ++i) {
    kept = std::max(kept, works[i].route.size());
    folded.at(0, works[i]);
  }
  CHECK(kept < link_count / 2);
  Engine(network).run(whole);
  Engine(network).run(folded);
  for (std::uint64_t i = 0; i < works.size(); ++i)
    CHECK(folded.time_of(i) == Approx(whole.time_of(i)).epsilon(1e-9));
}

} // namespace orrery
