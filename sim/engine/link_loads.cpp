#include "sim/engine/link_loads.hpp"

#include <algorithm>
#include <functional>
#include <iterator>
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

/// What a constraint must carry of transfers at these rates: of each owner's the most demanding.
double demand(const Constraint& constraint, const std::vector<double>& rates, const std::vector<std::uint32_t>& owners) {
  std::vector<std::pair<std::uint32_t, double>> demands;
  for (const auto& [transfer, load] : constraint.loads)
    demands.emplace_back(owners[transfer], load * rates[transfer]);
  std::ranges::sort(demands);
  double sum = 0;
  for (std::size_t i = 0; i < demands.size(); ++i)
    if (i + 1 == demands.size() || demands[i + 1].first != demands[i].first)
      sum += demands[i].second;
  return sum;
}

std::uint32_t owner_count(const Constraint& constraint, const std::vector<std::uint32_t>& owners) {
  std::vector<std::uint32_t> distinct;
  for (const auto& load : constraint.loads)
    distinct.push_back(owners[load.first]);
  std::ranges::sort(distinct);
  return static_cast<std::uint32_t>(std::ranges::unique(distinct).begin() - distinct.begin());
}

/// Leaves the constraints that transfers of different owners can fill. In front of them, for each transfer, the tightest of those that only
/// its own owner loads.
std::vector<Constraint> binding_constraints(std::vector<Constraint> constraints, std::size_t transfers,
                                            const std::vector<std::uint32_t>& owners) {
  std::vector<Constraint> own(transfers);
  std::erase_if(constraints, [&](const Constraint& constraint) {
    if (owner_count(constraint, owners) > 1)
      return false;
    for (const auto& [transfer, load] : constraint.loads)
      if (Constraint& tightest = own[transfer]; load > tightest.sum())
        tightest = {.link = constraint.link, .loads = {{transfer, load}}};
    return true;
  });
  std::vector<double> rates;
  for (const Constraint& constraint : own)
    rates.push_back(1 / constraint.sum());
  std::erase_if(constraints, [&](const Constraint& constraint) { return demand(constraint, rates, owners) <= 1; });
  std::erase_if(own, [](const Constraint& constraint) { return constraint.loads.empty(); });
  own.insert(own.end(), std::make_move_iterator(constraints.begin()), std::make_move_iterator(constraints.end()));
  return own;
}

} // namespace

std::vector<std::uint32_t> fold_links(const std::vector<BytesPerSecond>& bandwidths, const std::vector<std::vector<LinkLoad>*>& routes,
                                      std::vector<std::uint32_t> owners) {
  if (owners.empty()) {
    owners.resize(routes.size());
    std::iota(owners.begin(), owners.end(), 0);
  }
  std::vector<Constraint> constraints = binding_constraints(distinct_constraints(bandwidths, routes), routes.size(), owners);
  // What dominates another has the larger sum, so that it is met first.
  std::ranges::stable_sort(constraints, std::ranges::greater(), &Constraint::sum);
  std::vector<std::uint32_t> users(bandwidths.size(), 0);
  std::vector<std::vector<const Constraint*>> kept(routes.size()); // by transfer
  for (const Constraint& constraint : constraints) {
    const auto& rivals = kept[constraint.loads.front().first];
    if (std::ranges::any_of(rivals, [&](const Constraint* rival) { return dominated(constraint, *rival); }))
      continue;
    users[constraint.link] = owner_count(constraint, owners);
    for (const auto& [transfer, load] : constraint.loads)
      kept[transfer].push_back(&constraint);
  }
  for (std::size_t i = 0; i < routes.size(); ++i)
    std::erase_if(*routes[i],
                  [&](const LinkLoad& load) { return std::ranges::find(kept[i], load.link, &Constraint::link) == kept[i].end(); });
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
