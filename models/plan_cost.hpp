// Costs of many plans of one job on one machine.
//
// What:    step time, energy and memory of a plan.
// Formula: that of the plain path (build_training_graph, TrainingCoster::cost, estimate_step, memory_footprint, device_step), whose pieces
//          this calls. What plans share is kept: those that differ only in how replicas share and reduce the states of the model (zero 0
//          and 1, overlap_grad_reduce, overlap_param_gather) have their passes and their pipeline in common.
// Source:  the headers of those.
// Units:   SI.
// Valid:   plans that check_plan lets pass.
// Error:   none against the plain path: tests/contract/plan_cost_contract_test.cpp.
#pragma once

#include "models/memory.hpp"
#include "models/training_cost.hpp"
#include "models/training_estimate.hpp"
#include "workloads/sharding.hpp"
#include "workloads/transformer.hpp"

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace orrery {

struct PlanCost {
  Seconds step;
  MemoryFootprint memory; ///< of the fullest stage
  std::string shortage;   ///< of a tier outside the device, as an inequality; then there is no step
  Watts device_mean;      ///< mean over stages
  Watts device_peak;
};

/// Prices plans of one job. Fastest where plans that share their passes follow each other.
class PlanCoster {
public:
  PlanCoster(const TrainingJob& job, const Cluster& cluster, const SoftwareProfile& software, const Calibration& calibration,
             std::optional<Watts> device_cap = std::nullopt);

  /// Precondition: check_plan found nothing. A plan that needs more than `capacity` gets its memory only, and a step of 0 s.
  PlanCost cost(const Plan& plan, std::optional<Bytes> capacity = std::nullopt);

private:
  /// What all plans of one key have in common.
  struct Shared {
    Plan key;
    bool used = false;
    OpGraph graph;                  ///< of the key; groups and ends of steps are those of the plan costed last
    std::vector<HeldElements> held; ///< by stage
    std::vector<MemoryFootprint> memory;
    bool timed = false; ///< the rest is filled in
    CostedGraph costs;
    PipelineTimes pipeline;
  };

  Shared& shared(const Plan& plan);
  void end_stages(Shared& shared, const Plan& plan);
  void cost_ends(Shared& shared) const;

  TrainingJob job_;
  SoftwareProfile software_;
  NodeType node_;
  TrainingCoster coster_;
  Replayer replayer_;
  Plan key_;
  std::array<Shared, 4> kept_; ///< the latest keys: zero 0 and 1, 2, 3 alternate
  std::size_t oldest_ = 0;
};

} // namespace orrery
