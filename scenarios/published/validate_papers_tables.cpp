#include "scenarios/published/validate_papers_tables.hpp"

#include "hardware/catalogue.hpp"
#include "hardware/tables.hpp"
#include "hardware/words.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery {

namespace {

const Choices<FigureUnit>& unit_words() {
  static const Choices<FigureUnit> words = {{"", FigureUnit::none},
                                            {"%", FigureUnit::percent},
                                            {"x", FigureUnit::times},
                                            {"TFLOP/s", FigureUnit::teraflops},
                                            {"PFLOP/s", FigureUnit::petaflops},
                                            {"GB", FigureUnit::gigabytes},
                                            {"s", FigureUnit::seconds},
                                            {"ms", FigureUnit::milliseconds}};
  return words;
}

const Choices<FigureFormula>& formula_words() {
  static const Choices<FigureFormula> words = {{"value", FigureFormula::value},
                                               {"ratio", FigureFormula::ratio},
                                               {"gain", FigureFormula::gain},
                                               {"saving", FigureFormula::saving},
                                               {"geometric_mean", FigureFormula::geometric_mean},
                                               {"largest", FigureFormula::largest},
                                               {"falling", FigureFormula::falling}};
  return words;
}

const Choices<ClaimMetric>& metric_words() {
  static const Choices<ClaimMetric> words = {{"step_time", ClaimMetric::step_time},
                                             {"tokens_per_second", ClaimMetric::tokens_per_second},
                                             {"tokens_per_second_per_device", ClaimMetric::tokens_per_second_per_device},
                                             {"mfu_full", ClaimMetric::mfu_full},
                                             {"mfu_causal", ClaimMetric::mfu_causal},
                                             {"hfu", ClaimMetric::hfu},
                                             {"flops_full", ClaimMetric::flops_full},
                                             {"flops_causal", ClaimMetric::flops_causal},
                                             {"flops_executed", ClaimMetric::flops_executed},
                                             {"job_flops_full", ClaimMetric::job_flops_full},
                                             {"job_flops_executed", ClaimMetric::job_flops_executed},
                                             {"memory", ClaimMetric::memory},
                                             {"memory_traffic", ClaimMetric::memory_traffic},
                                             {"devices", ClaimMetric::devices},
                                             {"ttft_mean", ClaimMetric::ttft_mean},
                                             {"ttft_p50", ClaimMetric::ttft_p50},
                                             {"ttft_p99", ClaimMetric::ttft_p99},
                                             {"tpot_mean", ClaimMetric::tpot_mean},
                                             {"tpot_p50", ClaimMetric::tpot_p50},
                                             {"tpot_p99", ClaimMetric::tpot_p99},
                                             {"itl_p50", ClaimMetric::itl_p50},
                                             {"itl_p99", ClaimMetric::itl_p99},
                                             {"end_to_end_mean", ClaimMetric::end_to_end_mean},
                                             {"end_to_end_p99", ClaimMetric::end_to_end_p99},
                                             {"requests_per_second", ClaimMetric::requests_per_second},
                                             {"output_tokens_per_second", ClaimMetric::output_tokens_per_second},
                                             {"output_tokens_per_second_per_device", ClaimMetric::output_tokens_per_second_per_device},
                                             {"all_tokens_per_second_per_device", ClaimMetric::all_tokens_per_second_per_device},
                                             {"attainment", ClaimMetric::attainment},
                                             {"goodput", ClaimMetric::goodput},
                                             {"goodput_per_device", ClaimMetric::goodput_per_device},
                                             {"energy_per_output_token", ClaimMetric::energy_per_output_token},
                                             {"cost_per_request", ClaimMetric::cost_per_request},
                                             {"rollout_tokens_per_second", ClaimMetric::rollout_tokens_per_second},
                                             {"kv_tokens", ClaimMetric::kv_tokens},
                                             {"fits", ClaimMetric::fits}};
  return words;
}

const Table<ClaimFleet>& fleet_table() {
  using F = ClaimFleet;
  static const Table<F> table =
      Table<F>("fleet", "Devices that a training run wears out: 6 x parameters x tokens / (peak x mfu x life).")
          .count("parameters", &F::parameters, {.min = 1, .max = 9e15, .required = true, .help = "that a token meets"})
          .count("tokens", &F::tokens, {.min = 1, .max = 9e15, .required = true, .help = "of the whole run"})
          .reference("device", &F::device, device_table(), device_catalogue(), {.required = true, .help = "what computes them"})
          .choice("precision", &F::precision, precision_words(), {.help = "of the peak"})
          .number("mfu", &F::mfu, {.above = 0, .max = 1, .required = true, .help = "share of the peak"})
          .quantity("life", &F::life, {.above = Seconds{}, .unit_hint = "y", .required = true, .help = "of a device; a year has 365 days"});
  return table;
}

const Table<ClaimRun>& run_table() {
  using R = ClaimRun;
  static const Table<R> table = Table<R>("run", "A set-up that a claim is tried on.")
                                    .text("name", &R::name, {.required = true, .help = "by which figures name it"})
                                    .value("scenario", &R::scenario, document_codec(), {.help = "a shipped one, a file, or a map"})
                                    .text("from", &R::from, {.help = "an earlier run that it starts from instead"})
                                    .value("set", &R::set, assignments_codec(), {.help = "what differs, by path"})
                                    .value("best_of", &R::best_of, assignment_lists_codec(),
                                           {.help = "variants, on top of `set`; the fastest that fits, or the cheapest that keeps the "
                                                    "bounds of tasks, stands for the run; those of `from` where not given"})
                                    .object("fleet", &R::fleet, fleet_table(), {.help = "arithmetic instead of a scenario"})
                                    .check([](const R& run, const Report& report) {
                                      if (run.scenario.has_value() + !run.from.empty() + run.fleet.has_value() != 1)
                                        report.error("", "not one kind of run", "one of scenario, from, fleet");
                                      if (run.fleet && (run.set || run.best_of))
                                        report.error("fleet", "beside what differs", "a fleet alone");
                                    });
  return table;
}

/// How many runs a formula takes.
void check_operands(const ClaimFigure& figure, const Report& report) {
  const std::size_t runs = figure.runs.size();
  const auto expect = [&](bool right, const char* allowed) {
    if (!right)
      report.error("runs", fmt::format("{} runs", runs), allowed);
  };
  switch (figure.formula) {
  case FigureFormula::value:
    return expect(runs == 1, "one run");
  case FigureFormula::ratio:
  case FigureFormula::gain:
  case FigureFormula::saving:
    return expect(runs == 2, "two runs");
  case FigureFormula::geometric_mean:
  case FigureFormula::largest:
    return expect(runs >= 2 && runs % 2 == 0, "pairs of runs");
  case FigureFormula::falling:
    return expect(runs >= 2, "at least two runs");
  }
}

void check_figure(const ClaimFigure& figure, const Report& report) {
  if (!figure.needs.empty()) {
    if (!figure.runs.empty())
      report.error("runs", "runs of a figure that cannot be said", "no runs beside 'needs'");
    if (figure.says.empty() && !figure.published)
      report.error("", "no published figure", "says or published");
    return;
  }
  check_operands(figure, report);
  const int tolerances = figure.within_percent.has_value() + figure.within.has_value();
  const bool bounded = figure.min || figure.max;
  if (figure.formula == FigureFormula::falling) {
    if (tolerances > 0 || bounded || figure.published)
      report.error("formula", "an order beside numbers", "'says' alone");
    return;
  }
  if (tolerances + bounded != 1)
    report.error("", "not one check", "one of within_percent, within, or min and max");
  else if (tolerances == 1 && !figure.published)
    report.error("", "a tolerance without the figure that it belongs to", "published");
  if (figure.says.empty() && !figure.published)
    report.error("", "no published figure", "says or published");
}

const Table<ClaimFigure>& figure_table() {
  using F = ClaimFigure;
  static const Table<F> table = Table<F>("figure", "A published figure, how it follows from the runs, and its check.")
                                    .text("name", &F::name, {.required = true, .help = "what it is"})
                                    .choice("formula", &F::formula, formula_words(), {.help = "how it follows from the runs"})
                                    .choice("metric", &F::metric, metric_words(), {.help = "of each run"})
                                    .texts("runs", &F::runs, {.help = "in the order of the formula"})
                                    .choice("unit", &F::unit, unit_words(), {.help = "of all numbers of the figure"})
                                    .text("says", &F::says, {.help = "what was published, where it is no single number"})
                                    .number("published", &F::published, {.min = -1e30, .help = "figure"})
                                    .number("within_percent", &F::within_percent, {.help = "largest distance, of the published figure"})
                                    .number("within", &F::within, {.help = "largest distance, in the unit"})
                                    .number("min", &F::min, {.min = -1e30, .help = "smallest that is met"})
                                    .number("max", &F::max, {.min = -1e30, .help = "largest that is met"})
                                    .text("needs", &F::needs, {.help = "feature without which it cannot be said"})
                                    .text("contradicts", &F::contradicts, {.help = "how the source contradicts itself"})
                                    .check(check_figure);
  return table;
}

void check_names(const Claim& claim, const Report& report) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < claim.runs.size(); ++i) {
    const ClaimRun& run = claim.runs[i];
    if (std::ranges::find(names, run.name) != names.end())
      report.error(fmt::format("runs.{}.name", i), shown(run.name) + " is a run above", "a name of its own");
    if (!run.from.empty() && std::ranges::find(names, run.from) == names.end())
      report.error(fmt::format("runs.{}.from", i), "no run " + shown(run.from) + " above", {}, did_you_mean(run.from, names));
    names.push_back(run.name);
  }
  for (std::size_t i = 0; i < claim.figures.size(); ++i)
    for (std::size_t r = 0; r < claim.figures[i].runs.size(); ++r)
      if (const std::string& name = claim.figures[i].runs[r]; std::ranges::find(names, name) == names.end())
        report.error(fmt::format("figures.{}.runs.{}", i, r), "no run " + shown(name), {}, did_you_mean(name, names));
}

} // namespace

