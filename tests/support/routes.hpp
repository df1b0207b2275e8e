// What a way through a topology carries.
#pragma once

#include "hardware/topology.hpp"

#include <algorithm>

namespace orrery {

/// Bandwidth of the slowest link of a way; zero of an empty one.
inline BytesPerSecond bottleneck(const Topology& topology, const Route& route) {
  BytesPerSecond least;
  for (const LinkId id : route.links) {
    const BytesPerSecond own = topology.links()[id].bandwidth;
    least = least == BytesPerSecond{} ? own : std::min(least, own);
  }
  return least;
}

} // namespace orrery
