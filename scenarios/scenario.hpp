// A scenario as the user wrote it, resolved: every name looked up, every default filled in.
#pragma once

#include "hardware/description.hpp"
#include "models/reliability.hpp"
#include "scenarios/expectations.hpp"
#include "scenarios/search/capacity_options.hpp"
#include "scenarios/search/plan_space_tables.hpp"
#include "scenarios/serving/serving_scenario.hpp"
#include "scenarios/slow_devices.hpp"
#include "scenarios/traces/trace_job.hpp"
#include "workloads/graph.hpp"
#include "workloads/software.hpp"
#include "workloads/transformer.hpp"

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace orrery {

struct PowerOptions {
  std::optional<Watts> device_cap; ///< below the device's own
  std::optional<Watts> feed;       ///< of the whole facility: more than it is a violation
};

struct SimulationOptions {
  bool unfold_replicas = false;
  double jitter = 0;        ///< relative standard deviation of each pass; it unfolds all replicas
  double kernel_jitter = 0; ///< the same of each kernel
  std::vector<SlowDevices> slow;
  std::uint64_t seed = 1;
};

/// One job: a training job from a model and a plan or from an operator graph, an execution trace, or a model that is served.
struct TrainingScenario {
  std::optional<TrainingJob> job; ///< with `plan`
  Plan plan;
  std::optional<OpGraph> graph;           ///< instead of both
  std::optional<TraceJob> trace;          ///< instead of all
  std::optional<ServingScenario> serving; ///< instead of all; all jobs of a scenario serve or none
};

struct Scenario {
  std::string name;
  Cluster cluster;
  SoftwareProfile software;
  std::vector<TrainingScenario> jobs; ///< they run side by side on separate devices
  std::optional<ReliabilityOptions> reliability;
  PowerOptions power;
  SimulationOptions simulation;
  Expectations expect;
  std::optional<SearchOptions> search;     ///< of `orrery plan`
  std::optional<CapacityOptions> capacity; ///< of `orrery capacity`
};

[[nodiscard]] int job_ranks(const TrainingScenario& job);
[[nodiscard]] int scenario_ranks(const Scenario& scenario);
/// "128 x dgx-h100 (8 x h100-sxm-80gb), rail fat tree"
[[nodiscard]] std::string describe(const Cluster& cluster);
/// Whether any unit of the device computes in `precision`.
[[nodiscard]] bool supports(const Device& device, Precision precision);
/// The fastest of its units in `precision`.
[[nodiscard]] FlopsPerSecond peak_of(const Device& device, Precision precision);
/// Precisions of the matrix products and attention of a graph.
[[nodiscard]] std::set<Precision> arithmetic_precisions(const OpGraph& graph);
/// Elements of the model that a graph describes, over all its ranks but one replica.
[[nodiscard]] double graph_parameters(const OpGraph& graph);

} // namespace orrery
