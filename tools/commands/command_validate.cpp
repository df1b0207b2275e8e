// `orrery validate`: predictions against published measurements.
#include "scenarios/error_band.hpp"
#include "scenarios/published/validate.hpp"
#include "scenarios/published/validate_papers.hpp"
#include "scenarios/published/validate_ranking.hpp"
#include "sim/base/diagnostics.hpp"
#include "sim/base/quantity_text.hpp"
#include "tools/commands/command.hpp"
#include "tools/commands/output.hpp"
#include "tools/reports/kernels_report.hpp"
#include "tools/reports/papers_report.hpp"
#include "tools/reports/text.hpp"
#include "tools/reports/validation_report.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery {

namespace {

void write_rows(std::ostream& out, const TrainingValidation& validation) {
  out << csv_line({"group", "id", "measured_s", "predicted_s", "error_pct", "refusal", "plan"});
  for (const ScoredRow& row : validation.rows) {
    const bool predicted = row.refusal.empty();
    out << csv_line({row.group, row.id, exact_number(row.measured), predicted ? exact_number(row.predicted) : "",
                     predicted ? fmt::format("{:.3f}", 100 * row.error) : "", row.refusal, row.plan});
  }
}

std::vector<std::string> reasons(const TrainingValidation& validation) {
  std::vector<std::string> found;
  for (const ScoredRow& row : validation.rows)
    if (!row.refusal.empty())
      found.push_back(row.refusal);
  return found;
}

/// How well the order of plans is predicted; nothing where no two rows share a setting.
std::string ranking(const TrainingValidation& validation, const Style& style) {
  const RankAgreement pooled = pooled_rank_agreement(validation.rows);
  if (pooled.pairs() == 0)
    return {};
  Columns columns({Align::left, Align::right, Align::right, Align::right, Align::right, Align::right});
  columns.row({"group", "settings", "pairs", "Kendall tau", "mean regret", "worst"});
  const auto add = [&](const std::string& name, const RankAgreement& found) {
    if (found.settings > 0)
      columns.row({name, std::to_string(found.settings), std::to_string(found.pairs()),
                   found.pairs() > 0 ? fmt::format("{:.2f}", found.tau) : "-", percent(found.mean_regret), percent(found.worst_regret)});
  };
  for (const std::string& group : ranked_groups()) {
    std::vector<ScoredRow> rows;
    for (const ScoredRow& row : validation.rows)
      if (row.group == group)
        rows.push_back(row);
    add(group, rank_agreement(rows));
  }
  add("pooled", pooled);
  return style.section("Order of plans at equal model, devices and batch") + columns.str() + "  " +
         style.faint(wrap(fmt::format("pairs measured more than {:.0f}% apart; regret: how much slower than the fastest measured plan the "
                                      "plan predicted fastest is",
                                      100 * ranking_resolution),
                          page_width, 2)) +
         "\n";
}

std::string band(const TrainingValidation& validation) {
  const BandScore score = score_error_bands(validation);
  if (score.half_width == 0)
    return {}; // a kind of run in one group only
  return fmt::format("\nThe error band, derived without a row's own group, holds {} of the rows; median half-width {}\n",
                     percent(score.holds), percent(score.half_width));
}

ValidationScope scope_of(const Arguments& arguments) {
  return {.file = arguments.text("--data"), .left_out = arguments.all("--leave-out")};
}

Exit validate_steps(const Arguments& arguments, Console& console) {
  TrainingValidation validation;
  {
    const Progress progress(console.error, "predicting", console.progress);
    validation = validate_training(scope_of(arguments));
  }
  if (arguments.has("--rows"))
    write_file(arguments.text("--rows"), [&](std::ostream& out) { write_rows(out, validation); });
  const Style style{.colour = console.colour};
  console.out << style.heading("Absolute error of the step time, prediction against published measurement") << '\n'
              << score_table(validation.groups, validation.macro) << ranking(validation, style) << band(validation)
              << refusals_text(reasons(validation));
  return Exit::ok;
}

Exit validate_requests(const Arguments& arguments, Console& console) {
  ServingValidation validation;
  {
    const Progress progress(console.error, "simulating", console.progress);
    validation = validate_serving(scope_of(arguments));
  }
  if (arguments.has("--rows"))
    write_file(arguments.text("--rows"), [&](std::ostream& out) { write_serving_rows(out, validation); });
  console.out << serving_text(validation, Style{.colour = console.colour});
  return Exit::ok;
}

/// The claims that the user asks for; all where none is named. Every file is read, and every mistake reported, before the first runs.
std::vector<Claim> wanted_claims(const std::vector<std::string>& files, const std::vector<std::string>& ids) {
  std::vector<Claim> claims;
  std::vector<std::string> known;
  Diagnostics diagnostics;
  for (const std::string& file : files.empty() ? claim_files() : files) {
    try {
      claims.push_back(load_claim(file));
      known.push_back(claims.back().id);
    } catch (const UserError& error) {
      diagnostics.append(error.diagnostics());
    }
  }
  for (const std::string& id : ids)
    if (diagnostics.empty() && std::ranges::find(known, id) == known.end())
      diagnostics.add({.path = "--claim",
                       .message = shown(id),
                       .allowed = fmt::format("{}", fmt::join(known, ", ")),
                       .suggestion = did_you_mean(id, known)});
  diagnostics.throw_if_any();
  if (!ids.empty())
    std::erase_if(claims, [&](const Claim& claim) { return std::ranges::find(ids, claim.id) == ids.end(); });
  return claims;
}

Exit validate_papers(const Arguments& arguments, Console& console) {
  const std::vector<Claim> claims = wanted_claims(arguments.all("--file"), arguments.all("--claim"));
  const std::optional<std::uint64_t> seed = arguments.seed();
  std::vector<ClaimOutcome> outcomes;
  {
    const Progress progress(console.error, "simulating", console.progress);
    for (const Claim& claim : claims)
      outcomes.push_back(check_claim(claim, seed));
  }
  const std::string format = arguments.text("--format", "text");
  if (format == "csv")
    write_claims_csv(console.out, outcomes);
  else if (format == "json")
    write_claims_json(console.out, outcomes);
  else
    console.out << claims_text(outcomes, arguments.has("--claim") || arguments.has("--file"), Style{.colour = console.colour});
  const bool met = std::ranges::all_of(outcomes, [](const ClaimOutcome& claim) { return claim.verdict == Verdict::met; });
  return met || !arguments.has("--strict") ? Exit::ok : Exit::expectation;
}

Exit validate_kernel_times(const Arguments& arguments, Console& console) {
  KernelValidation validation;
  {
    const Progress progress(console.error, "predicting", console.progress);
    validation = validate_kernels(arguments.text("--data"));
  }
  if (arguments.has("--rows"))
    write_file(arguments.text("--rows"), [&](std::ostream& out) { write_kernel_rows(out, validation); });
  console.out << kernels_text(validation, Style{.colour = console.colour});
  return Exit::ok;
}

Exit run_validate(const Arguments& arguments, Console& console) {
  const std::string what = arguments.text("WHAT");
  std::vector<std::string> others{"--claim", "--file", "--format", "--seed", "--strict"};
  if (what == "papers")
    others = {"--data", "--rows", "--leave-out"};
  else if (what == "kernels")
    others.emplace_back("--leave-out");
  for (const std::string& option : others)
    if (arguments.has(option))
      throw UserError(fmt::format("{}: not with 'validate {}'", option, what));
  if (what == "papers")
    return validate_papers(arguments, console);
  if (what == "kernels")
    return validate_kernel_times(arguments, console);
  return what == "serving" ? validate_requests(arguments, console) : validate_steps(arguments, console);
}

} // namespace

