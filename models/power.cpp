#include "models/power.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {

namespace {

// 180 to 210 MHz of 1.4 to 2.8 GHz in vendor clock tables.
constexpr double lowest_clock = 0.1;

double dynamic_factor(const PowerModel& model, double clock) {
  const double v = relative_voltage(model, clock);
  return v * v;
}

const PowerTraits& traits_of(const Device& device) {
  const std::vector<PowerTraits>& rows = power_traits();
  const auto same = [&](const PowerTraits& row) { return row.architecture == device.architecture; };
  const auto found = std::find_if(rows.begin(), rows.end(), same);
  return found == rows.end() ? rows.back() : *found;
}

JoulesPerFlop scaled(const ComputeUnit& unit, FlopsPerSecond reference, FlopsPerSecond peak) { return unit.energy * (reference / peak); }

/// The half-precision (or, without one, the fastest-stated) peak that ComputeUnit::energy is quoted for.
FlopsPerSecond reference_peak(const ComputeUnit& unit) {
  for (const Precision precision : {Precision::bf16, Precision::fp16}) {
    if (const auto found = unit.peak.find(precision); found != unit.peak.end()) {
      return found->second;
    }
  }
  FlopsPerSecond best;
  for (const auto& [precision, peak] : unit.peak) {
    best = std::max(best, peak);
  }
  return best;
}

} // namespace

const std::vector<PowerTraits>& power_traits() {
  static const std::vector<PowerTraits> rows = {
      {"volta", 0.7, 0.10, "floor: Zeus (NSDI 2023) power-limit sweep of a V100; share: assumed as hopper"},
      {"turing", 0.7, 0.10, "assumed as volta"},
      {"ampere", 0.7, 0.17,
       "floor: as ampere-consumer; share: A100 decode at tensor-parallel 2, 4 and 8 (splitwise-sim) leaves 120 W at no traffic"},
      {"ampere-consumer", 0.7, 0.17, "floor: RTX 3090 prefill at 350 and 250 W (llmgarage.ai 2026); share: as ampere"},
      {"hopper", 0.9, 0.10,
       "floor: dense H200 training under caps (Characterizing Job Power Elasticity, Table 6), whose clock is already low at 700 W; "
       "share: an H200 at little traffic draws 137 W (arXiv 2605.11999)"},
      {"blackwell", 0.9, 0.28,
       "floor: assumed as hopper; share: median of B200 decode at batch 16 and below without its weight traffic (ML.ENERGY v3)"},
      {"", 0.8, 0.10, "assumed: between the architectures that were read"},
  };
  return rows;
}

PowerModel power_model(const Device& device, JoulesPerByte scale_up, JoulesPerByte network) {
  const PowerTraits& traits = traits_of(device);
  PowerModel model;
  model.voltage_floor = traits.voltage_floor;
  model.idle = device.idle_power.value_or(Watts{});
  model.cap = device.power_cap;
  if (device.active_power) {
    model.active = std::max(*device.active_power - model.idle, Watts{});
  } else if (const std::optional<Watts> rated = device.rated_cap()) {
    model.active = traits.active_share * (*rated - model.idle);
  }
  model.memory = device.memory.empty() ? JoulesPerByte{} : device.memory.front().energy;
  model.scale_up = scale_up;
  model.network = network;
  return model;
}

JoulesPerFlop arithmetic_energy(const ComputeUnit& unit, Precision precision) {
  const auto found = unit.peak.find(precision);
  return found == unit.peak.end() ? unit.energy : scaled(unit, reference_peak(unit), found->second);
}

Activity& Activity::operator+=(const Activity& other) {
  stretchable += other.stretchable;
  rigid += other.rigid;
  arithmetic += other.arithmetic;
  transfer += other.transfer;
  return *this;
}

Activity activity(const OpCost& cost, JoulesPerFlop arithmetic, const PowerModel& model) {
  Activity span;
  span.stretchable = cost.stretchable;
  span.rigid = cost.time - cost.stretchable;
  span.arithmetic = cost.flops * arithmetic;
  span.transfer = cost.memory * model.memory + cost.scale_up * model.scale_up + cost.network * model.network;
  return span;
}

double relative_voltage(const PowerModel& model, double clock) { return std::max(model.voltage_floor, clock); }

PowerPoint at_clock(const PowerModel& model, const Activity& span, double clock) {
  PowerPoint point;
  point.clock = clock;
  point.time = span.stretchable / clock + span.rigid;
  point.energy = waiting_power(model, clock) * point.time + span.arithmetic * dynamic_factor(model, clock) + span.transfer;
  return point;
}

