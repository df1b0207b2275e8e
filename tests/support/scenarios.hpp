// Shipped scenarios, for tests.
#pragma once

#include "scenarios/data_files.hpp"
#include "scenarios/run.hpp"

#include <string>
#include <vector>

namespace orrery {

using Overrides = std::vector<std::string>;

inline Scenario quickstart(const Overrides& overrides = {}) { return load_scenario(data_file("scenarios/quickstart.yaml"), overrides); }

inline TrainingResult estimated(const Scenario& scenario) { return run_scenario(scenario, {.fidelity = Fidelity::estimate}).jobs.front(); }

} // namespace orrery
