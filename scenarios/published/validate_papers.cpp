#include "scenarios/published/validate_papers.hpp"

#include "scenarios/published/claim_metrics.hpp"

#include "scenarios/data_files.hpp"
#include "scenarios/document_loads.hpp"
#include "scenarios/published/validate_papers_tables.hpp"
#include "scenarios/scenario_tables.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

namespace orrery {

namespace {

yaml::Node changed(yaml::Node document, const ByPath<yaml::Node>& values, Diagnostics& diagnostics) {
  for (const auto& entry : values)
    set_path(document, entry.path, entry.value, entry.where, scenario_table(), diagnostics);
  return document;
}

/// The documents of a run: one, or one for each variant. Those of earlier runs are in `before`, without their variants.
std::vector<yaml::Node> documents_of(const ClaimRun& run, std::map<std::string, yaml::Node>& before, Diagnostics& diagnostics) {
  yaml::Node document = run.scenario ? *run.scenario : before.at(run.from);
  if (run.set)
    document = changed(std::move(document), *run.set, diagnostics);
  before[run.name] = document;
  if (!run.best_of)
    return {document};
  std::vector<yaml::Node> variants;
  for (const auto& values : *run.best_of)
    variants.push_back(changed(document, values, diagnostics));
  return variants;
}

/// "tp 4, pp 16": the last parts of the paths.
std::string described(const ByPath<yaml::Node>& values) {
  std::string text;
  for (const auto& entry : values)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", entry.path.substr(entry.path.rfind('.') + 1), value_text(entry.value));
  return text;
}

TrainingResult first_job(const Scenario& scenario, Fidelity method) {
  return std::move(run_scenario(scenario, {.fidelity = method}).jobs.front());
}

/// Of the variants, the one that serves most; of priced ones that serve tasks, the cheapest that keeps its bounds.
ServingResult best_serving(const std::vector<Scenario>& variants, std::size_t& best) {
  std::optional<ServingResult> most;
  const auto rate = [](const ServingResult& job) {
    if (job.tasks && job.priced)
      return job.attainment >= job.attainment_due ? 1 / job.cost_per_request.si() : 0;
    return job.goodput ? job.goodput->rate : job.output_tokens_per_second;
  };
  for (std::size_t i = 0; i < variants.size(); ++i) {
    ServingResult job = std::move(run_scenario(variants[i]).serving.front());
    if (most && (!job.violations.empty() || (most->violations.empty() && rate(job) <= rate(*most))))
      continue;
    most = std::move(job);
    best = i;
  }
  return std::move(*most);
}

/// The one variant, or the fastest that fits by the claim's method: by estimate, but where that takes unequal passes for equal ones.
TrainingResult best_job(const std::vector<Scenario>& variants, Fidelity method, std::size_t& best) {
  best = 0;
  Seconds fastest;
  for (std::size_t i = 0; variants.size() > 1 && i < variants.size(); ++i) {
    const bool unequal = has_unequal_passes(variants[i].jobs.front());
    const TrainingResult job = first_job(variants[i], unequal ? method : Fidelity::estimate);
    if (!job.violations.empty() || (fastest.si() > 0 && job.step_time >= fastest))
      continue;
    fastest = job.step_time;
    best = i;
  }
  return first_job(variants[best], method);
}

RunOutcome outcome_of(const ClaimRun& run, const Ran& ran, std::size_t variant) {
  RunOutcome outcome{.name = run.name};
  if (run.best_of)
    outcome.chosen = described((*run.best_of)[variant]);
  if (ran.serving) {
    outcome.devices = ran.serving->devices;
    outcome.violations = ran.serving->violations;
    outcome.mfu_full = ran.serving->mfu;
    return outcome;
  }
  if (!ran.job) {
    outcome.devices = static_cast<int>(ran.fleet);
    return outcome;
  }
  outcome.devices = ran.job->devices;
  outcome.step = ran.job->step_time;
  outcome.violations = ran.job->violations;
  if (outcome.violations.empty())
    outcome.mfu_full = ran.job->flop_rates.front().utilisation;
  return outcome;
}

/// Precondition: at least as many values as the formula takes.
double combined(FigureFormula formula, const std::vector<double>& values) {
  switch (formula) {
  case FigureFormula::value:
    return values[0];
  case FigureFormula::ratio:
    return values[0] / values[1];
  case FigureFormula::gain:
    return values[0] / values[1] - 1;
  case FigureFormula::saving:
    return 1 - values[0] / values[1];
  case FigureFormula::geometric_mean: {
    double sum = 0;
    for (std::size_t i = 0; i < values.size(); i += 2)
      sum += std::log(values[i] / values[i + 1]);
    return std::exp(2 * sum / static_cast<double>(values.size()));
  }
  case FigureFormula::largest: {
    double most = values[0] / values[1];
    for (std::size_t i = 2; i < values.size(); i += 2)
      most = std::max(most, values[i] / values[i + 1]);
    return most;
  }
  case FigureFormula::falling:
    return std::ranges::adjacent_find(values, [](double a, double b) { return b >= a; }) == values.end() ? 1 : 0;
  }
  return 0;
}

/// SI units in one of the figure's.
double size_of(FigureUnit unit) {
  switch (unit) {
  case FigureUnit::percent:
    return 0.01;
  case FigureUnit::teraflops:
    return 1e12;
  case FigureUnit::petaflops:
    return 1e15;
  case FigureUnit::gigabytes:
    return 1e9;
  case FigureUnit::milliseconds:
    return 1e-3;
  case FigureUnit::none:
  case FigureUnit::times:
  case FigureUnit::seconds:
    break;
  }
  return 1;
}

bool is_met(const ClaimFigure& figure, double value) {
  if (figure.formula == FigureFormula::falling)
    return value > 0;
  // The last bits of a share that was computed do not decide whether it is at the bound.
  constexpr double rounding = 1e-9;
  const double distance = figure.published ? std::abs(value - *figure.published) : 0;
  if (figure.within_percent)
    return distance <= *figure.within_percent / 100 * std::abs(*figure.published) + rounding;
  if (figure.within)
    return distance <= *figure.within + rounding;
  return (!figure.min || value >= *figure.min - rounding) && (!figure.max || value <= *figure.max + rounding);
}

std::string published_text(const ClaimFigure& figure) {
  if (!figure.says.empty())
    return figure.says;
  const std::string unit = unit_word(figure.unit);
  return fmt::format("{:.6g}{}{}", *figure.published, unit.empty() ? "" : " ", unit);
}

FigureOutcome outcome_of(const ClaimFigure& figure, const std::map<std::string, Ran>& ran) {
  FigureOutcome outcome{.name = figure.name,
                        .published = published_text(figure),
                        .simulated = {},
                        .unit = figure.unit,
                        .is_order = figure.formula == FigureFormula::falling,
                        .note = figure.contradicts};
  if (!figure.needs.empty()) {
    outcome.verdict = Verdict::not_expressible;
    outcome.note = figure.needs;
    return outcome;
  }
  std::vector<double> values;
  for (const std::string& name : figure.runs) {
    const Ran& run = ran.at(name);
    const std::optional<double> value = metric_of(run, figure.metric);
    if (!value) {
      outcome.note = name + ": " + (run.violation() != nullptr ? *run.violation() : "has no such metric");
      return outcome;
    }
    values.push_back(*value);
  }
  outcome.simulated = combined(figure.formula, values) / (outcome.is_order ? 1 : size_of(figure.unit));
  if (!figure.contradicts.empty())
    outcome.verdict = Verdict::contradictory;
  else if (is_met(figure, *outcome.simulated))
    outcome.verdict = Verdict::met;
  return outcome;
}

/// A figure that its own source contradicts decides only where there is no other.
Verdict verdict_of(const std::vector<FigureOutcome>& figures) {
  const auto count = [&](Verdict verdict) {
    return static_cast<std::size_t>(std::ranges::count(figures, verdict, &FigureOutcome::verdict));
  };
  if (count(Verdict::contradictory) == figures.size())
    return Verdict::contradictory;
  if (count(Verdict::not_expressible) + count(Verdict::contradictory) == figures.size())
    return Verdict::not_expressible;
  return count(Verdict::not_met) + count(Verdict::not_expressible) > 0 ? Verdict::not_met : Verdict::met;
}

} // namespace

double ClaimFleet::devices() const {
  FlopsPerSecond peak;
  for (const ComputeUnit& unit : device.units)
    if (const auto found = unit.peak.find(precision); found != unit.peak.end())
      peak = std::max(peak, found->second);
  return std::ceil(6 * parameters * tokens / (peak.si() * mfu * life.si()));
}

Claim load_claim(const std::string& file) {
  Diagnostics diagnostics;
  const yaml::Node root = yaml::read_yaml_file(file);
  Claim claim = claim_table().read(root, diagnostics);
  diagnostics.throw_if_any();
  std::map<std::string, yaml::Node> before;
  for (std::size_t i = 0; i < claim.runs.size(); ++i) {
    ClaimRun& run = claim.runs[i];
    if (run.fleet)
      continue;
    if (!run.from.empty() && !run.best_of)
      run.best_of = std::ranges::find(claim.runs, run.from, &ClaimRun::name)->best_of;
    if (!run.scenario && !before.contains(run.from)) {
      diagnostics.add(root.location, fmt::format("runs.{}.from", i), shown(run.from) + " is a fleet", "a run with a scenario");
      break;
    }
    for (const yaml::Node& document : documents_of(run, before, diagnostics))
      static_cast<void>(scenario_table().read(document, diagnostics, fmt::format("runs.{}.scenario", i)));
  }
  diagnostics.throw_if_any();
  return claim;
}

std::vector<std::string> claim_files() {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(data_file("scenarios/papers/claims")))
    if (entry.is_regular_file() && entry.path().extension() == ".yaml")
      files.push_back(entry.path().string());
  std::ranges::sort(files);
  return files;
}

