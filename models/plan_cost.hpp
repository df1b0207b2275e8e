// Costs of many plans of one job on one machine.
//
// What:    step time, where it goes, energy and memory of a plan.
// Formula: that of the plain path (build_training_graph, TrainingCoster::cost, estimate_step, memory_footprint, device_step), whose pieces
//          this calls.
// Source:  the headers of those.
// Units:   SI.
// Valid:   plans that check_plan lets pass.
// Error:   none against the plain path: tests/contract/plan_cost_contract_test.cpp.
#pragma once

#include "models/memory.hpp"
#include "models/training_cost.hpp"
#include "models/training_estimate.hpp"
#include "workloads/transformer.hpp"

#include <optional>

namespace orrery {

struct PlanCost {
  Seconds step;
  MemoryFootprint memory; ///< of the fullest stage
  int memory_stage = 0;
  Watts device_mean; ///< mean over stages
  Watts device_peak;
};

/// Prices plans of one job.
class PlanCoster {
public:
  PlanCoster(const TrainingJob& job, const Cluster& cluster, const SoftwareProfile& software, const Calibration& calibration,
             std::optional<Watts> device_cap = std::nullopt);

  /// Precondition: check_plan found nothing. A plan that needs more than `capacity` gets its memory only, and a step of 0 s.
  PlanCost cost(const Plan& plan, std::optional<Bytes> capacity = std::nullopt);

private:
  TrainingJob job_;
  SoftwareProfile software_;
  TrainingCoster coster_;
  Replayer replayer_;
};

} // namespace orrery
