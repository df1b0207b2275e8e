// `orrery compare`: the metrics of two scenarios or results side by side.
#include "scenarios/data_files.hpp"
#include "scenarios/run.hpp"
#include "sim/base/diagnostics.hpp"
#include "sim/base/quantity_text.hpp"
#include "tools/commands/command.hpp"
#include "tools/commands/output.hpp"
#include "tools/reports/metric_words.hpp"
#include "tools/reports/report_json.hpp"
#include "tools/reports/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

namespace orrery {

namespace {

OrderedJson read_result(const std::string& path) {
  OrderedJson json = OrderedJson::parse(read_text_file(path), nullptr, false);
  if (json.is_discarded() || !json.is_object() || !json.contains("jobs") || !json["jobs"].is_array())
    throw UserError(path + ": is no result; allowed: the JSON of 'orrery run --format json', or a scenario");
  return json;
}

/// Jobs of any kind.
OrderedJson jobs_of(const OrderedJson& result) {
  OrderedJson jobs = result["jobs"];
  if (const auto serving = result.find("serving"); serving != result.end() && serving->is_array())
    jobs.insert(jobs.end(), serving->begin(), serving->end());
  return jobs;
}

OrderedJson result_of(const std::string& path, Console& console) {
  if (path.ends_with(".json"))
    return read_result(path);
  const Scenario scenario = load_scenario(path);
  const Progress progress(console.error, "simulating " + path, console.progress);
  return result_json(run_scenario(scenario));
}

/// The share in "3%".
double threshold_of(const std::string& text) {
  QuantityError error;
  const double value = text.ends_with('%') ? parse_number(text.substr(0, text.size() - 1), error) : -1;
  if (!error.message.empty() || value < 0)
    throw UserError("--max-regression: " + shown(text) + "; allowed: a percentage such as 3%");
  return value / 100;
}

std::map<std::string, double> numbers_of(const OrderedJson& job) {
  std::map<std::string, double> numbers;
  for (const auto& [path, value] : flat_job(job)) {
    if (value.is_number())
      numbers[path] = value.get<double>();
  }
  return numbers;
}

/// Prints one job on both sides and counts the regressions beyond the threshold.
int compare_jobs(const OrderedJson& before, const OrderedJson& after, std::optional<double> threshold, const Style& style,
                 std::ostream& out) {
  const std::map<std::string, double> a = numbers_of(before);
  const std::map<std::string, double> b = numbers_of(after);
  int regressions = 0;
  Columns columns({Align::left, Align::right, Align::right, Align::right, Align::left});
  columns.row(style.header({"metric", "A", "B", "change", ""}));
  const auto row = [&](const std::string& path, const std::string& label, std::optional<Better> better) {
    const auto x = a.find(path);
    const auto y = b.find(path);
    if (x == a.end() && y == b.end())
      return;
    std::vector<std::string> cells = {label, x == a.end() ? "-" : metric_text(path, x->second),
                                      y == b.end() ? "-" : metric_text(path, y->second)};
    if (x != a.end() && y != b.end() && x->second != 0) {
      const double change = y->second / x->second - 1;
      cells.push_back(signed_percent(change == 0 ? 0 : change));
      const bool regressed = better && threshold && (*better == Better::lower ? change : -change) > *threshold;
      cells.push_back(regressed ? style.bad("regressed") : "");
      regressions += regressed ? 1 : 0;
    }
    columns.row(std::move(cells));
  };
  for (const Metric& metric : headline_metrics())
    row(std::string(metric.path), std::string(metric.label), metric.better);
  std::vector<std::string> shares;
  for (const OrderedJson* job : {&before, &after}) {
    for (const auto& [path, value] : flat_job(*job)) {
      if (path.starts_with("time.") && value.is_number() && std::ranges::find(shares, path) == shares.end())
        shares.push_back(path);
    }
  }
  for (const std::string& path : shares) {
    std::string name = path.substr(5, path.rfind('.') - 5);
    std::ranges::replace(name, '_', ' ');
    row(path, "  of the step: " + name, {});
  }
  out << columns.str();
  return regressions;
}

std::string job_name(const OrderedJson& job) {
  return job.contains("name") && job["name"].is_string() ? job["name"].get<std::string>() : "job";
}

bool print_violations(const OrderedJson& job, const std::string& side, const Style& style, std::ostream& out) {
  if (!job.contains("violations") || job["violations"].empty())
    return false;
  for (const OrderedJson& violation : job["violations"])
    out << style.bad(side + " is infeasible: ") << (violation.is_string() ? violation.get<std::string>() : violation.dump()) << '\n';
  return true;
}

Exit run_compare(const Arguments& arguments, Console& console) {
  std::optional<double> threshold;
  if (arguments.has("--max-regression"))
    threshold = threshold_of(arguments.text("--max-regression"));
  const OrderedJson a = jobs_of(result_of(arguments.text("A"), console));
  const OrderedJson b = jobs_of(result_of(arguments.text("B"), console));
  if (a.size() != b.size())
    throw UserError(fmt::format("A has {} jobs, B has {}: there is nothing to compare", a.size(), b.size()));
  const Style style{.colour = console.colour};
  bool infeasible = false;
  int regressions = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const OrderedJson& before = a[i];
    const OrderedJson& after = b[i];
    console.out << style.heading("A " + job_name(before) + ", " + arguments.text("A")) << '\n'
                << style.heading("B " + job_name(after) + ", " + arguments.text("B")) << '\n';
    const bool broken_a = print_violations(before, "A", style, console.out);
    const bool broken_b = print_violations(after, "B", style, console.out);
    infeasible = infeasible || broken_a || broken_b;
    regressions += compare_jobs(before, after, threshold, style, console.out);
  }
  if (threshold)
    console.out << fmt::format("{} of the metrics regressed by more than {}\n", regressions == 0 ? "none" : std::to_string(regressions),
                               percent(*threshold));
  if (infeasible)
    return Exit::infeasible;
  return regressions > 0 ? Exit::expectation : Exit::ok;
}

} // namespace

Command compare_command_row() {
  return {
      .name = "compare",
      .summary = "shows the metrics of two scenarios or results side by side",
      .details =
          "Exit status: 0 compared; 2 the input is wrong; 3 one side is infeasible; 4 a metric got worse by more than --max-regression.",
      .options = {{.name = "A", .kind = OptionKind::positional, .value = {}, .help = "scenario (YAML) or result (.json)", .required = true},
                  {.name = "B", .kind = OptionKind::positional, .value = {}, .help = "the same, compared with A", .required = true},
                  {.name = "--max-regression", .value = "PERCENT", .help = "largest worsening of a metric that passes, such as 3%"}},
      .run = run_compare};
}

} // namespace orrery
