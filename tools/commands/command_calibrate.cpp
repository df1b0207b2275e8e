// `orrery calibrate`: fits the curves of the kernel models to kernel measurements.
#include "models/fits/fit_calibration.hpp"
#include "scenarios/published/kernel_rows.hpp"
#include "sim/base/catalogue.hpp"
#include "tools/commands/command.hpp"
#include "tools/commands/output.hpp"
#include "tools/reports/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace orrery {

namespace {

Exit run_calibrate(const Arguments& arguments, Console& console) {
  Diagnostics diagnostics;
  const KernelTables tables =
      parse_kernel_tables(read_tables(arguments.text("--data", data_root() + "/models/calibration/kernels")), diagnostics);
  diagnostics.throw_if_any();
  Calibration calibration;
  std::vector<FitError> errors;
  std::vector<FitError> held_out;
  {
    const Progress progress(console.error, "fitting", console.progress);
    calibration = fit_calibration(tables);
    errors = calibration_errors(tables, calibration);
    held_out = calibration_errors(tables, fit_calibration(tables, FitRows::first_half), FitRows::first_half);
  }
  if (arguments.has("--out"))
    write_file(arguments.text("--out"), [&](std::ostream& out) { out << yaml::to_yaml(write_calibration(calibration)); });
  const Style style{.colour = console.colour};
  Columns columns({Align::left, Align::left, Align::left, Align::left, Align::right, Align::right, Align::right, Align::right, Align::right,
                   Align::right});
  columns.row({"table", "device", "source", "group", "rows", "mean", "median", "P90", "worst", "held out"});
  for (const FitError& error : errors) {
    const auto same = std::ranges::find_if(held_out, [&](const FitError& other) {
      return other.table == error.table && other.device == error.device && other.source == error.source && other.group == error.group;
    });
    columns.row({error.table, error.device, error.source, error.group, std::to_string(error.rows), percent(error.mean_absolute),
                 signed_percent(error.median), percent(error.absolute_p90), percent(error.worst),
                 same == held_out.end() || same->rows == 0 ? "-" : percent(same->mean_absolute)});
  }
  console.out << style.heading("Error of the fitted kernel times, prediction against measurement") << '\n' << columns.str();
  console.out << "  mean, P90, worst: absolute; median: signed; held out: mean over the half of the shapes that a fit of the other half "
                 "did not see\n";
  return Exit::ok;
}

} // namespace

Command calibrate_command_row() {
  return {.name = "calibrate",
          .summary = "fits the kernel models to kernel measurements",
          .details = "Reads devices.csv, matmul.csv, attention.csv, latent_attention.csv, fused_moe.csv, streaming.csv, scan.csv, "
                     "collective.csv and best_matmul.csv.",
          .options = {{.name = "--data", .value = "DIR", .help = "folder of measurements other than the project's own"},
                      {.name = "--out", .value = "FILE.yaml", .help = "writes the fitted curves"}},
          .run = run_calibrate};
}

} // namespace orrery
