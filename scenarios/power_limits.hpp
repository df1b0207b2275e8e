// What a scenario's limits of power rule out.
#pragma once

#include "scenarios/scenario.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace orrery {

/// Of a cap that the device keeps at no clock; nothing where it keeps it. `power` is what it draws.
std::optional<std::string> above_device_cap(const Scenario& scenario, const Device& device, Watts power);

/// Of a feed that does not give `power`, which is a "peak" or a "mean".
std::optional<std::string> above_feed(const Scenario& scenario, Watts power, std::string_view what);

} // namespace orrery