Command validate_command_row() {
  return {
      .name = "validate",
      .summary = "scores predictions against published measurements and claims",
      .details =
          "training: step times; bias is the mean of predicted / measured - 1; columns of --rows: group, id, measured_s, predicted_s, "
          "error_pct, refusal, plan. serving: throughput, times to first and per output token; columns of --rows: group, id, class, "
          "metric, software, measured, predicted, error_pct, refusal, layout, not_scored. kernels: times of single kernels, by device, "
          "kind and precision. papers: the claims of scenarios/papers/claims, each by its own check. --leave-out hopper shows how far a "
          "prediction is off on "
          "machines whose kernels nobody measured. Exit status: 0 it ran; 2 an input is wrong; 4 with --strict, a claim is not met.",
      .options = {{.name = "WHAT",
                   .kind = OptionKind::positional,
                   .value = {},
                   .help = "which measurements",
                   .required = true,
                   .choices = {"training", "serving", "kernels", "papers"}},
                  {.name = "--data", .value = "FILE.csv", .help = "measurements other than the project's own; of kernels, a folder"},
                  {.name = "--rows", .value = "OUT.csv", .help = "writes one line per measured row"},
                  {.name = "--leave-out",
                   .kind = OptionKind::values,
                   .value = "ARCHITECTURE",
                   .help = "of training and serving, only rows of its devices, predicted without its kernels; may be repeated"},
                  {.name = "--claim",
                   .kind = OptionKind::values,
                   .value = "ID",
                   .help = "of the papers, only this claim, with its set-up; may be repeated"},
                  {.name = "--file",
                   .kind = OptionKind::values,
                   .value = "CLAIM.yaml",
                   .help = "a claim of yours instead of the papers; may be repeated"},
                  {.name = "--seed", .value = "N", .help = "of every random stream of the papers' runs, to see what it does to a verdict"},
                  {.name = "--format",
                   .value = "FORMAT",
                   .help = "form of the answer about papers",
                   .choices = {"text", "csv", "json"},
                   .otherwise = "text"},
                  {.name = "--strict", .kind = OptionKind::flag, .value = {}, .help = "a claim that is not met is exit status 4"}},
      .run = run_validate};
}

} // namespace orrery
