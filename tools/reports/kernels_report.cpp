#include "tools/reports/kernels_report.hpp"

#include "sim/base/quantity_text.hpp"

#include <fmt/format.h>

#include <map>
#include <ostream>

namespace orrery {

namespace {

std::vector<std::string> cells(const KernelScore& score) {
  std::vector<std::string> out = {score.device, score.kind, score.precision, std::to_string(score.rows), std::to_string(score.excluded)};
  if (score.rows == 0) {
    out.resize(9, "-");
    return out;
  }
  for (const double error : {score.median, score.mean, score.p90})
    out.push_back(percent(error));
  out.push_back(signed_percent(score.bias) + (score.assumed ? " *" : ""));
  return out;
}

std::string exclusions(const KernelValidation& validation) {
  std::map<std::string, int> reasons;
  for (const ScoredKernel& scored : validation.rows)
    if (!scored.row.refusal.empty())
      ++reasons[scored.row.refusal];
  std::string out;
  for (const auto& [reason, count] : reasons)
    out += wrap(fmt::format("  {:>5} x {}", count, reason), page_width, 10) + "\n";
  for (const std::string& file : validation.unread)
    out += wrap(fmt::format("  {}: columns of no known format", file), page_width, 10) + "\n";
  return out.empty() ? out : "\nRows left out\n" + out;
}

} // namespace

std::string kernels_text(const KernelValidation& validation, const Style& style) {
  Columns columns(
      {Align::left, Align::left, Align::left, Align::right, Align::right, Align::right, Align::right, Align::right, Align::right});
  columns.row({"device", "kernel", "precision", "rows", "left out", "median", "mean", "P90", "bias"});
  for (const KernelScore& score : validation.groups)
    columns.row(cells(score));
  return style.heading("Absolute error of kernel times, prediction against published measurement") + "\n" + columns.str() +
         style.faint("  bias: median of signed errors; * some rest on assumed constants") + "\n" + exclusions(validation);
}

void write_kernel_rows(std::ostream& out, const KernelValidation& validation) {
  out << csv_line({"file", "line", "device", "kernel", "precision", "measured_s", "predicted_s", "error_pct", "refusal"});
  for (const ScoredKernel& scored : validation.rows) {
    const KernelRow& row = scored.row;
    const bool predicted = row.refusal.empty();
    out << csv_line({row.file, std::to_string(row.line), row.device, row.kind, row.precision, exact_number(row.measured),
                     predicted ? exact_number(scored.predicted) : "", predicted ? fmt::format("{:.3f}", 100 * scored.error) : "",
                     row.refusal});
  }
}

} // namespace orrery
