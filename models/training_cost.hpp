// Costs of a training step.
//
// What:    prices every operator of an OpGraph on a cluster and adds them up per pass, stage and step for the engine and for the estimate.
// Formula: a pass takes the sum of its operators (models/kernel_cost.hpp, models/collective_cost.hpp). A collective marked overlapped
// shares the
//          device with the operator listed next: `overlap_gain` of the shorter of both is hidden. The host launches every kernel: a pass
//          never ends before its launches do (asynchronous launches), or its launches add to the device time (launch_blocking).
//          A schedule that splits backward passes has the gradients of the weights as passes of their own, which no collective hides
//          behind.
//          Transfers to tiers outside the device run beside a pass: it lasts no less than the busiest part of their way.
// Source:  structure of Megatron-LM (Narayanan et al. SC21; Korthikanti et al. 2022).
// Units:   SI.
// Valid:   groups that are regular in rank order (tensor fastest, then data, then pipeline).
// Error:   `orrery validate training`.
#pragma once

#include "hardware/description.hpp"
#include "models/collective_cost.hpp"
#include "models/cost.hpp"
#include "models/device_power.hpp"
#include "models/kernel_cost.hpp"
#include "models/offload_cost.hpp"
#include "workloads/graph.hpp"
#include "workloads/software.hpp"

#include <optional>
#include <span>
#include <vector>

namespace orrery {

/// What the softmax of a score costs the vector unit in a fused attention kernel, as FLOPs at its peak: an exponential takes the slots of
/// eight multiply-adds (16 against 128 lanes of a multiprocessor since Hopper; CUDA programming guide, throughput of native instructions),
/// scale, maximum, difference, sum and conversion six more. It counts for the energy; the time is in the curves of attention.
inline constexpr double softmax_flops = 28;

/// Relative standard deviation of the sustained clock between devices of one type. Assumed from Sinha et al. SC22, "Not All GPUs Are
/// Created Equal": 8% variability of matrix products on average over five clusters, read as the range of 2.7 standard deviations to both
/// sides.
inline constexpr double device_speed_spread = 0.015;

/// Expected maximum of `count` standard normal draws (Blom's approximation).
double expected_maximum(int count);

/// Prices graphs on one cluster under one software profile. Immutable; building it resolves the curves once.
class TrainingCoster {
public:
  /// `device_cap`, or the device's own, lowers the compute clock of every span that draws more (models/power.hpp). The cap that its kernels
  /// were measured under costs nothing on top.
  TrainingCoster(const Cluster& cluster, const SoftwareProfile& software, const Calibration& calibration,
                 std::optional<Watts> device_cap = std::nullopt);

  [[nodiscard]] CostedGraph cost(const OpGraph& graph) const;

  // The two parts of it, for callers that keep the first.
  /// All but the ends of steps: blocks, passes, messages.
  [[nodiscard]] CostedGraph cost_passes(const OpGraph& graph) const;
  /// Reductions, optimizer and gathers of a stage.
  void cost_step(const GroupShapes& groups, std::span<const Operator> step, CostedStage& costed) const;

  [[nodiscard]] const PowerModel& power() const { return power_.model(); }

private:
  struct Pass; ///< what the operators of a pass add up to
  struct BlockPasses;
  class Placements;

  [[nodiscard]] OpCost own_cost(const Operator& op) const; ///< of anything but a collective
  [[nodiscard]] OpCost operator_cost(Placements& placements, const Operator& op) const;
  [[nodiscard]] std::vector<OpCost> list_costs(ScheduleKind schedule, Placements& placements, const std::vector<Operator>& list) const;
  [[nodiscard]] Joules softmax_energy(const Operator& op, const OpCost& cost) const; ///< of fused attention, beside its products
  void add(Pass& pass, const Operator& op, const OpCost& cost) const;
  [[nodiscard]] Pass block_pass(const std::vector<Operator>& list, const std::vector<OpCost>& costs, bool split, bool weight) const;
  [[nodiscard]] BlockPasses block_passes(const Block& block, const CostedBlock& costs, bool split) const;
  [[nodiscard]] TierLoad update_cost(const TierUpdate& update) const;
  void add_update(Pass& step, const TierUpdate& update, const CostedStage& stage) const;
  [[nodiscard]] Span span(const Pass& pass, double slowest) const;
  [[nodiscard]] CostedCollective collective(Placements& placements, const Operator& op) const;
  void cost_messages(const OpGraph& graph, CostedGraph& costed) const;

  Cluster cluster_;
  SoftwareProfile software_;
  KernelModel kernels_;
  CollectiveModel collectives_;
  CollectiveModel exchanges_; ///< with the ranks of experts
  TierModel tiers_;
  DevicePower power_;
};

} // namespace orrery
