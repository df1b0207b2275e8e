#include "scenarios/run.hpp"

#include "hardware/topology.hpp"
#include "hardware/words.hpp"
#include "models/offload_cost.hpp"
#include "models/training_cost.hpp"
#include "scenarios/data_files.hpp"
#include "scenarios/document_loads.hpp"
#include "scenarios/error_band.hpp"
#include "scenarios/kernel_jitter.hpp"
#include "scenarios/memory_traffic.hpp"
#include "scenarios/power_limits.hpp"
#include "scenarios/serving/serving_run.hpp"
#include "scenarios/timeline_rows.hpp"
#include "scenarios/traces/trace_run.hpp"
#include "scenarios/training_metrics.hpp"
#include "sim/engine/pipeline.hpp"
#include "sim/engine/step_traffic.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery {

namespace {

/// Every inequality that keeps a job from running, or nothing.
std::vector<std::string> violations_of(const Scenario& scenario, const TrainingScenario& job) {
  std::vector<std::string> found;
  const int others = scenario_ranks(scenario) - job_ranks(job);
  const int devices = scenario.cluster.devices() - others;
  if (job.graph) {
    if (job.graph->ranks() != devices)
      found.push_back(fmt::format("the graph has {} ranks, there are {} devices", job.graph->ranks(), devices));
  } else {
    for (const Violation& violation : check_plan(*job.job, job.plan, devices))
      found.push_back(violation.constraint);
  }
  for (const Precision precision : job.graph ? arithmetic_precisions(*job.graph) : arithmetic_precisions(*job.job))
    if (!supports(scenario.cluster.node.device, precision))
      found.push_back(
          fmt::format("{} has no unit that computes in {}", scenario.cluster.node.device.name, choice_name(precision_words(), precision)));
  if (std::optional<std::string> above = above_device_cap(scenario, scenario.cluster.node.device))
    found.push_back(std::move(*above));
  return found;
}

void check_memory(TrainingResult& result, const Scenario& scenario, const OpGraph& graph) {
  const std::vector<MemoryFootprint> stages = memory_footprint(graph, scenario.software);
  const FullestStage fullest = fullest_stage(stages);
  result.memory = fullest.memory;
  result.memory_stage = fullest.stage;
  result.memory_capacity = scenario.cluster.node.device.memory.front().capacity;
  if (result.memory.total() > result.memory_capacity)
    result.violations.push_back(fmt::format("memory of stage {}: {} needed > {} of {}", result.memory_stage,
                                            gigabytes(result.memory.total()), gigabytes(result.memory_capacity),
                                            scenario.cluster.node.device.name));
  for (std::string& shortage : tier_shortages(scenario.cluster.node, stages))
    result.violations.push_back(std::move(shortage));
}

/// The step by events where asked for, else the estimate.
StepEstimate timed_step(TrainingResult& result, const Scenario& scenario, const TrainingScenario& job, const Stages& stages,
                        const RunOptions& options) {
  const SimulationOptions& simulation = scenario.simulation;
  const LaneClocks clocks = lane_clocks(simulation.slow, scenario.cluster.node.devices, stages.graph, stages.costs);
  StepEstimate estimate = estimate_step(clocks.empty() ? stages.costs : at_lowest_clocks(stages.costs, clocks));
  result.method.kind = "estimate";
  result.method.fold = clocks.empty() ? "one replica and one rank per stage stand for all"
                                      : "one replica, each stage at its lowest clock, and one rank per stage stand for all";
  if (options.fidelity == Fidelity::estimate)
    return estimate;
  const int replicas = stages.costs.replicas;
  const ReplicaFold fold = simulation.unfold_replicas || simulation.jitter > 0 || simulation.kernel_jitter > 0 || has_unequal_passes(job)
                               ? each_by_itself(replicas)
                               : fold_by_clocks(replicas, clocks);
  const StepTraffic traffic = step_traffic(Topology(scenario.cluster), stages.costs, fold);
  StepOptions step{.jitter = simulation.jitter,
                   .noise = kernel_noise(simulation.kernel_jitter, stages.graph, stages.costs),
                   .loads = {},
                   .seed = simulation.seed,
                   .weights = fold.weights(),
                   .clocks = simulated_clocks(fold, static_cast<int>(stages.costs.stages.size()), clocks),
                   .record = options.record_timeline,
                   .traffic = &traffic};
  result.method.kind = "simulate";
  result.method.network = "SimGrid CM02, TCP-gamma 0, crosstraffic 0";
  std::vector<PassLoads> drawn = document_loads(job, stages, simulation.seed);
  const auto steps = static_cast<double>(drawn.size());
  StepEstimate mean{.step = {}, .stages = std::vector<StageTimes>(stages.costs.stages.size())};
  for (PassLoads& loads : drawn) {
    step.loads = std::move(loads);
    const StepTimeline timeline = simulate_step(stages.costs, step);
    if (step.record)
      result.timeline = timeline_rows(timeline, scenario, stages);
    step.record = false; // the first stands for all
    result.method.fold = timeline.fold();
    result.method.events += timeline.events;
    mean.step += timeline.step / steps;
    for (std::size_t s = 0; s < mean.stages.size(); ++s)
      mean.stages[s].add_part(timeline.stages[s], steps);
  }
  if (drawn.size() > 1)
    result.method.fold += fmt::format("; mean of {} steps, whose documents are drawn", drawn.size());
  result.method.simulate_minus_estimate = mean.step / estimate.step - 1;
  return mean;
}

TrainingResult run_job(const Scenario& scenario, const TrainingScenario& job, const RunOptions& options, std::vector<Stages>& done) {
  TrainingResult result{.name = job.graph ? job.graph->name : job.job->model.name, .plan = job.plan, .devices = job_ranks(job)};
  result.violations = violations_of(scenario, job);
  if (!result.violations.empty())
    return result;
  Stages stages = stages_of(scenario, job);
  result.parameters = job.graph ? graph_parameters(stages.graph) : job.job->model.parameters();
  check_memory(result, scenario, stages.graph);
  if (!result.violations.empty())
    return result;
  const StepEstimate times = timed_step(result, scenario, job, stages, options);
  fill_step_metrics(result, scenario, stages, times);
  result.memory_traffic = memory_traffic(stages);
  fill_run_metrics(result, scenario, job, stages);
  result.error_band = error_band(job.job ? run_kind(*job.job, job.plan, scenario.cluster.node.device) : RunKind::half);
  if (std::optional<std::string> violation = above_feed(scenario, result.power.facility_peak, "peak"))
    result.violations.push_back(std::move(*violation));
  done.push_back(std::move(stages));
  return result;
}

} // namespace

