// Power and energy of a device, a node and a facility.
//
// What: the power of a device that runs a span of work at a clock, the clock that a power cap forces, and the wall power above it.
// Formula: for a span of S seconds that scale with 1/clock, R seconds that do not, E_c joules of arithmetic at full clock and E_t
//   joules of memory and links, at relative clock f and relative voltage v(f) = max(v0, f):
//     T = S / f + R,   E = (idle + active f v^2) T + E_c v^2 + E_t,   P = E / T.
//   Under a cap f is the largest clock with P <= cap: memory and links keep their rate, so R does not stretch.
//   Wall power of a node = (devices x P + host) / (1 - fan share) / supply efficiency; facility = wall x PUE.
// Source: arithmetic 0.7 pJ/FLOP (1.05 on Hopper, from training under caps) and HBM 11.7-14.7 pJ/bit, doi 10.1145/3712285.3759815;
//   a cap lowers the SM clock and leaves the memory clock, "Characterizing Job Power Elasticity" (2026); CMOS dynamic energy ~ C V^2.
//   v0 and, where a device states none,
//   `active` are per architecture: power_traits() says which measurement each was read from, or that it is assumed.
// Units: SI inside the types; clock and voltage relative to the highest clock.
// Valid range: clocks 0.1 to 1; averages over at least the tens of milliseconds in which a limiter acts; no boost above the rated clock.
// Known error: models/calibration/power.yaml row by row (orrery_tests '[power-report]' prints it): power mostly within 20%, time and energy
//   under a cap within 15%; a cap close to what idle and memory draw is worse than predicted (RTX 3090 at 150 W: 3.9x, not 1.5x).
#pragma once

#include "hardware/description.hpp"
#include "models/cost.hpp"
#include "sim/base/units.hpp"

#include <optional>
#include <string_view>
#include <vector>

namespace orrery {

/// What differs between generations and no datasheet states.
struct PowerTraits {
  std::string_view architecture; ///< empty = any other
  double voltage_floor = 1.0;    ///< lowest voltage over the voltage at full clock
  double active_share = 0.0;     ///< of rated cap - idle: drawn on top of idle as soon as work is resident
  std::string_view source;
};
[[nodiscard]] const std::vector<PowerTraits>& power_traits();

/// What a device draws. Energies of arithmetic are per unit and precision, see arithmetic_energy().
struct PowerModel {
  Watts idle;
  Watts active; ///< on top of idle at full clock as soon as work is resident, waiting on memory, peers or the host included
  std::optional<Watts> cap;
  double voltage_floor = 1.0;
  JoulesPerByte memory;
  JoulesPerByte scale_up;
  JoulesPerByte network;
};

/// `scale_up` and `network` are the device's ends of the links: per byte sent.
[[nodiscard]] PowerModel power_model(const Device& device, JoulesPerByte scale_up, JoulesPerByte network);

/// Energy of one FLOP at full clock: a unit draws the same at its peak in every precision.
[[nodiscard]] JoulesPerFlop arithmetic_energy(const ComputeUnit& unit, Precision precision);

/// A span of work as the power model sees it. Activities that run one after another add.
struct Activity {
  Seconds stretchable;
  Seconds rigid;
  Joules arithmetic; ///< at full clock
  Joules transfer;   ///< memory and links

  Activity& operator+=(const Activity& other);
};

[[nodiscard]] Activity activity(const OpCost& cost, JoulesPerFlop arithmetic, const PowerModel& model);

struct PowerPoint {
  double clock = 1.0;
  Seconds time;
  Joules energy;
  bool capped = false; ///< the clock was lowered; where its power is above the cap still, it is the lowest

  [[nodiscard]] Watts power() const { return energy / time; }
};

[[nodiscard]] double relative_voltage(const PowerModel& model, double clock);

/// The span at a given relative clock.
[[nodiscard]] PowerPoint at_clock(const PowerModel& model, const Activity& span, double clock);

/// The span at the highest clock whose mean power is within the device's cap, or within `cap` where given.
[[nodiscard]] PowerPoint under_cap(const PowerModel& model, const Activity& span, std::optional<Watts> cap = std::nullopt);

/// Power of a device that waits with work resident (a pipeline bubble, a collective's slower peer) at a clock, or at that which its cap
/// leaves.
[[nodiscard]] Watts waiting_power(const PowerModel& model, double clock);
[[nodiscard]] Watts waiting_power(const PowerModel& model);

/// Piecewise constant power over time.
class PowerProfile {
public:
  void append(Seconds duration, Watts power);
  [[nodiscard]] Seconds duration() const;
  [[nodiscard]] Joules energy() const;
  [[nodiscard]] Watts mean() const;
  [[nodiscard]] Watts peak() const;
  /// Highest mean over any stretch of `window`: what a meter or a breaker with that time constant sees.
  [[nodiscard]] Watts peak(Seconds window) const;
  [[nodiscard]] Watts lowest() const;

  struct Piece {
    Seconds duration;
    Watts power;
  };
  [[nodiscard]] const std::vector<Piece>& pieces() const { return pieces_; }

private:
  std::vector<Piece> pieces_;
};

/// Power of a node at its supply's input, with all devices at `device`.
[[nodiscard]] Watts wall_power(const NodeType& node, Watts device);

/// Power of a whole cluster at the facility's feed.
[[nodiscard]] Watts facility_power(const Cluster& cluster, Watts device);

} // namespace orrery