namespace {

/// What a span draws beyond the cap. As an energy: a span of no length has no power.
double excess_energy(const PowerPoint& point, Watts cap) { return (point.energy - cap * point.time).si(); }

/// The largest clock that fits. Power rises with the clock, so that it is where it crosses the cap: by false position, which halves the
/// weight of an end that stays (Dowell and Jarratt 1971, "Illinois"). `below` and `above` = excess at the lowest clock and at the full one.
double clock_at(const PowerModel& model, const Activity& span, Watts cap, double below, double above) {
  constexpr double tolerance = 1e-13;
  double low = lowest_clock;
  double high = 1.0;
  int kept = 0; // times in a row that the same end stayed; negative: the lower one
  while (high - low > tolerance) {
    // Never closer to an end than the tolerance, so that the interval around the crossing closes from both sides.
    const double middle = std::clamp((low * above - high * below) / (above - below), low + 0.5 * tolerance, high - 0.5 * tolerance);
    const double excess = excess_energy(at_clock(model, span, middle), cap);
    if (excess <= 0) {
      low = middle;
      below = excess;
      kept = kept > 0 ? kept + 1 : 1;
      if (kept > 1)
        above *= 0.5;
    } else {
      high = middle;
      above = excess;
      kept = kept < 0 ? kept - 1 : -1;
      if (kept < -1)
        below *= 0.5;
    }
  }
  return low;
}

} // namespace

PowerPoint under_cap(const PowerModel& model, const Activity& span, std::optional<Watts> cap) {
  PowerPoint point = at_clock(model, span, 1.0);
  const std::optional<Watts> limit = cap ? cap : model.cap;
  const auto excess = [&](const PowerPoint& p) { return excess_energy(p, *limit); };
  if (!limit || point.time.si() == 0.0 || excess(point) <= 0) {
    return point;
  }
  PowerPoint slowest = at_clock(model, span, lowest_clock);
  slowest.capped = true;
  if (excess(slowest) > 0)
    return slowest;
  point = at_clock(model, span, clock_at(model, span, *limit, excess(slowest), excess(point)));
  point.capped = true;
  return point;
}

Watts waiting_power(const PowerModel& model, double clock) { return model.idle + model.active * (clock * dynamic_factor(model, clock)); }

Watts waiting_power(const PowerModel& model) { return under_cap(model, {.rigid = Seconds{1}}).power(); }

void PowerProfile::append(Seconds duration, Watts power) {
  if (duration.si() <= 0.0) {
    return;
  }
  if (!pieces_.empty() && pieces_.back().power == power) {
    pieces_.back().duration += duration;
  } else {
    pieces_.push_back({duration, power});
  }
}

Seconds PowerProfile::duration() const {
  Seconds total;
  for (const Piece& piece : pieces_) {
    total += piece.duration;
  }
  return total;
}

Joules PowerProfile::energy() const {
  Joules total;
  for (const Piece& piece : pieces_) {
    total += piece.power * piece.duration;
  }
  return total;
}

Watts PowerProfile::mean() const { return pieces_.empty() ? Watts{} : energy() / duration(); }

Watts PowerProfile::peak() const {
  Watts highest;
  for (const Piece& piece : pieces_) {
    highest = std::max(highest, piece.power);
  }
  return highest;
}

Watts PowerProfile::peak(Seconds window) const {
  if (window >= duration()) {
    return mean();
  }
  // The mean over a sliding window is piecewise linear in its position: its maximum has an edge of the window on an edge of a piece.
  std::vector<Seconds> edges{Seconds{}};
  std::vector<Joules> energies{Joules{}};
  for (const Piece& piece : pieces_) {
    edges.push_back(edges.back() + piece.duration);
    energies.push_back(energies.back() + piece.power * piece.duration);
  }
  const auto energy_until = [&](Seconds t) {
    const auto next = std::upper_bound(edges.begin() + 1, edges.end() - 1, t);
    const auto i = static_cast<std::size_t>(next - edges.begin()) - 1;
    return energies[i] + pieces_[i].power * (t - edges[i]);
  };
  Joules most;
  for (const Seconds edge : edges) {
    for (const Seconds start : {edge, edge - window}) {
      if (start.si() >= 0.0 && start + window <= edges.back()) {
        most = std::max(most, energy_until(start + window) - energy_until(start));
      }
    }
  }
  return most / window;
}

Watts PowerProfile::lowest() const {
  Watts least = pieces_.empty() ? Watts{} : pieces_.front().power;
  for (const Piece& piece : pieces_) {
    least = std::min(least, piece.power);
  }
  return least;
}

Watts wall_power(const NodeType& node, Watts device) {
  const Watts inside = static_cast<double>(node.devices) * device + node.host.power;
  return inside / (1.0 - node.fan_share) / node.power_supply_efficiency;
}

Watts facility_power(const Cluster& cluster, Watts device) { return cluster.nodes * wall_power(cluster.node, device) * cluster.pue; }

} // namespace orrery