Stages stages_of(const Scenario& scenario, const TrainingScenario& job) {
  Stages stages{.graph = job.graph ? *job.graph : build_training_graph(*job.job, job.plan, scenario.software)};
  const TrainingCoster coster(scenario.cluster, scenario.software, load_calibration(), scenario.power.device_cap);
  stages.costs = coster.cost(stages.graph);
  stages.power = coster.power();
  return stages;
}

Result run_scenario(const Scenario& scenario, const RunOptions& options) {
  Result result{.scenario = scenario.name,
                .cluster = describe(scenario.cluster),
                .software = scenario.software.name,
                .seed = scenario.simulation.seed};
  std::vector<Stages> done;
  int first = 0; // device of the job
  for (const TrainingScenario& job : scenario.jobs) {
    if (job.serving)
      result.serving.push_back(run_serving(scenario, *job.serving, first, options));
    else
      result.jobs.push_back(job.trace ? run_trace(scenario, *job.trace, options) : run_job(scenario, job, options, done));
    first += job_ranks(job);
  }
  result.assumptions = assumptions_of(scenario, done);
  if (std::ranges::any_of(result.jobs, [](const TrainingResult& job) { return job.trace && job.trace->assumed; }))
    result.assumptions.push_back({"cost models", "compute nodes of the trace", "no kernel of this kind was measured on this architecture"});
  result.expectations = check_expectations(scenario.expect, result);
  return result;
}

bool Result::feasible() const {
  const auto violated = [](const auto& job) { return !job.violations.empty(); };
  return std::ranges::none_of(jobs, violated) && std::ranges::none_of(serving, violated);
}

bool Result::expectations_met() const {
  for (const ExpectationOutcome& outcome : expectations)
    if (!outcome.met)
      return false;
  return true;
}

} // namespace orrery
