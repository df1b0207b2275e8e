#include "models/device_power.hpp"

#include <algorithm>

namespace orrery {

DevicePower::DevicePower(const Device& device, std::optional<Watts> cap)
    : model_(power_model(device, JoulesPerByte{}, JoulesPerByte{})), kernel_cap_(model_.cap), device_cap_(model_.cap) {
  if (model_.cap)
    kernel_cap_ = std::max(*model_.cap, device.kernel_cap.value_or(*model_.cap));
  if (cap && (!model_.cap || *cap < *model_.cap))
    device_cap_ = cap;
  for (const ComputeUnit& unit : device.units) {
    auto& energies = arithmetic_.emplace_back();
    for (std::size_t p = 0; p < energies.size(); ++p)
      energies[p] = arithmetic_energy(unit, static_cast<Precision>(p));
    if (unit.kind == UnitKind::vector)
      vector_energy_ = arithmetic_energy(unit, Precision::fp32);
  }
}

Span DevicePower::limited(const Activity& work, Seconds wait) const {
  const PowerPoint usual = under_cap(model_, work, kernel_cap_);
  if (device_cap_ == kernel_cap_)
    return {.stretchable = work.stretchable, .rigid = work.rigid, .power = usual.power(), .clock = usual.clock, .wait = wait};
  const PowerPoint capped = under_cap(model_, work, device_cap_);
  return {.stretchable = work.stretchable * (usual.clock / capped.clock),
          .rigid = work.rigid,
          .power = capped.power(),
          .clock = capped.clock,
          .wait = wait};
}

} // namespace orrery
