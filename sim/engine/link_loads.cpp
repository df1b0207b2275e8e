#include "sim/engine/link_loads.hpp"

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <utility>

namespace orrery {

Seconds LoadCounter::add(int source, int destination) {
  topology_.route(source, destination, 0, route_);
  for (const LinkId link : route_.links)
    if (weight_[link]++ == 0)
      loaded_.push_back(link);
  return route_.latency;
}

std::vector<LinkLoad> LoadCounter::take() {
  std::sort(loaded_.begin(), loaded_.end());
  std::vector<LinkLoad> loads;
  loads.reserve(loaded_.size());
  drain([&](LinkId link, std::uint32_t weight) { loads.push_back({.link = link, .weight = weight}); });
  return loads;
}

Work ring_all_reduce(LoadCounter& counter, const std::vector<int>& ring, Bytes bytes) {
  const auto n = static_cast<double>(ring.size());
  Seconds hop;
  for (std::size_t i = 0; i < ring.size(); ++i)
    hop = std::max(hop, counter.add(ring[i], ring[(i + 1) % ring.size()]));
  return {.bytes = bytes * (2 * (n - 1) / n), .latency = hop * (2 * (n - 1)), .route = counter.take()};
}

namespace {

/// A link and what transfers put on it: (transfer, weight over bandwidth) by ascending transfer.
struct Constraint {
  std::uint32_t link = 0;
  std::vector<std::pair<std::uint32_t, double>> loads;

  [[nodiscard]] double sum() const {
    return std::accumulate(loads.begin(), loads.end(), 0.0, [](double sum, const auto& load) { return sum + load.second; });
  }
};

/// Whether `link` is never full before `other` is.
bool dominated(const Constraint& link, const Constraint& other) {
  auto at = other.loads.begin();
  for (const auto& [transfer, load] : link.loads) {
    while (at != other.loads.end() && at->first < transfer)
      ++at;
    if (at == other.loads.end() || at->first != transfer || at->second < load)
      return false;
  }
  return true;
}

/// One constraint for each link that a route names, without those that load it in the same proportions as a tighter one.
std::vector<Constraint> distinct_constraints(const std::vector<BytesPerSecond>& bandwidths,
                                             const std::vector<std::vector<LinkLoad>*>& routes) {
  struct Load {
    std::uint32_t link;
    std::uint32_t transfer;
    std::uint32_t weight;
  };
  std::vector<Load> loads;
  for (std::uint32_t i = 0; i < routes.size(); ++i)
    for (const LinkLoad& load : *routes[i])
      loads.push_back({load.link, i, load.weight});
  std::sort(loads.begin(), loads.end(),
            [](const Load& a, const Load& b) { return a.link < b.link || (a.link == b.link && a.transfer < b.transfer); });

  struct Tightest {
    std::uint32_t link;
    double bandwidth; ///< for the weights of the key
  };
  std::map<std::vector<std::uint32_t>, Tightest> tightest; // by (transfer, weight), ...
  std::vector<std::uint32_t> key;
  for (std::size_t i = 0; i < loads.size();) {
    const std::uint32_t link = loads[i].link;
    std::uint32_t common = 0;
    key.clear();
    for (; i < loads.size() && loads[i].link == link; ++i) {
      common = std::gcd(common, loads[i].weight);
      key.insert(key.end(), {loads[i].transfer, loads[i].weight});
    }
    for (std::size_t j = 1; j < key.size(); j += 2)
      key[j] /= common;
    const double bandwidth = bandwidths[link].si() / common;
    const auto [found, fresh] = tightest.try_emplace(key, Tightest{link, bandwidth});
    if (!fresh && bandwidth < found->second.bandwidth)
      found->second = {link, bandwidth};
  }
  std::vector<Constraint> constraints;
  for (const auto& [pattern, link] : tightest) {
    Constraint& constraint = constraints.emplace_back(Constraint{.link = link.link, .loads = {}});
    for (std::size_t j = 0; j < pattern.size(); j += 2)
      constraint.loads.emplace_back(pattern[j], pattern[j + 1] / link.bandwidth);
  }
  return constraints;
}

/// The most that each transfer gets on the links that it has to itself.
std::vector<double> own_rates(const std::vector<Constraint>& constraints, std::size_t transfers) {
  std::vector<double> rates(transfers, std::numeric_limits<double>::infinity());
  for (const Constraint& constraint : constraints)
    if (constraint.loads.size() == 1) {
      double& rate = rates[constraint.loads.front().first];
      rate = std::min(rate, 1 / constraint.loads.front().second);
    }
  return rates;
}

} // namespace

std::vector<std::uint32_t> fold_links(const std::vector<BytesPerSecond>& bandwidths, const std::vector<std::vector<LinkLoad>*>& routes) {
  std::vector<Constraint> constraints = distinct_constraints(bandwidths, routes);
  const std::vector<double> rates = own_rates(constraints, routes.size());
  std::erase_if(constraints, [&](const Constraint& constraint) {
    double most = 0;
    for (const auto& [transfer, load] : constraint.loads)
      most += load * rates[transfer];
    return constraint.loads.size() > 1 && most <= 1;
  });
  // What dominates another has the larger sum, so that it is met first.
  std::ranges::stable_sort(constraints, std::ranges::greater(), &Constraint::sum);
  std::vector<std::uint32_t> users(bandwidths.size(), 0);
  std::vector<std::vector<const Constraint*>> kept(routes.size()); // by transfer
  for (const Constraint& constraint : constraints) {
    const auto& rivals = kept[constraint.loads.front().first];
    if (std::ranges::any_of(rivals, [&](const Constraint* rival) { return dominated(constraint, *rival); }))
      continue;
    users[constraint.link] = static_cast<std::uint32_t>(constraint.loads.size());
    for (const auto& [transfer, load] : constraint.loads)
      kept[transfer].push_back(&constraint);
  }
  for (std::vector<LinkLoad>* route : routes)
    std::erase_if(*route, [&](const LinkLoad& load) { return users[load.link] == 0; });
  return users;
}

Network used_links(const Topology& topology, const std::vector<std::vector<LinkLoad>*>& routes) {
  std::map<std::uint32_t, std::uint32_t> number;
  for (const std::vector<LinkLoad>* route : routes)
    for (const LinkLoad& load : *route)
      number.try_emplace(load.link, 0);
  Network network;
  for (auto& [link, index] : number) {
    index = static_cast<std::uint32_t>(network.links.size());
    network.links.push_back({topology.name(link), topology.link(link).bandwidth});
  }
  for (std::vector<LinkLoad>* route : routes)
    for (LinkLoad& load : *route)
      load.link = number[load.link];
  return network;
}

std::vector<BytesPerSecond> bandwidths(const Topology& topology) {
  std::vector<BytesPerSecond> result;
  result.reserve(topology.links().size());
  for (const TopologyLink& link : topology.links())
    result.push_back(link.bandwidth);
  return result;
}

} // namespace orrery
