#include "models/memory.hpp"
#include "models/training_cost.hpp"
#include "models/training_estimate.hpp"
#include "scenarios/data_files.hpp"
#include "scenarios/run.hpp"
#include "tests/benchmarks/rows.hpp"

#include <stdexcept>

namespace orrery::bench {

namespace {

/// A thousand plans of one machine, graph, memory and step time of each.
void estimate_plans(ScheduleKind schedule, ReplayDepth depth) {
  static Replayer replayer;
  static const Scenario scenario = load_scenario(data_file("scenarios/quickstart.yaml"));
  static const TrainingCoster coster(scenario.cluster, scenario.software, load_calibration());
  const TrainingJob& job = *scenario.jobs.front().job;
  Plan plan = scenario.jobs.front().plan;
  plan.schedule = schedule;
  plan.virtual_stages = schedule == ScheduleKind::interleaved ? 6 : 1;
  double sum = 0;
  for (int i = 0; i < 1000; ++i) {
    plan.zero = i % 2;
    const OpGraph graph = build_training_graph(job, plan, scenario.software);
    sum += fullest_stage(memory_footprint(graph, scenario.software)).memory.total().si() +
           estimate_step(coster.cost(graph), depth, replayer).step.si();
  }
  if (sum <= 0)
    throw std::runtime_error("estimates are positive");
}

void run_quickstart() {
  const Scenario scenario = load_scenario(data_file("scenarios/quickstart.yaml"));
  if (!run_scenario(scenario).feasible())
    throw std::runtime_error("the quickstart is feasible");
}

} // namespace

Rows training_rows() {
  return {{"estimate 1,000 training plans (time and memory), 1F1B", 0.020,
           [] { estimate_plans(ScheduleKind::one_f_one_b, ReplayDepth::rank); }},
          {"estimate 1,000 training plans (time and memory), interleaved x6", 0.020,
           [] { estimate_plans(ScheduleKind::interleaved, ReplayDepth::rank); }},
          {"estimate 1,000 training plans (time and memory), interleaved x6, every pass replayed", 0.060,
           [] { estimate_plans(ScheduleKind::interleaved, ReplayDepth::full); }},
          {"estimate 1,000 training plans (time and memory), ZB-2p", 0.020, [] { estimate_plans(ScheduleKind::zb_2p, ReplayDepth::rank); }},
          {"the quickstart scenario, read and simulated with all traffic", 1.0, run_quickstart}};
}

} // namespace orrery::bench
