// Time of one operator on one device.
//
// What: time, memory traffic and bound of a matrix product, a grouped product, a fused attention kernel or a streaming operator, alone on
// the device.
//
// Formula: models/kernel_time.hpp. An operator runs on the compute unit that ends it first; products and attention
// leave a vector unit to what the matrix unit on the same memory cannot compute, since its curves were measured with the library's choice
// between both. The benchmarks that measure kernels repeat each a few times, mostly of operands that draw little, so that only long
// products outlast the tens of milliseconds in which a power limiter acts (MatmulCurve::sustained). Kernels that arithmetic binds, back to
// back, lose the clock that products of as many FLOPs lose to the device's cap by its power model (ClockLimit): in a training pass all of
// it. None is faster than it was measured.
//
// Source: constants fitted to published kernel measurements (models/calibration/kernels), kept in models/calibration/curves.yaml.
//
// Units: SI.
//
// Valid range: as far as the measured shapes go (OpCost::extrapolated beyond). A device whose architecture was not measured takes the
// curves of the nearest measured generation of its vendor, else the assumed defaults of models/kernel_curves.hpp; OpCost::assumed says so,
// as it does for backward attention, for operators of which no kernel was measured (optimizer, loss, embedding), and for grouped products
// of the vendor's library: no table has one, so they take the rate of single products with the tiles of a group each.
//
// Known error: tests/calibration/kernel_fit_test.cpp prints and bounds it per device and class, on shapes that the fit did not see: 7 to 8%
// for half-precision products above 10 GFLOP, 12% for fp8 and 9% for fp4, 7 to 10% for prefill, 3 to 8% for the fused experts of H100 and
// B200, with scales by tensor or by block, alone or one rank of many, 10% for those of A100. On an architecture that the fit did not see: 7
// to 17% above 100 GFLOP, 13 to 17% for prefill, 30 to 40% for fp8, 30 to 55% for fused experts. Sources of one device differ by 5 to 15%
// among themselves.
#pragma once

#include "hardware/description.hpp"
#include "models/cost.hpp"
#include "models/kernel_curves.hpp"
#include "models/kernel_time.hpp"
#include "workloads/graph.hpp"
#include "workloads/software.hpp"

#include <array>
#include <string>
#include <vector>

namespace orrery {

/// The measured architecture whose curves stand in for `device`: its own, or the nearest generation of the same vendor; empty = none.
std::string curve_architecture(const Device& device, const Calibration& calibration);

/// What surrounds a kernel, which decides the clock that a limited power leaves.
enum class KernelStream {
  apart,     ///< kernels as short as they are measured alone: the limiter sees only the long ones
  continuous ///< kernels back to back for seconds
};

/// What a power limiter takes from the clock of kernels that arithmetic binds, by how much of such work follows back to back: nothing of
/// sustained_from, and of 0.1 s of half-precision products what the device's power model leaves them under its cap (models/power.hpp); by
/// the logarithm between. A limiter knows no precision.
struct ClockLimit {
  double measured = 0; ///< MatmulCurve::sustained of half-precision products: what long ones were seen to lose
  double steady = 1;   ///< time of such products one after the other under the cap, over that at full clock
  double largest = 0;  ///< their FLOPs in 0.1 s

  /// Time of a kernel amid `flops` of such work over that of a short one; at least 1.
  [[nodiscard]] double loss(double flops) const;
};

/// Prices operators on one device. Immutable; building it resolves every curve once.
class KernelModel {
public:
  /// `software` says which generation of kernels runs.
  KernelModel(const Device& device, const Calibration& calibration, const SoftwareProfile& software = {},
              KernelStream stream = KernelStream::apart);

  /// Device time: at least one floor per kernel of a streaming operator, one floor per matrix product or attention. Host launch time is not
  /// in it. A collective costs nothing here (models/collective_cost.hpp prices it).
  [[nodiscard]] OpCost cost(const Operator& op) const;

  [[nodiscard]] const ClockLimit& clock_limit() const { return limit_; }

private:
  static constexpr std::size_t precisions = 8;
  static constexpr std::size_t op_classes = 12;

  /// A compute unit as one precision sees it.
  struct Lane {
    UnitRates rates;
    MatmulCurve matmul;
    MatmulCurve grouped;
    MatmulCurve grouped_blocks;
    MatmulCurve grouped_mixed;
    AttentionCurve attention;
    AttentionCurve latent_attention;
    ScanCurve scan;
    bool usable = false;
  };
  struct Unit {
    bool streams = true; ///< runs streaming operators
    std::array<Lane, precisions> lanes;
    std::array<StreamingCurve, op_classes> streaming;
  };

  /// What the lanes of a device take their curves from.
  struct LaneSource {
    const Device& device;
    const SoftwareProfile& software;
    ArchitectureCurves curves;
    bool carried = false; ///< the curves are another architecture's
    DeviceRates rates;    ///< of the device, over those of its architecture
  };
  [[nodiscard]] static Lane lane_of(const LaneSource& source, const ComputeUnit& unit, Precision precision);
  /// Curves of a matrix unit: other units are a plain roofline under the assumed shares, without tiles.
  static void set_fitted_curves(Lane& lane, const LaneSource& source, const ComputeUnit& unit, Precision precision);

  /// Cost on the unit that ends first, of those that compute in `precision` or of those that stream.
  template <class Time> [[nodiscard]] OpCost quickest(std::size_t precision, Time time, bool streams = false) const;
  [[nodiscard]] OpCost alone(const Operator& op) const;
  [[nodiscard]] OpCost matmul_cost(const Matmul& shape, std::size_t precision) const;
  [[nodiscard]] OpCost grouped_cost(const GroupedMatmul& shape, std::size_t precision) const;
  [[nodiscard]] OpCost attention_cost(const FusedAttention& shape, std::size_t precision) const;
  [[nodiscard]] OpCost scan_cost(const ChunkScan& shape, std::size_t precision) const;
  [[nodiscard]] OpCost streaming_cost(const Streaming& shape, const Operator& op) const;

  std::vector<Unit> units_; ///< as Device::units
  ExpertKernel experts_;
  IdleTileCurve idle_tiles_;
  KernelStream stream_;
  ClockLimit limit_;
};

} // namespace orrery
