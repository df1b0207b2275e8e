// The links that flows share.
#pragma once

#include "sim/base/units.hpp"

#include <string>
#include <vector>

namespace orrery {

/// One direction of a cable, port or bus. Latency is no property of it: a flow brings its start delay (Work::latency).
struct NetworkLink {
  std::string name;
  BytesPerSecond bandwidth;
};

/// Plain list of links; LinkLoad::link indexes it.
struct Network {
  std::vector<NetworkLink> links;
};

} // namespace orrery
