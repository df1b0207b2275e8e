#include "tools/reports/validation_report.hpp"

#include "tools/commands/output.hpp"

#include <fmt/format.h>

namespace orrery {

namespace {

std::vector<std::string> score_cells(const GroupScore& score) {
  std::vector<std::string> cells = {score.group, std::to_string(score.rows), std::to_string(score.predicted)};
  if (score.predicted == 0) {
    cells.resize(7, "-");
    return cells;
  }
  for (const double error : {score.mean, score.median, score.p90})
    cells.push_back(percent(error));
  cells.push_back(signed_percent(score.bias));
  return cells;
}

} // namespace

std::string score_table(const std::vector<GroupScore>& groups, const GroupScore& macro) {
  Columns columns({Align::left, Align::right, Align::right, Align::right, Align::right, Align::right, Align::right});
  columns.row({"group", "rows", "predicted", "mean", "median", "P90", "bias"});
  for (const GroupScore& group : groups)
    columns.row(score_cells(group));
  GroupScore last = macro;
  last.group = "mean over groups";
  columns.row(score_cells(last));
  return columns.str();
}

std::string refusals_text(const std::vector<std::string>& reasons) {
  std::vector<std::pair<std::string, int>> counted;
  for (const std::string& reason : reasons) {
    auto found = counted.begin();
    while (found != counted.end() && found->first != reason)
      ++found;
    if (found == counted.end())
      counted.emplace_back(reason, 1);
    else
      ++found->second;
  }
  std::string out;
  for (const auto& [reason, count] : counted)
    out += wrap(fmt::format("  {:>3} x {}", count, reason), page_width, 8) + "\n";
  return out.empty() ? out : "\nRows without a prediction\n" + out;
}

namespace {

std::string request_run_text(const RequestRunScore& run, const Style& style) {
  Columns columns({Align::left, Align::right, Align::right, Align::right, Align::right, Align::right, Align::right, Align::right});
  columns.row({"latency", "median", "predicted", "error", "P99", "predicted", "error", "per request"});
  for (const LatencyScore& each : run.latencies) {
    const auto ms = [](double seconds) { return fmt::format("{:.1f} ms", 1e3 * seconds); };
    columns.row({each.metric, ms(each.measured_median), ms(each.predicted_median),
                 signed_percent(each.predicted_median / each.measured_median - 1), ms(each.measured_p99), ms(each.predicted_p99),
                 signed_percent(each.predicted_p99 / each.measured_p99 - 1), percent(each.request_error)});
  }
  return style.section(fmt::format("A published run, request by request ({} requests)", run.requests)) + columns.str();
}

} // namespace

std::string serving_text(const ServingValidation& validation, const Style& style) {
  std::string out;
  for (const ServingClassScore& scored : validation.classes)
    out += style.heading(class_title(scored.kind)) + "\n" + score_table(scored.groups, scored.macro) + "\n";
  const ServingOrder& order = validation.order;
  if (order.pairs > 0)
    out += style.heading("Order of configurations at equal model, device, lengths and concurrency") + "\n" +
           fmt::format("  Kendall tau {:.2f} over {} pairs of {} settings measured more than 10% apart; {:.2f} as a mean over groups\n",
                       order.tau, order.pairs, order.settings, order.group_tau);
  if (validation.run)
    out += request_run_text(*validation.run, style);
  std::vector<std::string> reasons;
  int flagged = 0;
  int fitted = 0;
  for (const ScoredServing& row : validation.rows) {
    flagged += row.flagged ? 1 : 0;
    fitted += row.fitted && !row.flagged ? 1 : 0;
    if (row.counts() && !row.refusal.empty())
      reasons.push_back(row.refusal);
  }
  out += fmt::format("\n{} figures; {} not scored because their source doubts them, {} because host constants were fitted on them\n",
                     validation.rows.size(), flagged, fitted);
  return out + refusals_text(reasons);
}

void write_serving_rows(std::ostream& out, const ServingValidation& validation) {
  out << csv_line({"group", "id", "class", "metric", "software", "measured", "predicted", "error_pct", "refusal", "layout", "not_scored"});
  for (const ScoredServing& row : validation.rows) {
    const bool predicted = row.refusal.empty();
    out << csv_line({row.group, row.id, class_word(row.kind), row.metric, row.software, exact_number(row.measured),
                     predicted ? exact_number(row.predicted) : "", predicted ? fmt::format("{:.3f}", 100 * row.error) : "", row.refusal,
                     row.layout,
                     row.flagged  ? "doubted"
                     : row.fitted ? "fitted"
                                  : ""});
  }
}

} // namespace orrery
