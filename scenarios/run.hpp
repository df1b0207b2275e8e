// The flow spelled out: a scenario file becomes a Result.
#pragma once

#include "models/cost.hpp"
#include "models/power.hpp"
#include "scenarios/result.hpp"
#include "scenarios/scenario.hpp"

#include <string>
#include <vector>

namespace orrery {

enum class Fidelity { estimate, simulate };

/// Reads, overrides (`path=value`) and resolves a scenario file. Throws UserError with every mistake of the file.
Scenario load_scenario(const std::string& file, const std::vector<std::string>& overrides = {});

/// The stages between a scenario and its result, kept for dumps and `--why`.
struct Stages {
  OpGraph graph;
  CostedGraph costs;
  PowerModel power; ///< of its devices
};

struct RunOptions {
  Fidelity fidelity = Fidelity::simulate;
  bool record_timeline = false;
  bool record_requests = false; ///< of serving jobs
};

/// Infeasible jobs are results with their inequality, not errors.
Result run_scenario(const Scenario& scenario, const RunOptions& options = {});

/// Graph and costs of one job. Precondition: its plan is feasible.
Stages stages_of(const Scenario& scenario, const TrainingScenario& job);

} // namespace orrery
