// Links that are loaded alike count as one: routes with and without all links take the same time.
#include "sim/base/random.hpp"
#include "sim/engine/engine.hpp"
#include "sim/engine/link_classes.hpp"
#include "sim/engine/link_loads.hpp"
#include "tests/unit/engine/scripted_source.hpp"
#include "tests/unit/hardware/clusters.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

namespace orrery::link_classes_test {

using testing::ScriptedSource;

namespace {

using Routes = std::vector<std::vector<LinkLoad>>;

/// When transfers that start together end, in their order.
std::vector<double> ends_of(const Topology& topology, Routes routes) {
  std::vector<std::vector<LinkLoad>*> all;
  for (std::vector<LinkLoad>& route : routes)
    all.push_back(&route);
  const Network network = used_links(topology, all);
  ScriptedSource source;
  for (std::uint32_t i = 0; i < routes.size(); ++i)
    source.at(0, {.tag = i, .bytes = Bytes{1e8 * (i + 1)}, .route = routes[i]});
  Engine(network).run(source);
  std::vector<double> ends;
  for (std::uint32_t i = 0; i < routes.size(); ++i)
    ends.push_back(source.time_of(i));
  return ends;
}

} // namespace

TEST_CASE("one link of each class takes the time of all links", "[engine]") {
  const std::uint64_t seed = GENERATE(range(1, 9));
  Cluster cluster = GENERATE(testing::tree_cluster(16, 2.0), testing::rail_cluster(16));
  cluster.degraded = {{.link = "node3/nic1/up", .factor = 0.3}};
  const Topology topology(cluster);
  RandomStream random(seed, "classes");
  LoadCounter counter(topology);
  LinkClasses classes(topology);
  Routes whole;
  for (int transfer = 0; transfer < 6; ++transfer) {
    for (int message = 0; message < 24; ++message) {
      const int source = static_cast<int>(random.below(128));
      const int destination = (source + 8 + static_cast<int>(random.below(112))) % 128;
      counter.add(source, destination);
      classes.add(source, destination);
    }
    whole.push_back(counter.take());
    CHECK(classes.end_transfer() == static_cast<std::uint32_t>(transfer));
  }
  const Routes folded = classes.routes();
  REQUIRE(folded.size() == whole.size());
  for (std::size_t i = 0; i < whole.size(); ++i) {
    CHECK(folded[i].size() <= whole[i].size());
    CHECK(std::ranges::is_sorted(folded[i], {}, &LinkLoad::link));
    // Each with the weight that it has in the whole route.
    for (const LinkLoad& load : folded[i])
      CHECK(std::ranges::any_of(whole[i], [&](const LinkLoad& each) { return each.link == load.link && each.weight == load.weight; }));
  }
  const std::vector<double> all = ends_of(topology, whole);
  const std::vector<double> some = ends_of(topology, folded);
  for (std::size_t i = 0; i < all.size(); ++i)
    CHECK(some[i] == Approx(all[i]).epsilon(1e-9));
}

TEST_CASE("a ring over ports of their own is one class of links up and one down", "[engine]") {
  Cluster cluster = testing::rail_cluster(64);
  cluster.fabric.nodes_per_leaf = 64;
  const Topology topology(cluster);
  LinkClasses classes(topology);
  for (int node = 0; node < 64; ++node)
    classes.add(node * 8, (node + 1) % 64 * 8);
  classes.end_transfer();
  REQUIRE(classes.routes().front().size() == 1);
  CHECK(classes.routes().front().front().weight == 1);
}

} // namespace orrery::link_classes_test
