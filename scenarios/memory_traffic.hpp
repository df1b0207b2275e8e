// What a step moves through the memory of one device.
#pragma once

#include "scenarios/run.hpp"

namespace orrery {

/// Operators, and collectives as models/collective_traffic.hpp counts them; mean over pipeline stages.
Bytes memory_traffic(const Stages& stages);

} // namespace orrery
