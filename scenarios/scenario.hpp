// A scenario as the user wrote it, resolved: every name looked up, every default filled in.
#pragma once

#include "hardware/description.hpp"
#include "models/reliability.hpp"
#include "sim/base/yaml.hpp"
#include "workloads/graph.hpp"
#include "workloads/software.hpp"
#include "workloads/transformer.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace orrery {

struct PowerOptions {
  std::optional<Watts> device_cap; ///< below the device's own
  std::optional<Watts> feed;       ///< of the whole facility: more than it is a violation
};

/// Bound on a metric of the Result, by its JSON key.
struct Expectation {
  std::string metric;
  std::optional<double> min; ///< SI
  std::optional<double> max;
};

struct SimulationOptions {
  bool unfold_replicas = false;
  double jitter = 0; ///< relative standard deviation of each pass
  std::uint64_t seed = 1;
};

/// One training job: from a model and a plan, or from an operator graph.
struct TrainingScenario {
  TrainingJob job;
  Plan plan;
  std::optional<OpGraph> graph; ///< given instead of model and plan
};

struct Scenario {
  std::string name;
  Cluster cluster;
  SoftwareProfile software;
  std::vector<TrainingScenario> jobs; ///< they run side by side on separate devices
  std::optional<ReliabilityOptions> reliability;
  PowerOptions power;
  SimulationOptions simulation;
  std::vector<Expectation> expect;
};

} // namespace orrery
