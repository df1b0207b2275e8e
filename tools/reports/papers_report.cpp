#include "tools/reports/papers_report.hpp"

#include "scenarios/published/validate_papers_tables.hpp"
#include "tools/reports/json_object.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery {

namespace {

constexpr Verdict verdicts[] = {Verdict::met, Verdict::not_met, Verdict::contradictory, Verdict::not_expressible};

std::string simulated_text(const FigureOutcome& figure) {
  if (!figure.simulated)
    return "-";
  if (figure.is_order)
    return *figure.simulated > 0 ? "in this order" : "in another order";
  const std::string unit = unit_word(figure.unit);
  return fmt::format("{:.4g}{}{}", *figure.simulated, unit.empty() ? "" : " ", unit);
}

std::string coloured(Verdict verdict, const Style& style) {
  return verdict == Verdict::met ? style.good(verdict_word(verdict)) : style.bad(verdict_word(verdict));
}

std::string figures_text(const ClaimOutcome& claim, const Style& style) {
  Columns columns({Align::left, Align::right, Align::right, Align::left});
  for (const FigureOutcome& figure : claim.figures)
    columns.row({figure.name, figure.published, simulated_text(figure), coloured(figure.verdict, style)});
  std::string text = columns.str();
  for (const FigureOutcome& figure : claim.figures)
    if (!figure.note.empty())
      text += "    " + style.faint(wrap(figure.name + ": " + figure.note, page_width - 4, 6)) + "\n";
  return text;
}

std::string runs_text(const ClaimOutcome& claim, const Style& style) {
  std::string text;
  for (const RunOutcome& run : claim.runs) {
    std::string line = fmt::format("{}: {} devices", run.name, grouped(run.devices));
    if (!run.violations.empty())
      line += ", infeasible: " + run.violations.front();
    else if (run.step.si() > 0)
      line += fmt::format(", step {}, MFU {}", fixed(run.step), percent(run.mfu_full));
    if (!run.chosen.empty())
      line += ", chosen " + run.chosen;
    text += "    " + style.faint(wrap(line, page_width - 4, 6)) + "\n";
  }
  return text;
}

std::string claim_text(const ClaimOutcome& claim, bool full, const Style& style) {
  std::string text =
      fmt::format("{}: {}  ({} priority)\n", style.heading(claim.id + " " + claim.title), coloured(claim.verdict, style), claim.priority);
  if (full)
    text += "  " + wrap(claim.text, page_width - 2, 2) + "\n  " + wrap("Source: " + claim.source, page_width - 2, 4) + "\n  " +
            wrap("Set-up: " + claim.setup, page_width - 2, 4) + "\n";
  text += figures_text(claim, style);
  if (full)
    text += runs_text(claim, style);
  if (!claim.missing.empty())
    text += "  " + wrap("Missing: " + claim.missing, page_width - 2, 4) + "\n";
  return text;
}

OrderedJson figure_json(const FigureOutcome& figure) {
  OrderedJson out = {{"name", figure.name}, {"published", figure.published}};
  if (figure.simulated && figure.is_order)
    out["in_order"] = *figure.simulated > 0;
  else if (figure.simulated)
    out["simulated"] = *figure.simulated;
  out["unit"] = unit_word(figure.unit);
  out["verdict"] = verdict_word(figure.verdict);
  if (!figure.note.empty())
    out["note"] = figure.note;
  return out;
}

OrderedJson run_json(const RunOutcome& run) {
  OrderedJson out = {{"name", run.name}, {"devices", run.devices}};
  if (run.step.si() > 0) {
    out["step_time_s"] = run.step.si();
    out["mfu_full"] = run.mfu_full;
  }
  if (!run.chosen.empty())
    out["chosen"] = run.chosen;
  if (!run.violations.empty())
    out["violations"] = run.violations;
  return out;
}

} // namespace

std::string verdict_word(Verdict verdict) {
  switch (verdict) {
  case Verdict::met:
    return "met";
  case Verdict::not_met:
    return "not met";
  case Verdict::contradictory:
    return "contradictory";
  case Verdict::not_expressible:
    return "not expressible";
  }
  return {};
}

std::string claims_text(const std::vector<ClaimOutcome>& claims, bool full, const Style& style) {
  std::string text = style.heading("Published claims: figure, published, simulated, verdict") + "\n\n";
  for (const ClaimOutcome& claim : claims)
    text += claim_text(claim, full, style) + "\n";
  std::string counts;
  for (const Verdict verdict : verdicts)
    if (const auto count = std::ranges::count(claims, verdict, &ClaimOutcome::verdict); count > 0)
      counts += fmt::format("{}{} {}", counts.empty() ? "" : ", ", count, verdict_word(verdict));
  return text + fmt::format("{} claims: {}\n", claims.size(), counts);
}

void write_claims_csv(std::ostream& out, const std::vector<ClaimOutcome>& claims) {
  out << csv_line({"claim", "priority", "claim_verdict", "figure", "published", "simulated", "unit", "verdict", "note", "missing"});
  for (const ClaimOutcome& claim : claims)
    for (const FigureOutcome& figure : claim.figures)
      out << csv_line({claim.id, claim.priority, verdict_word(claim.verdict), figure.name, figure.published,
                       figure.simulated ? exact_number(*figure.simulated) : "", unit_word(figure.unit), verdict_word(figure.verdict),
                       figure.note, claim.missing});
}

void write_claims_json(std::ostream& out, const std::vector<ClaimOutcome>& claims) {
  OrderedJson list = OrderedJson::array();
  for (const ClaimOutcome& claim : claims) {
    OrderedJson figures = OrderedJson::array();
    for (const FigureOutcome& figure : claim.figures)
      figures.push_back(figure_json(figure));
    OrderedJson runs = OrderedJson::array();
    for (const RunOutcome& run : claim.runs)
      runs.push_back(run_json(run));
    OrderedJson one = {{"claim", claim.id},
                       {"title", claim.title},
                       {"text", claim.text},
                       {"source", claim.source},
                       {"priority", claim.priority},
                       {"setup", claim.setup},
                       {"verdict", verdict_word(claim.verdict)},
                       {"figures", std::move(figures)},
                       {"runs", std::move(runs)}};
    if (!claim.missing.empty())
      one["missing"] = claim.missing;
    list.push_back(std::move(one));
  }
  out << OrderedJson{{"claims", std::move(list)}}.dump(2) << '\n';
}

} // namespace orrery
