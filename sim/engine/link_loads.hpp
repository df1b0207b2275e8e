// Transfers as loads on the links of a topology: what they cross, how often, and which of those links have to be kept.
#pragma once

#include "hardware/topology.hpp"
#include "sim/base/work.hpp"
#include "sim/engine/network.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace orrery {

/// Adds up the ways of many messages of one size. Re-usable; costs what the links that are loaded cost.
class LoadCounter {
public:
  explicit LoadCounter(const Topology& topology) : topology_(topology), weight_(topology.links().size(), 0) {}

  /// One message from `source` to `destination`. Returns the latency of its way.
  Seconds add(int source, int destination);
  /// The loads so far, by ascending link. Starts anew.
  std::vector<LinkLoad> take();
  /// The same one by one to `visit(link, weight)`, in the order in which links were first loaded.
  template <class Visit> void drain(Visit visit) {
    for (const LinkId link : loaded_)
      visit(link, std::exchange(weight_[link], 0));
    loaded_.clear();
  }

private:
  const Topology& topology_;
  std::vector<std::uint32_t> weight_;
  std::vector<LinkId> loaded_;
  Route route_;
};

/// Each member sends to the member at its position in the next scale-up domain. Members that follow each other in one domain make its part.
/// `counter` adds a message from one device to another.
template <class Counter> void add_ring_over_domains(Counter& counter, const Topology& topology, const std::vector<int>& members) {
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

/// A ring all-reduce of a buffer of `bytes` on every device of `ring`: 2 (n - 1) steps of bytes / n over all its hops at once, as one flow
/// of 2 (n - 1) / n x bytes that starts after 2 (n - 1) latencies of its longest hop. Links are those of the topology.
Work ring_all_reduce(LoadCounter& counter, const std::vector<int>& ring, Bytes bytes);

/// Shortens the routes of transfers which are all that may be in flight together; of those with the same one of the `owners` (none given:
/// each its own) only one is at a time. Links that the same transfers load in the same proportion are one constraint: of them only the
/// tightest stays. Of the links that only transfers of one owner load each keeps its own tightest. A link that can only be full when
/// another one is goes too, and one that cannot be full since the links which an owner has to itself are before. Exact under max-min
/// sharing. Returns how many owners load each link that stays.
std::vector<std::uint32_t> fold_links(const std::vector<BytesPerSecond>& bandwidths, const std::vector<std::vector<LinkLoad>*>& routes,
                                      std::vector<std::uint32_t> owners = {});

/// The links that the routes name, renumbered from zero in ascending order.
Network used_links(const Topology& topology, const std::vector<std::vector<LinkLoad>*>& routes);

/// Bandwidth of every link of a topology.
std::vector<BytesPerSecond> bandwidths(const Topology& topology);

} // namespace orrery
