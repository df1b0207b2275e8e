// `orrery sweep`: a study to the table of its points.
#include "scenarios/sweep/sweep.hpp"
#include "sim/base/diagnostics.hpp"
#include "tools/commands/command.hpp"
#include "tools/commands/output.hpp"
#include "tools/commands/search_progress.hpp"
#include "tools/reports/sweep_metrics.hpp"
#include "tools/reports/sweep_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <thread>

namespace orrery {

namespace {

constexpr int most_jobs = 1024;
constexpr int most_rows = 1'000'000;

int number_of(const Arguments& arguments, const std::string& option, int otherwise, int most) {
  if (!arguments.has(option))
    return otherwise;
  const std::string text = arguments.text(option);
  int number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc() || end != text.data() + text.size() || number < 1 || number > most)
    throw UserError(fmt::format("{}: {}; allowed: a whole number from 1 to {}", option, shown(text), most));
  return number;
}

/// The names of metrics that the study and the command line ask for, or what is wrong with them.
SweepView view_of(const Study& study, const Arguments& arguments) {
  SweepView view{.metrics = {}, .sort = arguments.text("--sort"), .worst = arguments.has("--worst")};
  view.top = static_cast<std::size_t>(number_of(arguments, "--top", 10, most_rows));
  Diagnostics diagnostics;
  const auto hint = [](const std::string& name) { return did_you_mean(name, metric_patterns()); };
  constexpr const char* allowed = "a number of the result's JSON, see 'orrery schema result'";
  for (const yaml::Node& name : study.metrics) {
    if (!name.is_scalar() || !is_metric(name.text))
      diagnostics.add(name.location, "metrics", yaml::described(name), allowed, hint(name.text));
    view.metrics.push_back(name.text);
  }
  if (arguments.has("--sort") && !is_metric(view.sort))
    diagnostics.add({.path = "--sort", .message = shown(view.sort), .allowed = allowed, .suggestion = hint(view.sort)});
  diagnostics.throw_if_any();
  return view;
}

/// Which points ran now, which were there, and where they are.
std::string summary(std::uint64_t before, std::uint64_t after, double seconds, int jobs, const std::string& store) {
  std::string text;
  if (after > before)
    text = fmt::format("{} points in {} on {} ({}/s)", grouped(static_cast<double>(after - before)), format_quantity(Seconds{seconds}),
                       jobs == 1 ? "one process" : fmt::format("{} processes", jobs),
                       format_number(static_cast<double>(after - before) / seconds));
  if (before > 0)
    text += fmt::format("{}{} points were there", text.empty() ? "" : ", ", grouped(static_cast<double>(before)));
  return text + "; kept in " + store;
}

std::uint64_t rows_of(const SweepStore& store) { return static_cast<std::uint64_t>(std::ranges::count(store.done(), true)); }

/// Processes that the user asks for.
int jobs_of(const Arguments& arguments) {
  return number_of(arguments, "--jobs", static_cast<int>(std::max(1U, std::thread::hardware_concurrency())), most_jobs);
}

/// Runs what is missing. False where points were lost to internal errors.
bool fill(const Study& study, SweepStore& store, const std::string& path, int most, bool quiet, Console& console) {
  const std::uint64_t before = rows_of(store);
  const auto left = static_cast<int>(study.points() - before);
  const int jobs = std::min(most, std::max(1, left));
  SearchLine line(console.error, "points", !quiet, console.progress, static_cast<double>(before));
  const auto begin = std::chrono::steady_clock::now();
  const std::vector<LostPoint> lost =
      run_sweep(study, store, {.workers = jobs, .metrics_of = sweep_metrics, .progress = [&](const SweepProgress& now) {
                                 line.show(static_cast<double>(now.done), static_cast<double>(now.total));
                               }});
  line.clear();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (!quiet)
    console.error << summary(before, rows_of(store), seconds, jobs, path) << '\n';
  if (!quiet && store.of_other_program())
    console.error << path
                  << ": its points were computed by another build of orrery or with other catalogue files; --fresh runs them again\n";
  for (const LostPoint& point : lost)
    console.error << fmt::format("internal error: point {} {}; it has no row, and is run again by the next sweep\n", point.point,
                                 point.why);
  return lost.empty();
}

void write_answer(std::ostream& out, const Study& study, const SweepStore& store, const SweepView& view, const std::string& format,
                  const Style& style) {
  if (format == "csv")
    write_sweep_csv(out, study, store, view);
  else if (format == "json")
    write_sweep_json(out, study, store, view);
  else
    write_sweep_text(out, study, store, view, style);
}

Exit run_sweep(const Arguments& arguments, Console& console) {
  const std::string file = arguments.text("STUDY");
  const Study study = load_study(file);
  const SweepView view = view_of(study, arguments);
  const int jobs = jobs_of(arguments);
  const std::string path = arguments.text("--store", std::filesystem::path(file).replace_extension(".sqlite").string());
  SweepStore store(path, study, arguments.has("--fresh"));
  const bool complete = fill(study, store, path, jobs, arguments.has("--quiet"), console);
  const std::string format = arguments.text("--format", "text");
  if (arguments.has("--out"))
    write_file(arguments.text("--out"), [&](std::ostream& out) { write_answer(out, study, store, view, format, Style{}); });
  else
    write_answer(console.out, study, store, view, format, Style{.colour = console.colour});
  if (!complete)
    return Exit::internal;
  bool any_ran = false;
  store.read({}, [&](const StoredRow& row) { any_ran = any_ran || row.status != status_word(PointStatus::error); });
  return any_ran ? Exit::ok : Exit::user_error;
}

} // namespace

Command sweep_command_row() {
  return {
      .name = "sweep",
      .summary = "runs a scenario over grids, lists and random draws of its parameters",
      .details = "The points are kept in an SQLite file. A sweep that was stopped goes on where it was. Infeasible points are rows. "
                 "Exit status: 0 the points were run; 2 the study is wrong, or every point of it.",
      .options =
          {{.name = "STUDY", .kind = OptionKind::positional, .value = {}, .help = "study (YAML)", .required = true},
           {.name = "--jobs", .value = "N", .help = "processes", .otherwise = "as many as there are cores"},
           {.name = "--store", .value = "FILE", .help = "where the points are kept", .otherwise = "STUDY.sqlite"},
           {.name = "--fresh", .kind = OptionKind::flag, .value = {}, .help = "runs every point again"},
           {.name = "--format", .value = "FORMAT", .help = "form of the answer", .choices = {"text", "csv", "json"}, .otherwise = "text"},
           {.name = "--out", .value = "FILE", .help = "writes the answer to a file"},
           {.name = "--sort", .value = "METRIC", .help = "what the points of the table are best in", .otherwise = "tokens_per_second"},
           {.name = "--top", .value = "N", .help = "how many points the table has", .otherwise = "10"},
           {.name = "--worst", .kind = OptionKind::flag, .value = {}, .help = "shows the worst points instead of the best"},
           {.name = "--quiet", .kind = OptionKind::flag, .value = {}, .help = "no progress"}},
      .run = run_sweep};
}

} // namespace orrery
