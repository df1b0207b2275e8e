#include "sim/engine/kv_transfer.hpp"

#include "sim/engine/link_loads.hpp"

#include <algorithm>
#include <cassert>

namespace orrery {

KvTransfer kv_transfer(const Topology& topology, std::span<const ServingReplica> replicas, std::span<const ReplicaPlace> places,
                       Bytes per_token) {
  assert(replicas.size() == places.size());
  KvTransfer transfer;
  transfer.routes.resize(replicas.size() * replicas.size());
  int most = 1;
  for (const ReplicaPlace& place : places)
    most = std::max(most, place.count);
  // One piece size for all pairs: a replica of fewer devices on both sides sends several pieces from each.
  transfer.per_token = per_token / most;
  LoadCounter counter(topology);
  std::vector<std::vector<LinkLoad>*> used;
  for (std::size_t from = 0; from < replicas.size(); ++from)
    for (std::size_t to = 0; to < replicas.size(); ++to) {
      if (replicas[from].pool != Pool::prefill || replicas[to].pool != Pool::decode)
        continue;
      for (int piece = 0; piece < most; ++piece) {
        const int source = places[from].first + piece * places[from].count / most;
        const int destination = places[to].first + piece * places[to].count / most;
        transfer.latency = std::max(transfer.latency, counter.add(source, destination));
      }
      std::vector<LinkLoad>& route = transfer.routes[from * replicas.size() + to];
      route = counter.take();
      used.push_back(&route);
    }
  transfer.network = used_links(topology, used);
  return transfer;
}

} // namespace orrery
