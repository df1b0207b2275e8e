// `orrery plan`: searches the best plan of a training job on a machine.
#include "scenarios/run.hpp"
#include "scenarios/scenario_tables.hpp"
#include "scenarios/search/plan_search.hpp"
#include "sim/base/diagnostics.hpp"
#include "sim/base/yaml.hpp"
#include "tools/commands/command.hpp"
#include "tools/commands/output.hpp"
#include "tools/commands/search_progress.hpp"
#include "tools/reports/plan_report.hpp"

#include <fmt/format.h>

#include <charconv>
#include <fstream>

namespace orrery {

namespace {

int finalists_of(const std::string& text) {
  int count = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (problem != std::errc() || end != text.data() + text.size() || count < 1 || count > 1000)
    throw UserError("--finalists: " + shown(text) + "; allowed: a whole number from 1 to 1000");
  return count;
}

SearchOptions options_of(const Scenario& scenario, const Arguments& arguments) {
  SearchOptions options = scenario.search.value_or(SearchOptions{});
  for (const auto& [word, objective] : objective_words())
    if (arguments.text("--objective") == word)
      options.objective = objective;
  if (arguments.has("--finalists"))
    options.finalists = finalists_of(arguments.text("--finalists"));
  return options;
}

/// The scenario with the best plan in place of its own, and no search.
void write_best(const std::string& path, Scenario scenario, const PlanSearch& search) {
  scenario.jobs.front().plan = search.finalists.front().estimate.plan;
  scenario.search.reset();
  scenario.capacity.reset();
  write_file(path, [&](std::ostream& out) { out << yaml::to_yaml(scenario_table().write(scenario)); });
}

PlanSearch run_search(const Scenario& scenario, const SearchOptions& options, const Arguments& arguments, Console& console) {
  SearchLine line(console.error, "plans", true, console.progress);
  SearchCallbacks callbacks;
  callbacks.progress = [&line](const SearchProgress& progress) { line.show(progress.done, progress.total); };
  PlanSearch search;
  if (arguments.has("--all")) {
    write_file(arguments.text("--all"), [&](std::ostream& out) {
      out << all_plans_header();
      callbacks.plan = [&out](const Plan& plan, const CostedPlan* costed, const std::string& violation) {
        out << all_plans_row(plan, costed, violation);
      };
      search = search_plans(scenario, options, callbacks);
    });
  } else {
    search = search_plans(scenario, options, callbacks);
  }
  line.end(search.enumerated);
  return search;
}

Exit run_plan(const Arguments& arguments, Console& console) {
  const Scenario scenario = load_scenario(arguments.text("FILE"), arguments.all("--set"));
  const PlanSearch search = run_search(scenario, options_of(scenario, arguments), arguments, console);
  const std::string format = arguments.text("--format", "text");
  if (format == "json")
    console.out << plan_search_json(search).dump(2) << '\n';
  else if (format == "csv")
    console.out << plan_search_csv(search);
  else
    console.out << plan_search_text(search, Style{.colour = console.colour});
  if (search.finalists.empty())
    return Exit::infeasible;
  if (arguments.has("--write"))
    write_best(arguments.text("--write"), scenario, search);
  return Exit::ok;
}

} // namespace

Command plan_command_row() {
  return {
      .name = "plan",
      .summary = "searches the best plan: costs all, simulates the finalists, says why others lost",
      .details = "Bounds and objective come from the scenario's key 'search'; without it every plan that the software can run is looked "
                 "at. Exit status: 0 answered; 2 the input is wrong; 3 no plan is feasible.",
      .options =
          {scenario_file(),
           set_values(),
           {.name = "--objective",
            .value = "WHAT",
            .help = "what the best plan has least of, per step",
            .choices = {"time", "energy", "cost", "mix"},
            .otherwise = "the scenario's, or time"},
           {.name = "--finalists", .value = "N", .help = "plans that are simulated", .otherwise = "the scenario's, or 10"},
           {.name = "--format", .value = "FORMAT", .help = "form of the answer", .choices = {"text", "json", "csv"}, .otherwise = "text"},
           {.name = "--all", .value = "OUT.csv", .help = "writes every plan of the space, those that cannot be with their reason"},
           {.name = "--write", .value = "OUT.yaml", .help = "writes the scenario with the best plan, for 'orrery run'"}},
      .run = run_plan};
}

} // namespace orrery