std::string unit_word(FigureUnit unit) { return choice_name(unit_words(), unit); }

const Table<Claim>& claim_table() {
  using C = Claim;
  static const Table<C> table =
      Table<C>("claim", "A published claim, the set-ups that it is tried on and its check.")
          .text("claim", &C::id, {.required = true, .help = "its identifier"})
          .text("title", &C::title, {.required = true, .help = "the system that it is about"})
          .text("text", &C::text, {.required = true, .help = "what is claimed"})
          .text("source", &C::source, {.required = true, .help = "where it was published"})
          .word("priority", &C::priority, {"high", "medium", "low"}, {.required = true, .help = "of the claim"})
          .text("setup", &C::setup, {.required = true, .help = "what the set-up takes from the source, and what it assumes"})
          .choice("method", &C::method, {{"estimate", Fidelity::estimate}, {"simulate", Fidelity::simulate}},
                  {.help = "closed form, or event by event"})
          .list("runs", &C::runs, run_table(), {.help = "set-ups"})
          .list("figures", &C::figures, figure_table(), {.required = true, .help = "published figures"})
          .text("missing", &C::missing, {.help = "physics that keeps the claim from being met"})
          .check([](const C& claim, const Report& report) {
            if (claim.figures.empty())
              report.error("figures", "an empty list", "at least one figure");
            check_names(claim, report);
          });
  return table;
}

} // namespace orrery