ClaimOutcome check_claim(const Claim& claim, std::optional<std::uint64_t> seed) {
  ClaimOutcome outcome{
      .id = claim.id, .title = claim.title, .text = claim.text, .source = claim.source, .priority = claim.priority, .setup = claim.setup};
  std::map<std::string, Ran> ran;
  std::map<std::string, yaml::Node> before;
  Diagnostics none;
  for (const ClaimRun& run : claim.runs) {
    Ran& now = ran[run.name];
    std::size_t variant = 0;
    if (run.fleet) {
      now.fleet = run.fleet->devices();
    } else {
      std::vector<Scenario> variants;
      for (const yaml::Node& document : documents_of(run, before, none)) {
        Scenario& scenario = variants.emplace_back(scenario_table().read(document, none));
        scenario.simulation.seed = seed.value_or(scenario.simulation.seed);
      }
      if (variants.front().jobs.front().serving)
        now.serving = best_serving(variants, variant);
      else
        now.job = best_job(variants, claim.method, variant);
    }
    outcome.runs.push_back(outcome_of(run, now, variant));
  }
  for (const ClaimFigure& figure : claim.figures)
    outcome.figures.push_back(outcome_of(figure, ran));
  outcome.verdict = verdict_of(outcome.figures);
  if (outcome.verdict != Verdict::met)
    outcome.missing = claim.missing;
  return outcome;
}

} // namespace orrery
