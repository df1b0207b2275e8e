// What a scenario's limits of power rule out.
#pragma once

#include "scenarios/scenario.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace orrery {

/// Of a cap that a device exceeds whatever it does; nothing where one that waits keeps it.
std::optional<std::string> above_device_cap(const Scenario& scenario, const Device& device);

/// Of a feed that does not give `power`, which is a "peak" or a "mean".
std::optional<std::string> above_feed(const Scenario& scenario, Watts power, std::string_view what);

} // namespace orrery
