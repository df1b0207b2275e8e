#include "models/device_power.hpp"

#include <algorithm>

namespace orrery {

bool above_cap(Watts power, std::optional<Watts> cap) {
  constexpr double rounding = 1 + 1e-9; // of the clock that the cap leaves
  return cap && power > rounding * *cap;
}

DevicePower::DevicePower(const Device& device, std::optional<Watts> cap)
    : model_(power_model(device, JoulesPerByte{}, JoulesPerByte{})), kernel_cap_(device.rated_cap()) {
  model_.cap = device.power_cap && cap ? std::min(device.power_cap, cap) : device.power_cap ? device.power_cap : cap;
  for (const ComputeUnit& unit : device.units) {
    auto& energies = arithmetic_.emplace_back();
    for (std::size_t p = 0; p < energies.size(); ++p)
      energies[p] = arithmetic_energy(unit, static_cast<Precision>(p));
    if (unit.kind == UnitKind::vector)
      vector_energy_ = arithmetic_energy(unit, Precision::fp32);
  }
}

Joules DevicePower::excess(const Span& span) const {
  return above_cap(span.power, model_.cap) ? (span.power - *model_.cap) * span.total() : Joules{};
}

Span DevicePower::limited(const Activity& work, Seconds wait) const {
  const PowerPoint usual = kernel_cap_ ? under_cap(model_, work, kernel_cap_) : at_clock(model_, work, 1);
  if (model_.cap == kernel_cap_)
    return {.stretchable = work.stretchable, .rigid = work.rigid, .power = usual.power(), .clock = usual.clock, .wait = wait};
  const PowerPoint capped = under_cap(model_, work);
  return {.stretchable = work.stretchable * (usual.clock / capped.clock),
          .rigid = work.rigid,
          .power = capped.power(),
          .clock = capped.clock,
          .wait = wait};
}

} // namespace orrery
