// What a device draws while it runs priced operators, and how its cap slows them.
//
// What:        energy of operators by unit and precision; time, power and clock of a run of them under the device's cap and one below it.
// Formula:     the kernels were measured under `kernel_cap` of the device's description, or its own: their times hold at the clock that
// leaves.
//              Only a lower cap makes them slower, by the ratio of the two clocks.
// Source:      models/power.hpp.
// Units:       SI.
// Valid range: that of models/power.hpp.
// Known error: that of models/power.hpp.
#pragma once

#include "models/cost.hpp"
#include "models/power.hpp"

#include <array>
#include <optional>
#include <vector>

namespace orrery {

/// Whether a power is one that the cap's lowest clock does not hold.
[[nodiscard]] bool above_cap(Watts power, std::optional<Watts> cap);

class DevicePower {
public:
  /// `cap` below the device's own slows what depends on its clock.
  DevicePower(const Device& device, std::optional<Watts> cap);

  /// Under the lower of both caps.
  [[nodiscard]] const PowerModel& model() const { return model_; }
  [[nodiscard]] Activity activity(const OpCost& cost, Precision precision) const {
    return orrery::activity(cost, arithmetic_[static_cast<std::size_t>(cost.unit)][static_cast<std::size_t>(precision)], model_);
  }
  /// Energy of a FLOP of the vector unit; zero where there is none.
  [[nodiscard]] JoulesPerFlop vector_energy() const { return vector_energy_; }
  /// `wait` = part of the rigid time in which the device waits for a tier outside it.
  [[nodiscard]] Span limited(const Activity& work, Seconds wait = {}) const;
  /// Energy above what the cap allows, where even the lowest clock draws more.
  [[nodiscard]] Joules excess(const Span& span) const;

private:
  PowerModel model_;
  std::optional<Watts> kernel_cap_;                      ///< under which the kernels were measured
  std::vector<std::array<JoulesPerFlop, 8>> arithmetic_; ///< energy of a FLOP by unit and precision
  JoulesPerFlop vector_energy_;
};

} // namespace orrery
