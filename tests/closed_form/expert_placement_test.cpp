// Placements against the best of all placements, and against what copies can reach.
#include "workloads/expert_placement.hpp"

#include "sim/base/random.hpp"
#include "workloads/routing.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace orrery::expert_placement_test {

namespace {

/// Busiest rank over the mean of the best placement of one copy each, by trying all.
double optimum(const std::vector<double>& shares, std::size_t ranks, std::size_t expert, std::vector<double>& loads,
               std::vector<std::size_t>& counts) {
  if (expert == shares.size())
    return std::ranges::max(loads);
  double best = 1e300;
  for (std::size_t r = 0; r < ranks; ++r) {
    if (counts[r] == shares.size() / ranks)
      continue;
    loads[r] += shares[expert];
    ++counts[r];
    best = std::min(best, optimum(shares, ranks, expert + 1, loads, counts));
    loads[r] -= shares[expert];
    --counts[r];
    if (counts[r] == 0) // empty ranks are alike
      break;
  }
  return best;
}

} // namespace

TEST_CASE("placements of experts are close to the best one", "[closed_form][experts]") {
  RandomStream random(5, "shares");
  for (int trial = 0; trial < 40; ++trial) {
    std::vector<double> shares(12);
    for (double& share : shares)
      share = random.lognormal(0, 1);
    for (const std::size_t ranks : {2, 3, 4}) {
      std::vector<double> loads(ranks);
      std::vector<std::size_t> counts(ranks);
      const double best =
          optimum(shares, ranks, 0, loads, counts) * static_cast<double>(ranks) / std::accumulate(shares.begin(), shares.end(), 0.0);
      const double found = place_experts(shares, static_cast<int>(ranks)).busiest;
      CHECK(found >= best * (1 - 1e-9));
      CHECK(found <= best * 1.04);
    }
  }
}

TEST_CASE("copies of hot experts level what no placement can", "[closed_form][experts]") {
  std::vector<double> shares(64, 1.0);
  shares[7] = 40;
  const ExpertPlacement single = place_experts(shares, 8);
  CHECK(single.busiest == Approx(47.0 * 8 / 103).epsilon(1e-9));
  const ExpertPlacement copied = place_experts(shares, 8, 16);
  CHECK(copied.busiest < 1.1);
  std::vector<int> copies(64);
  for (const std::vector<int>& held : copied.held) {
    CHECK(held.size() == 10);
    for (const int expert : held)
      ++copies[static_cast<std::size_t>(expert)];
  }
  CHECK(std::ranges::min(copies) >= 1);
  CHECK(copies[7] > 8);
}

TEST_CASE("equal experts need no placing", "[closed_form][experts]") {
  CHECK(place_experts(std::vector<double>(256, 0.5), 32).busiest == Approx(1));
}

TEST_CASE("placing by load levels a skewed routing", "[closed_form][experts]") {
  Routing routing{.kind = RoutingKind::zipf, .exponent = 0.8};
  const double random_order = routing_load(routing, 1e6, 256, 8, 32).rank;
  routing.balanced = true;
  const double placed = routing_load(routing, 1e6, 256, 8, 32).rank;
  routing.redundant = 32;
  const double copied = routing_load(routing, 1e6, 256, 8, 32).rank;
  CHECK(random_order > placed);
  CHECK(placed > copied);
  CHECK(copied < 1.05);
  CHECK(routing_load(laid_out(routing, 1e6, 256, 8, 32), 1e6, 256, 8, 32).rank == Approx(copied));
}

TEST_CASE("copies that stay on the node of their group leave the nodes unequal", "[closed_form][experts]") {
  Routing routing{
      .kind = RoutingKind::measured, .shares = {8, 8, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, .balanced = true, .redundant = 16};
  CHECK(routing_load(routing, 1e6, 16, 1, 8, 4).rank < 1.2);
  routing.nodes = 2; // of four groups of 18, 4, 4 and 4: 22 against 8
  CHECK(routing_load(routing, 1e6, 16, 1, 8, 4).rank >= Approx(22.0 / 15));
  CHECK(routing_load(routing, 1e6, 16, 1, 8, 3).rank < 1.2); // nodes that do not divide the groups
  Routing skewed{.kind = RoutingKind::power_law, .exponent = 1.01, .balanced = true, .redundant = 32};
  const double anywhere = routing_load(skewed, 5e5, 256, 8, 32, 8).rank;
  skewed.nodes = 4;
  CHECK(routing_load(skewed, 5e5, 256, 8, 32, 8).rank / anywhere == Approx(1.118).epsilon(0.03)); // drawn 200 times apart from this code
  CHECK(routing_load(skewed, 5e5, 256, 8, 32, 8).rank == routing_load(skewed, 5e5, 256, 8, 32, 8).rank);
}

} // namespace orrery::expert_placement_test
