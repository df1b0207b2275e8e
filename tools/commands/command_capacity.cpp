// `orrery capacity`: the cheapest cluster that trains a model by a deadline, or serves it within bounds.
#include "scenarios/run.hpp"
#include "scenarios/search/capacity.hpp"
#include "tools/commands/command.hpp"
#include "tools/commands/search_progress.hpp"
#include "tools/reports/capacity_report.hpp"
#include "tools/reports/serving_capacity_report.hpp"

namespace orrery {

namespace {

Exit find_deployment(const Scenario& scenario, const Arguments& arguments, Console& console) {
  SearchLine line(console.error, "deployments", true, console.progress);
  const ServingCapacity result =
      find_serving_capacity(scenario, [&line](const SearchProgress& progress) { line.show(progress.done, progress.total); });
  line.end(static_cast<double>(result.points.size()));
  const std::string format = arguments.text("--format", "text");
  if (format == "json")
    console.out << serving_capacity_json(result).dump(2) << '\n';
  else if (format == "csv")
    console.out << serving_capacity_csv(result);
  else
    console.out << serving_capacity_text(result, Style{.colour = console.colour});
  return result.best ? Exit::ok : Exit::infeasible;
}

Exit run_capacity(const Arguments& arguments, Console& console) {
  const Scenario scenario = load_scenario(arguments.text("FILE"), arguments.all("--set"));
  if (scenario.jobs.front().serving)
    return find_deployment(scenario, arguments, console);
  SearchLine line(console.error, "clusters", true, console.progress);
  const CapacityResult result =
      find_capacity(scenario, [&line](const SearchProgress& progress) { line.show(progress.done, progress.total); });
  line.end(static_cast<double>(result.points.size()));
  const std::string format = arguments.text("--format", "text");
  if (format == "json")
    console.out << capacity_json(result).dump(2) << '\n';
  else if (format == "csv")
    console.out << capacity_csv(result);
  else
    console.out << capacity_text(result, Style{.colour = console.colour});
  return result.best ? Exit::ok : Exit::infeasible;
}

} // namespace

Command capacity_command_row() {
  return {
      .name = "capacity",
      .summary = "finds the cheapest cluster that trains by a deadline, or serves within bounds",
      .details = "Candidate nodes, the deadline and the deployments to look at come from the scenario's key 'capacity'. Exit status: 0 "
                 "answered; 2 the input is wrong; 3 no cluster meets the deadline or the bounds.",
      .options =
          {scenario_file(),
           set_values(),
           {.name = "--format", .value = "FORMAT", .help = "form of the answer", .choices = {"text", "json", "csv"}, .otherwise = "text"}},
      .run = run_capacity};
}

} // namespace orrery
