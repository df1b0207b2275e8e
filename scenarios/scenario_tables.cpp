#include "scenarios/scenario_tables.hpp"

#include "hardware/catalogue.hpp"
#include "hardware/tables.hpp"
#include "models/failure_tables.hpp"
#include "scenarios/run.hpp"
#include "workloads/tables.hpp"

namespace orrery {

namespace {

const Table<PowerOptions>& power_table() {
  using P = PowerOptions;
  static const Table<P> table =
      Table<P>("power", "Limits on power.")
          .quantity("device_cap", &P::device_cap, {.above = Watts{}, .unit_hint = "W", .help = "cap of each device, below its own"})
          .quantity("feed", &P::feed, {.above = Watts{}, .unit_hint = "MW", .help = "what the facility can draw"});
  return table;
}

const Table<SimulationOptions>& simulation_table() {
  using S = SimulationOptions;
  static const Table<S> table =
      Table<S>("simulation", "How the step is simulated.")
          .flag("unfold_replicas", &S::unfold_replicas, {.help = "simulate every data-parallel replica instead of one for all"})
          .number("jitter", &S::jitter, {.max = 1, .help = "relative standard deviation of each pass"})
          .count("seed", &S::seed, {.help = "of every random stream"});
  return table;
}

const Table<TrainingScenario>& job_table() {
  using J = TrainingScenario;
  static const Table<J> table = Table<J>("job", "One training job.")
                                    .object("training", &J::job, training_table(), {.required = true, .help = "what is trained"})
                                    .object("plan", &J::plan, plan_table(), {.required = true, .help = "how it is laid out"});
  return table;
}

} // namespace

const Table<Scenario>& scenario_table() {
  using S = Scenario;
  static const Table<S> table =
      Table<S>("scenario", "A machine, the software on it and the jobs that it runs.")
          .text("name", &S::name, {.required = true, .help = "title of the report"})
          .reference("cluster", &S::cluster, cluster_table(), cluster_catalogue(), {.required = true, .help = "the machine"})
          .reference("software", &S::software, software_table(), software_catalogue(), {.required = true, .help = "the framework release"})
          .list("jobs", &S::jobs, job_table(), {.required = true, .help = "they run side by side on separate devices"})
          .object("reliability", &S::reliability, reliability_table(), {.help = "failures, checkpoints and restarts of the run"})
          .object("power", &S::power, power_table(), {.help = "limits on power"})
          .object("simulation", &S::simulation, simulation_table(), {.help = "how the step is simulated"})
          .object("expect", &S::expect, expectations_table(), {.help = "bounds on the result"})
          .check([](const S& scenario, const Report& report) {
            if (scenario.jobs.empty())
              report.error("jobs", "an empty list", "at least one job");
          });
  return table;
}

Scenario load_scenario(const std::string& file, const std::vector<std::string>& overrides) {
  yaml::Node root = yaml::read_yaml_file(file);
  Diagnostics diagnostics;
  for (const std::string& assignment : overrides)
    set_path(root, assignment, scenario_table(), diagnostics);
  Scenario scenario = scenario_table().read(root, diagnostics);
  diagnostics.throw_if_any();
  return scenario;
}

} // namespace orrery
