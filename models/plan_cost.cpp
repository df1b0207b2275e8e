#include "models/plan_cost.hpp"

#include "models/step_energy.hpp"

#include <algorithm>

namespace orrery {

PlanCoster::PlanCoster(const TrainingJob& job, const Cluster& cluster, const SoftwareProfile& software, const Calibration& calibration,
                       std::optional<Watts> device_cap)
    : job_(job), software_(software), coster_(cluster, software, calibration, device_cap) {}

PlanCost PlanCoster::cost(const Plan& plan, std::optional<Bytes> capacity) {
  PlanCost result;
  const OpGraph graph = build_training_graph(job_, plan, software_);
  const std::vector<MemoryFootprint> stages = memory_footprint(graph, software_);
  result.memory = fullest_stage(stages);
  for (std::size_t s = 0; s < stages.size(); ++s)
    if (stages[s].total() == result.memory.total())
      result.memory_stage = static_cast<int>(s);
  if (capacity && result.memory.total() > *capacity)
    return result;
  const CostedGraph costs = coster_.cost(graph);
  result.step = estimate_step(costs, Replay::full, replayer_).step;
  const int passes = micro_batches_per_chunk(graph.schedule, graph.micro_batches);
  for (const CostedStage& stage : costs.stages) {
    const DeviceStep device = device_step(stage, passes, result.step, coster_.power());
    result.device_mean += device.energy / result.step / static_cast<double>(costs.stages.size());
    result.device_peak = std::max(result.device_peak, device.peak);
  }
  return result;
}

} // namespace orrery
