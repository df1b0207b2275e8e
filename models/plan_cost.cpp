#include "models/plan_cost.hpp"

#include "models/offload_cost.hpp"
#include "models/step_energy.hpp"

#include <algorithm>

namespace orrery {

namespace {

/// The decisions that neither passes nor pipeline see, at one value for all.
void forget_ends(Plan& plan) {
  plan.overlap_grad_reduce = false;
  plan.overlap_param_gather = false;
  if (plan.zero <= 1)
    plan.zero = 0;
}

/// Whether a stage ends its step as the one before it does.
bool follows(const std::vector<HeldElements>& held, std::size_t stage) { return stage > 0 && held[stage] == held[stage - 1]; }

} // namespace

PlanCoster::PlanCoster(const TrainingJob& job, const Cluster& cluster, const SoftwareProfile& software, const Calibration& calibration,
                       std::optional<Watts> device_cap)
    : job_(job), software_(software), node_(cluster.node), coster_(cluster, software, calibration, device_cap) {}

PlanCoster::Shared& PlanCoster::shared(const Plan& plan) {
  key_ = plan;
  forget_ends(key_);
  for (Shared& kept : kept_)
    if (kept.used && kept.key == key_)
      return kept;
  Shared& fresh = kept_[oldest_];
  oldest_ = (oldest_ + 1) % kept_.size();
  fresh.key = key_;
  fresh.used = true;
  fresh.timed = false;
  fresh.graph = build_training_graph(job_, key_, software_, fresh.held);
  fresh.memory = memory_footprint(fresh.graph, software_);
  return fresh;
}

void PlanCoster::end_stages(Shared& shared, const Plan& plan) {
  shared.graph.groups = group_shapes(plan);
  std::vector<Stage>& stages = shared.graph.stages;
  for (std::size_t s = 0; s < stages.size(); ++s) {
    const Bytes host_activations = shared.memory[s].host - stages[s].host;
    const Bytes storage_activations = shared.memory[s].storage - stages[s].storage;
    if (follows(shared.held, s)) {
      stages[s].parameters = stages[s - 1].parameters;
      stages[s].gradients = stages[s - 1].gradients;
      stages[s].optimizer = stages[s - 1].optimizer;
      stages[s].host = stages[s - 1].host;
      stages[s].storage = stages[s - 1].storage;
    } else {
      fill_states(stages[s], job_, plan, software_, shared.held[s]);
    }
    shared.memory[s].parameters = stages[s].parameters;
    shared.memory[s].gradients = stages[s].gradients;
    shared.memory[s].optimizer = stages[s].optimizer;
    shared.memory[s].host = host_activations + stages[s].host;
    shared.memory[s].storage = storage_activations + stages[s].storage;
  }
}

void PlanCoster::cost_ends(Shared& shared) const {
  for (std::size_t s = 0; s < shared.costs.stages.size(); ++s) {
    CostedStage& stage = shared.costs.stages[s];
    // An offloaded update may run beside the passes of its own stage.
    if (follows(shared.held, s) && !shared.key.offload.any()) {
      const CostedStage& before = shared.costs.stages[s - 1];
      stage.reductions = before.reductions;
      stage.optimizer = before.optimizer;
      stage.gathers = before.gathers;
    } else {
      coster_.cost_step(shared.graph.groups, shared.graph.step_of(shared.graph.stages[s]), stage);
    }
  }
}

PlanCost PlanCoster::cost(const Plan& plan, std::optional<Bytes> capacity) {
  Shared& kept = shared(plan);
  end_stages(kept, plan);
  PlanCost result;
  result.memory = fullest_stage(kept.memory).memory;
  if (capacity && result.memory.total() > *capacity)
    return result;
  if (plan.offload.any())
    if (std::vector<std::string> shortages = tier_shortages(node_, kept.memory); !shortages.empty()) {
      result.shortage = std::move(shortages.front());
      return result;
    }
  for (std::size_t s = 0; s < kept.graph.stages.size(); ++s)
    if (!follows(kept.held, s))
      kept.graph.steps[static_cast<std::size_t>(kept.graph.stages[s].step)] = step_operators(job_, plan, software_, kept.held[s]);
  if (!kept.timed) {
    kept.costs = coster_.cost_passes(kept.graph);
    kept.pipeline = pipeline_times(kept.costs, ReplayDepth::full, replayer_);
    kept.timed = true;
  }
  cost_ends(kept);
  result.step = end_step(kept.costs, kept.pipeline).step;
  const OpGraph& graph = kept.graph;
  for (std::size_t s = 0; s < graph.stages.size(); ++s) {
    const DeviceStep device = device_step(kept.costs.stages[s], graph.micro_batches_of(s), result.step, coster_.power());
    result.device_mean += device.energy / result.step / static_cast<double>(kept.costs.stages.size());
    result.device_peak = std::max(result.device_peak, device.peak);
  }
  return result;
}

} // namespace orrery
