// `orrery run` and `orrery estimate`: a scenario file to its report.
#include "scenarios/ablation.hpp"
#include "scenarios/run.hpp"
#include "sim/base/diagnostics.hpp"
#include "tools/commands/command.hpp"
#include "tools/commands/output.hpp"
#include "tools/reports/ablation_report.hpp"
#include "tools/reports/dump.hpp"
#include "tools/reports/report_json.hpp"
#include "tools/reports/report_text.hpp"
#include "tools/reports/serving_json.hpp"
#include "tools/reports/trace.hpp"
#include "tools/reports/why.hpp"
#include "tools/reports/why_serving.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery {

namespace {

/// What is wrong with a result, for those who read nothing else.
void print_failures(const Result& result, std::ostream& error) {
  for (const TrainingResult& job : result.jobs) {
    for (const std::string& violation : job.violations)
      error << "infeasible: " << (result.jobs.size() > 1 ? job.name + ": " : "") << violation << '\n';
  }
  for (const ServingResult& job : result.serving) {
    for (const std::string& violation : job.violations)
      error << "infeasible: " << (result.serving.size() > 1 ? job.name + ": " : "") << violation << '\n';
  }
  for (const ExpectationOutcome& outcome : result.expectations) {
    if (!outcome.met && result.feasible())
      error << "expectation not met: " << expectation_text(outcome) << '\n';
  }
}

Exit status_of(const Result& result) {
  if (!result.feasible())
    return Exit::infeasible;
  return result.expectations_met() ? Exit::ok : Exit::expectation;
}

void print_answer(const Scenario& scenario, const Result& result, const Arguments& arguments, Console& console) {
  const std::string format = arguments.text("--format", "text");
  const Style style{.colour = console.colour};
  if (arguments.has("--dump")) {
    console.out << dump(dump_kind(arguments.text("--dump")), format, scenario, result);
  } else if (arguments.has("--why")) {
    const std::string metric = arguments.text("--why");
    console.out << (result.serving.empty() ? why(metric, scenario, result, style) : why_serving(metric, scenario, result, style));
  } else if (format == "json") {
    console.out << result_json(result).dump(2) << '\n';
  } else if (format == "csv") {
    console.out << result_csv(result);
  } else {
    console.out << report_text(result, style);
  }
}

/// The scenario as the options change it.
Scenario scenario_of(const Arguments& arguments, Console& console) {
  Scenario scenario = load_scenario(arguments.text("FILE"), arguments.all("--set"));
  scenario.simulation.seed = arguments.seed().value_or(scenario.simulation.seed);
  for (const std::string& feature : arguments.all("--without")) {
    if (!turn_off(scenario, feature))
      console.error << "--without " << feature << ": already off, or of no use to this plan\n";
  }
  return scenario;
}

const char* progress_word(Fidelity fidelity) { return fidelity == Fidelity::simulate ? "simulating" : "estimating"; }

Exit answer_ablation(const Arguments& arguments, Console& console, Fidelity fidelity) {
  for (const char* other : {"--dump", "--why", "--trace"}) {
    if (arguments.has(other))
      throw UserError(std::string("--ablation with ") + other + ", which is of one run; allowed: one of the two");
  }
  const Scenario scenario = scenario_of(arguments, console);
  if (std::ranges::none_of(scenario.jobs, [](const TrainingScenario& job) { return job.job.has_value(); }))
    throw UserError("--ablation: the scenario has no job of a model and a plan, whose features can be turned off");
  Ablation ablation;
  {
    const Progress progress(console.error, progress_word(fidelity), console.progress);
    ablation = ablate(scenario, fidelity);
  }
  if (arguments.has("--quiet") || !ablation.reference.feasible()) {
    print_failures(ablation.reference, console.error);
    return status_of(ablation.reference);
  }
  const std::string format = arguments.text("--format", "text");
  if (format == "json")
    console.out << ablation_json(ablation).dump(2) << '\n';
  else
    console.out << (format == "csv" ? ablation_csv(ablation) : ablation_text(ablation, {.colour = console.colour}));
  return status_of(ablation.reference);
}

/// Jobs that train and jobs that serve have metrics of their own.
void check_why(const Arguments& arguments, bool serves) {
  const std::vector<std::string> words = serves ? why_serving_words() : why_words();
  if (const std::string metric = arguments.text("--why"); !metric.empty() && std::ranges::find(words, metric) == words.end())
    throw UserError(fmt::format("--why {}: of jobs that {}; allowed: {}", metric, serves ? "train" : "serve", fmt::join(words, ", ")));
}

std::vector<std::string> all_why_words() {
  std::vector<std::string> words = why_words();
  for (std::string& word : why_serving_words())
    words.push_back(std::move(word));
  return words;
}

Exit answer(const Arguments& arguments, Console& console, Fidelity fidelity) {
  if (arguments.has("--ablation"))
    return answer_ablation(arguments, console, fidelity);
  const std::string dumped = arguments.text("--dump");
  if (dumped == "timeline" && fidelity == Fidelity::estimate)
    throw UserError("--dump timeline: an estimate has no timeline; allowed with 'orrery run'");
  const Scenario scenario = scenario_of(arguments, console);
  if (dumped == "resolved") {
    console.out << dump(DumpKind::resolved, "text", scenario, {});
    return Exit::ok;
  }
  const bool serves = std::ranges::any_of(scenario.jobs, [](const TrainingScenario& job) { return job.serving.has_value(); });
  if (arguments.has("--requests") && !serves)
    throw UserError("--requests: the scenario has no job that serves");
  if (serves && fidelity == Fidelity::estimate)
    throw UserError("a job that serves has no closed form; allowed with 'orrery run'");
  check_why(arguments, serves);
  if (serves && (dumped == "graph" || dumped == "timeline"))
    throw UserError("--dump " + dumped + ": of jobs that train; the scenario serves; allowed: resolved, cost");
  const bool record = arguments.has("--trace") || dumped == "timeline";
  Result result;
  {
    const Progress progress(console.error, progress_word(fidelity), console.progress);
    result = run_scenario(scenario, {.fidelity = fidelity,
                                     .record_timeline = record,
                                     .record_requests = arguments.has("--requests") || (serves && arguments.has("--trace"))});
  }
  if (arguments.has("--trace") && result.feasible())
    write_file(arguments.text("--trace"), [&](std::ostream& out) { write_trace(out, result); });
  if (arguments.has("--requests") && result.feasible())
    write_file(arguments.text("--requests"), [&](std::ostream& out) { write_requests(out, result); });
  if (arguments.has("--quiet"))
    print_failures(result, console.error);
  else
    print_answer(scenario, result, arguments, console);
  return status_of(result);
}

std::vector<Option> common_options() {
  return {
      scenario_file(),
      set_values(),
      {.name = "--format", .value = "FORMAT", .help = "form of the answer", .choices = {"text", "json", "csv"}, .otherwise = "text"},
      {.name = "--dump", .value = "STAGE", .help = "prints a stage instead of the report (YAML, or JSON and CSV)", .choices = dump_words()},
      {.name = "--why", .value = "METRIC", .help = "walks from a number to its formula, inputs and sources", .choices = all_why_words()},
      {.name = "--seed", .value = "N", .help = "a whole number: seed of every random stream", .otherwise = "the scenario's"},
      {.name = "--without",
       .kind = OptionKind::values,
       .value = "FEATURE",
       .help = "turns an overlap or optimisation off; may be repeated",
       .choices = feature_names()},
      {.name = "--ablation",
       .kind = OptionKind::flag,
       .value = {},
       .help = "what each overlap and optimisation buys, instead of the report"},
      {.name = "--quiet", .kind = OptionKind::flag, .value = {}, .help = "only the exit status, and what is wrong"},
  };
}

constexpr const char* details = "Exit status: 0 answered; 2 the input is wrong; 3 the plan is infeasible; 4 an expectation is not met.";

} // namespace

Command run_command_row() {
  std::vector<Option> options = common_options();
  options.push_back({.name = "--trace", .value = "OUT.json", .help = "writes the timeline as Chrome trace events (ui.perfetto.dev)"});
  options.push_back({.name = "--requests", .value = "OUT.csv", .help = "writes the requests of jobs that serve, one row each"});
  return {.name = "run",
          .summary = "simulates a scenario and prints what it would reach",
          .details = details,
          .options = std::move(options),
          .run = [](const Arguments& arguments, Console& console) { return answer(arguments, console, Fidelity::simulate); }};
}

Command estimate_command_row() {
  return {.name = "estimate",
          .summary = "the same in closed form, in microseconds",
          .details = details,
          .options = common_options(),
          .run = [](const Arguments& arguments, Console& console) { return answer(arguments, console, Fidelity::estimate); }};
}

} // namespace orrery
