#include "scenarios/power_limits.hpp"

#include "models/device_power.hpp"
#include "sim/base/quantity_text.hpp"

#include <fmt/format.h>

namespace orrery {

std::optional<std::string> above_device_cap(const Scenario& scenario, const Device& device) {
  const PowerModel model = DevicePower(device, scenario.power.device_cap).model();
  const Watts least = waiting_power(model);
  if (!above_cap(least, model.cap))
    return std::nullopt;
  return fmt::format("power of a device that waits at its lowest clock {} > cap {}", format_quantity(least, 4),
                     format_quantity(*model.cap, 4));
}

std::optional<std::string> above_feed(const Scenario& scenario, Watts power, std::string_view what) {
  if (!scenario.power.feed || power <= *scenario.power.feed)
    return std::nullopt;
  return fmt::format("{} power of the facility {} > feed {}", what, format_quantity(power, 4), format_quantity(*scenario.power.feed, 4));
}

} // namespace orrery
