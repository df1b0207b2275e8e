#include "workloads/routing.hpp"

#include "sim/base/random.hpp"
#include "workloads/expert_placement.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

namespace orrery {

namespace {

/// Expected maximum of `count` standard normal draws, to 5e-4 (Blom's share; quantile by Abramowitz and Stegun 26.2.23).
double normal_maximum(int count) {
  if (count <= 1)
    return 0;
  const double above = 0.625 / (count + 0.25);
  const double t = std::sqrt(-2 * std::log(above));
  return t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
}

/// The busiest of `parts` equal parts of `draws` independent draws, over the mean.
double drawn_load(double draws, int parts) {
  if (parts <= 1 || draws <= 0)
    return 1;
  const double spread = std::sqrt((parts - 1) / draws); // standard deviation over the mean
  return std::min<double>(parts, 1 + normal_maximum(parts) * spread);
}

/// Loads of zipf and power_law, in falling order.
std::vector<double> loads_of(const Routing& routing, double tokens, int experts, int top_k) {
  constexpr double scarce = 2 / 0.01;                                                   // where there are no more rows than experts
  const double most = tokens * top_k <= experts ? scarce : std::max(1.0, 0.8 * tokens); // of a power law, over the least
  std::vector<double> loads(static_cast<std::size_t>(experts));
  const double s = routing.exponent;
  for (std::size_t i = 0; i < loads.size(); ++i) {
    const double above = (static_cast<double>(i) + 0.5) / experts;
    if (routing.kind == RoutingKind::zipf)
      loads[i] = std::pow(static_cast<double>(i + 1), -s);
    else
      loads[i] = s == 1 ? std::pow(most, 1 - above) : std::pow(1 + (std::pow(most, 1 - s) - 1) * (1 - above), 1 / (1 - s));
  }
  return loads;
}

/// Shares of rows in falling order. No expert is chosen twice by a token: what is above 1 / top_k goes to the others.
std::vector<double> skewed_shares(const Routing& routing, double tokens, int experts, int top_k) {
  std::vector<double> shares = loads_of(routing, tokens, experts, top_k);
  const double most = 1.0 / top_k;
  double free = 1; // of the experts below the cap
  for (std::size_t i = 0; i < shares.size(); ++i) {
    const double rest = std::accumulate(shares.begin() + static_cast<std::ptrdiff_t>(i), shares.end(), 0.0);
    if (shares[i] / rest * free < most) {
      for (std::size_t j = i; j < shares.size(); ++j)
        shares[j] *= free / rest;
      break;
    }
    shares[i] = most;
    free -= most;
  }
  return shares;
}

/// Share of the experts, of those shares of the rows, that `tokens` tokens go to by independent draws.
double drawn_share(const std::vector<double>& shares, double tokens, int top_k) {
  double untouched = 0;
  for (const double share : shares)
    untouched += std::pow(std::max(0.0, 1 - top_k * share), tokens);
  return 1 - untouched / static_cast<double>(shares.size());
}

/// The same where the shares are those of the iteration itself: an expert of less than a row gets one that often. No more than even draws.
double dealt_share(const std::vector<double>& shares, double tokens, int top_k) {
  const auto experts = static_cast<double>(shares.size());
  double touched = 0;
  for (const double share : shares)
    touched += std::min(1.0, share * tokens * top_k);
  return std::min(touched / experts, drawn_share({1 / experts}, tokens, top_k));
}

RoutingLoad skewed_load(const std::vector<double>& shares, int ranks) {
  const double experts = static_cast<double>(shares.size());
  const double held = experts / ranks;
  const double largest = shares.front() * experts;
  if (ranks <= 1)
    return {.rank = 1, .largest = largest};
  const double mean = 1 / experts;
  double variance = 0;
  for (const double share : shares)
    variance += (share - mean) * (share - mean) / experts;
  const double deviation = std::sqrt(held * variance * (experts - held) / (experts - 1));
  const double spread = 1 + normal_maximum(ranks) * deviation * ranks;
  const double with_largest = (shares.front() + (held - 1) * (1 - shares.front()) / (experts - 1)) * ranks;
  return {.rank = std::max(spread, with_largest), .largest = largest};
}

RoutingLoad measured_load(const std::vector<double>& shares, int ranks) {
  const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
  const std::size_t held = shares.size() / static_cast<std::size_t>(ranks);
  RoutingLoad load{.rank = 0};
  for (std::size_t first = 0; first < shares.size(); first += held) {
    const auto begin = shares.begin() + static_cast<std::ptrdiff_t>(first);
    const auto end = begin + static_cast<std::ptrdiff_t>(held);
    const double rank = std::accumulate(begin, end, 0.0) / sum * ranks;
    if (rank > load.rank)
      load = {.rank = rank, .largest = *std::max_element(begin, end) / sum * static_cast<double>(shares.size())};
  }
  return load;
}

/// The busiest node over the mean where groups of experts in such an order are dealt to nodes, as many to each.
double busiest_node(const std::vector<double>& shares, int groups, int nodes) {
  const std::size_t size = shares.size() / static_cast<std::size_t>(groups);
  std::vector<double> loads;
  for (auto first = shares.begin(); first != shares.end(); first += static_cast<std::ptrdiff_t>(size))
    loads.push_back(std::accumulate(first, first + static_cast<std::ptrdiff_t>(size), 0.0));
  return place_experts(loads, nodes).busiest;
}

/// Orders of so many experts, each drawn once.
const std::vector<std::vector<std::size_t>>& drawn_orders(std::size_t experts) {
  constexpr std::size_t orders = 100;
  static std::map<std::size_t, std::vector<std::vector<std::size_t>>> drawn;
  std::vector<std::vector<std::size_t>>& kept = drawn[experts];
  if (!kept.empty())
    return kept;
  RandomStream random(1, "orders of experts");
  std::vector<std::size_t> order(experts);
  std::iota(order.begin(), order.end(), std::size_t{0});
  while (kept.size() < orders) {
    for (std::size_t left = experts; left > 1; --left)
      std::swap(order[left - 1], order[random.below(left)]);
    kept.push_back(order);
  }
  return kept;
}

/// The same as a mean over orders: popular experts lie anywhere, in each layer elsewhere.
double mean_busiest_node(const std::vector<double>& shares, int groups, int nodes) {
  const std::vector<std::vector<std::size_t>>& orders = drawn_orders(shares.size());
  std::vector<double> laid(shares.size());
  double sum = 0;
  for (const std::vector<std::size_t>& order : orders) {
    std::ranges::transform(order, laid.begin(), [&](std::size_t expert) { return shares[expert]; });
    sum += busiest_node(laid, groups, nodes);
  }
  return sum / static_cast<double>(orders.size());
}

double node_load(const Routing& routing, double tokens, int experts, int top_k, int groups) {
  if (routing.nodes <= 1 || groups % routing.nodes != 0)
    return 1;
  return routing.kind == RoutingKind::measured ? busiest_node(routing.shares, groups, routing.nodes)
                                               : mean_busiest_node(skewed_shares(routing, tokens, experts, top_k), groups, routing.nodes);
}

} // namespace

Routing laid_out(const Routing& routing, double tokens, int experts, int top_k, int ranks) {
  if (!routing.balanced || routing.kind == RoutingKind::uniform)
    return routing;
  const std::vector<double> shares =
      routing.kind == RoutingKind::measured ? routing.shares : skewed_shares(routing, tokens, experts, top_k);
  const ExpertPlacement placement = place_experts(shares, ranks, routing.redundant);
  std::vector<int> copies(shares.size());
  for (const std::vector<int>& held : placement.held)
    for (const int expert : held)
      ++copies[static_cast<std::size_t>(expert)];
  Routing placed{.kind = RoutingKind::measured};
  for (const std::vector<int>& held : placement.held)
    for (const int expert : held)
      placed.shares.push_back(shares[static_cast<std::size_t>(expert)] / copies[static_cast<std::size_t>(expert)]);
  return placed;
}

RoutingLoad routing_load(const Routing& routing, double tokens, int experts, int top_k, int ranks, int groups) {
  const bool placed = routing.balanced && routing.kind != RoutingKind::uniform;
  const Routing layout = placed ? laid_out(routing, tokens, experts, top_k, ranks) : Routing{};
  const Routing& lying = placed ? layout : routing;
  const bool even = routing.kind == RoutingKind::uniform || (routing.kind != RoutingKind::measured && routing.exponent == 0);
  RoutingLoad load;
  std::vector<double> shares(1, 1.0 / experts); // all are alike
  if (lying.kind == RoutingKind::measured) {
    load = measured_load(lying.shares, ranks);
    const double sum = std::accumulate(lying.shares.begin(), lying.shares.end(), 0.0);
    shares = lying.shares;
    for (double& share : shares)
      share /= sum;
  } else {
    load = {.rank = drawn_load(tokens * top_k, ranks), .largest = drawn_load(tokens * top_k, experts)};
    if (!even) {
      shares = skewed_shares(routing, tokens, experts, top_k);
      const RoutingLoad skewed = skewed_load(shares, ranks);
      load.rank = std::max(load.rank, skewed.rank);
      load.largest = std::max(load.largest, skewed.largest);
    }
  }
  if (placed)
    load.rank *= node_load(routing, tokens, experts, top_k, groups);
  const auto touched = routing.kind == RoutingKind::power_law && !even ? dealt_share : drawn_share;
  load.any = touched(shares, tokens, top_k);
  load.touched = touched(shares, tokens * load.rank, top_k);
  return load;
}

double ranks_reached(double experts, int top_k, double ranks) {
  const double held = experts / ranks;
  double missed = 1; // a rank holds none of the token's experts
  for (int i = 0; i < top_k; ++i)
    missed *= std::max(0.0, experts - held - i) / (experts - i);
  return ranks * (1 - missed);
}

} // namespace orrery
