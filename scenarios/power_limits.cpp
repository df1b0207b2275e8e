#include "scenarios/power_limits.hpp"

#include "models/device_power.hpp"
#include "sim/base/quantity_text.hpp"

#include <fmt/format.h>

namespace orrery {

std::optional<std::string> above_device_cap(const Scenario& scenario, const Device& device, Watts power) {
  const std::optional<Watts> cap = effective_cap(device, scenario.power.device_cap);
  if (!above_cap(power, cap))
    return std::nullopt;
  return fmt::format("power of a device at its lowest clock {} > cap {}", format_quantity(power, 4), format_quantity(*cap, 4));
}

std::optional<std::string> above_feed(const Scenario& scenario, Watts power, std::string_view what) {
  if (!scenario.power.feed || power <= *scenario.power.feed)
    return std::nullopt;
  return fmt::format("{} power of the facility {} > feed {}", what, format_quantity(power, 4), format_quantity(*scenario.power.feed, 4));
}

} // namespace orrery
