#include "sim/engine/link_loads.hpp"

#include <algorithm>
#include <map>
#include <numeric>

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
  for (const LinkId link : loaded_) {
    loads.push_back({.link = link, .weight = weight_[link]});
    weight_[link] = 0;
  }
  loaded_.clear();
  return loads;
}

void add_ring_over_domains(LoadCounter& counter, const Topology& topology, const std::vector<int>& members) {
  std::vector<std::size_t> begins;
  for (std::size_t i = 0; i < members.size(); ++i)
    if (i == 0 || topology.domain_of(members[i]) != topology.domain_of(members[i - 1]))
      begins.push_back(i);
  if (begins.size() < 2)
    return;
  const auto end_of = [&](std::size_t d) { return d + 1 < begins.size() ? begins[d + 1] : members.size(); };
  for (std::size_t d = 0; d < begins.size(); ++d) {
    const std::size_t next = (d + 1) % begins.size();
    for (std::size_t i = begins[d]; i < end_of(d); ++i)
      counter.add(members[i], members[std::min(begins[next] + (i - begins[d]), end_of(next) - 1)]);
  }
}

Work ring_all_reduce(LoadCounter& counter, const std::vector<int>& ring, Bytes bytes) {
  const auto n = static_cast<double>(ring.size());
  Seconds hop;
  for (std::size_t i = 0; i < ring.size(); ++i)
    hop = std::max(hop, counter.add(ring[i], ring[(i + 1) % ring.size()]));
  return {.bytes = bytes * (2 * (n - 1) / n), .latency = hop * (2 * (n - 1)), .route = counter.take()};
}

void fold_links(const std::vector<BytesPerSecond>& bandwidths, const std::vector<std::vector<LinkLoad>*>& routes) {
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
  std::map<std::vector<std::uint32_t>, Tightest> constraints; // by (transfer, weight), ...
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
    const auto [found, fresh] = constraints.try_emplace(key, Tightest{link, bandwidth});
    if (!fresh && bandwidth < found->second.bandwidth)
      found->second = {link, bandwidth};
  }
  std::vector<bool> kept(bandwidths.size(), false);
  for (const auto& [transfers, tightest] : constraints)
    kept[tightest.link] = true;
  for (std::vector<LinkLoad>* route : routes)
    std::erase_if(*route, [&](const LinkLoad& load) { return !kept[load.link]; });
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
