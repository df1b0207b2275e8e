#include "scenarios/scenario_tables.hpp"

#include "hardware/catalogue.hpp"
#include "hardware/tables.hpp"
#include "models/failure_tables.hpp"
#include "scenarios/run.hpp"
#include "sim/base/catalogue.hpp"
#include "workloads/graph_tables.hpp"
#include "workloads/tables.hpp"

#include <fmt/format.h>

#include <algorithm>

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
          .number("jitter", &S::jitter, {.max = 1, .help = "relative standard deviation of each pass; every replica is simulated"})
          .number("kernel_jitter", &S::kernel_jitter,
                  {.max = 0.5, .help = "the same of each kernel: a pass averages its own, collectives inside it wait for the slowest rank"})
          .list("slow", &S::slow, slow_table(), {.help = "devices that run below their clock; the replicas of the others stay folded"})
          .count("seed", &S::seed, {.help = "of every random stream"});
  return table;
}

const Catalogue& graph_catalogue() {
  static const Catalogue catalogue = folder_catalogue("operator graph", "scenarios/graphs");
  return catalogue;
}

/// A graph by the name of a shipped one, by its file, or inline.
Codec<OpGraph> graph_codec() {
  Codec<OpGraph> codec;
  codec.shape = Shape{.kind = ShapeKind::reference, .table = &graph_table(), .catalogue = &graph_catalogue()};
  codec.read = [](const yaml::Node& node, const Site& site, OpGraph& graph) {
    if (const auto expanded = expand_reference(node, graph_table(), graph_catalogue(), site))
      graph = read_graph(*expanded, site.diagnostics, site.path);
  };
  codec.write = [](const OpGraph& graph) { return write_graph(graph); };
  return codec;
}

const Table<TrainingScenario>& job_table() {
  using J = TrainingScenario;
  static const Table<J> table =
      Table<J>("job", "One job: a model and a plan, an operator graph, an execution trace, or a model that is served.")
          .object("training", &J::job, training_table(), {.help = "what is trained; with plan"})
          .object("plan", &J::plan, plan_table(), {.help = "how it is laid out"})
          .value("graph", &J::graph, graph_codec(), {.help = "an operator graph instead of both, as --dump graph writes it"})
          .object("trace", &J::trace, trace_table(), {.help = "instead of all: a recorded execution, replayed"})
          .object("serving", &J::serving, serving_table(), {.help = "instead of all: a model that is served"})
          .check([](const J& job, const Report& report) {
            const int kinds = (job.job ? 1 : 0) + (job.graph ? 1 : 0) + (job.trace ? 1 : 0) + (job.serving ? 1 : 0);
            if (kinds != 1)
              report.error("",
                           kinds == 0 ? "neither 'training', 'graph', 'trace' nor 'serving'"
                                      : "more than one of 'training', 'graph', 'trace' and 'serving'",
                           "one of them");
          });
  return table;
}

/// What a job that replays a trace has no part in.
void check_traces(const Scenario& scenario, const Report& report) {
  if (std::ranges::none_of(scenario.jobs, [](const TrainingScenario& job) { return job.trace.has_value(); }))
    return;
  const char* beside = "beside a trace, of which time is known and nothing else";
  if (scenario.reliability)
    report.error("reliability", beside, "jobs of a model or a graph");
  if (scenario.power.device_cap || scenario.power.feed)
    report.error("power", beside, "jobs of a model or a graph");
  if (scenario.simulation.jitter > 0)
    report.error("simulation.jitter", beside, "0");
  if (scenario.simulation.kernel_jitter > 0)
    report.error("simulation.kernel_jitter", beside, "0");
}

/// What a job that serves has no part in.
void check_serving_jobs(const Scenario& scenario, const Report& report) {
  const auto serves = [](const TrainingScenario& job) { return job.serving.has_value(); };
  if (std::ranges::none_of(scenario.jobs, serves))
    return;
  if (!std::ranges::all_of(scenario.jobs, serves))
    report.error("jobs", "jobs that serve beside others", "jobs of one kind");
  const char* beside = "beside a job that serves, which it does not touch";
  if (scenario.reliability)
    report.error("reliability", beside, "jobs of a model or a graph");
  if (scenario.simulation.jitter > 0)
    report.error("simulation.jitter", beside, "0");
  if (scenario.simulation.kernel_jitter > 0)
    report.error("simulation.kernel_jitter", beside, "0");
}

/// Slow devices against the machine and the one job on it.
void check_slow(const Scenario& scenario, const Report& report) {
  if (scenario.simulation.slow.empty())
    return;
  if (scenario.jobs.size() != 1 || scenario.jobs.front().trace || scenario.jobs.front().serving)
    return report.error("simulation.slow", "beside several jobs, a trace or serving", "one job of a model or a graph");
  const TrainingScenario& job = scenario.jobs.front();
  const int stages = job.graph ? static_cast<int>(job.graph->stages.size()) : job.plan.pp;
  const int replicas = job.graph ? job.graph->groups.at(Group::data).size : job.plan.dp * job.plan.cp;
  for (std::size_t i = 0; i < scenario.simulation.slow.size(); ++i) {
    const SlowDevices& slow = scenario.simulation.slow[i];
    const auto below = [&](const char* key, int value, int count, const char* what) {
      if (value >= count)
        report.error(fmt::format("simulation.slow.{}.{}", i, key), std::to_string(value),
                     fmt::format("0 to {}: there are {} {}", count - 1, count, what));
    };
    for (const int device : slow.devices)
      below("devices", device, scenario.cluster.devices(), "devices");
    for (const int node : slow.nodes)
      below("nodes", node, scenario.cluster.nodes, "nodes");
    below("stage", slow.stage.value_or(0), stages, "stages");
    below("replica", slow.replica.value_or(0), replicas, "replicas");
  }
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
          .value("search", &S::search, search_codec(), {.help = "what `orrery plan` looks at, and for"})
          .object("capacity", &S::capacity, capacity_table(), {.help = "what `orrery capacity` may buy, and the deadline"})
          .check([](const S& scenario, const Report& report) {
            if (scenario.jobs.empty())
              report.error("jobs", "an empty list", "at least one job");
            check_traces(scenario, report);
            check_serving_jobs(scenario, report);
            check_slow(scenario, report);
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
