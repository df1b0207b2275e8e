#include "tools/reports/plan_report.hpp"

#include "tools/reports/report_json.hpp"
#include "tools/reports/report_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace orrery {

namespace {

/// "sequence_parallel" as people write it.
std::string short_key(std::string_view key) {
  static const std::map<std::string_view, std::string> words = {
      {"micro_batch", "mb"},     {"sequence_parallel", "sp"},        {"virtual_stages", "chunks"},
      {"overlap_p2p", "ov-p2p"}, {"overlap_grad_reduce", "ov-grad"}, {"overlap_param_gather", "ov-param"}};
  const auto found = words.find(key);
  return found == words.end() ? std::string(key) : found->second;
}

std::string short_value(const std::string& value) { return value == "true" ? "yes" : value == "false" ? "no" : value; }

std::string objective_text(Objective objective) {
  switch (objective) {
  case Objective::time:
    return "least time per step";
  case Objective::energy:
    return "least energy per step";
  case Objective::cost:
    return "least cost per step";
  case Objective::mix:
    break;
  }
  return "the weighted mix of time, energy and cost";
}

double causal_mfu(const TrainingResult& result) {
  for (const FlopRate& rate : result.flop_rates)
    if (rate.convention == "causal attention")
      return rate.utilisation;
  return 0;
}

std::string space_text(const PlanSearch& search, const Style& style) {
  std::string out = style.section("Space", fmt::format("{} plans within the bounds", grouped(search.enumerated)));
  Columns columns({Align::right, Align::left});
  columns.row({grouped(search.costed), "feasible, each costed in closed form"});
  constexpr std::size_t most = 8;
  double rest = 0;
  for (std::size_t i = 0; i < search.reasons.size(); ++i) {
    if (i < most)
      columns.row({grouped(search.reasons[i].plans), clip(search.reasons[i].example, page_width - 20)});
    else
      rest += search.reasons[i].plans;
  }
  if (rest > 0)
    columns.row({grouped(rest), "for other reasons: --format json"});
  return out + columns.str();
}

std::string best_text(const PlanSearch& search, const Style& style) {
  const Finalist& best = search.finalists.front();
  const TrainingResult& result = best.simulated;
  Columns columns({Align::left, Align::right, Align::left});
  columns.row({"step time", style.heading(fixed(result.step_time)), range_text(result)});
  columns.row({"tokens/s", scaled(result.tokens_per_second), scaled(result.tokens_per_second_per_device) + " per device"});
  columns.row({"MFU", percent(causal_mfu(result)), "causal attention"});
  columns.row({"memory", percent(result.memory.total() / result.memory_capacity),
               fmt::format("{} of {}", fixed(result.memory.total()), format_quantity(result.memory_capacity))});
  columns.row({"energy", fixed(result.power.energy_per_step), "per step"});
  if (result.budget) {
    const Budget& budget = *result.budget;
    columns.row({"training", fixed(budget.time),
                 "to " + scaled(budget.tokens) + " tokens" + (budget.priced ? ", " + money(budget.cost) : "") +
                     (result.goodput ? ", failures included" : "")});
  }
  std::string out = style.heading("Best plan for " + search.model) + "  " + style.faint(objective_text(search.objective)) + "\n  " +
                    style.faint(search.cluster + ", " + search.software) + "\n\n  " +
                    style.good(wrap(plan_text(best.estimate.plan), page_width - 2, 2)) + "\n" + columns.str();
  if (search.given) {
    const double slower = search.given->objective / best.estimate.objective - 1;
    out += paragraph(search.better_than_given == 0
                         ? "The scenario's own plan is as good as any."
                         : fmt::format("The scenario's own plan is number {} of {}: {} behind the best.",
                                       grouped(search.better_than_given + 1), grouped(search.costed), percent(slower)));
  }
  return out;
}

std::string difference_text(double relative) { return std::abs(relative) < 5e-6 ? "=" : fmt::format("{:+.2f}%", 100 * relative); }

std::string finalists_text(const PlanSearch& search, const Style& style) {
  std::vector<const Plan*> plans;
  for (const Finalist& finalist : search.finalists)
    plans.push_back(&finalist.estimate.plan);
  const PlanColumns differing(plans);
  std::vector<Align> aligns(7 + differing.header().size(), Align::right);
  Columns columns(aligns);
  std::vector<std::string> header = {"", "step", "behind", "vs est.", "MFU", "memory", "energy"};
  std::ranges::copy(differing.header(), std::back_inserter(header));
  columns.row(style.header(std::move(header)));
  const double best = search.finalists.front().objective;
  for (std::size_t i = 0; i < search.finalists.size(); ++i) {
    const Finalist& finalist = search.finalists[i];
    const TrainingResult& result = finalist.simulated;
    std::vector<std::string> cells = {std::to_string(i + 1),
                                      fixed(result.step_time, 4),
                                      i == 0 ? "" : fmt::format("{:.2f}%", 100 * (finalist.objective / best - 1)),
                                      difference_text(result.method.simulate_minus_estimate),
                                      percent(causal_mfu(result)),
                                      fixed(result.memory.total()),
                                      fixed(result.power.energy_per_step)};
    std::ranges::copy(differing.cells(finalist.estimate.plan), std::back_inserter(cells));
    columns.row(cells);
  }
  std::string out =
      style.section("Finalists", fmt::format("simulated; the closed form is off by {} at most", percent(search.largest_difference))) +
      columns.str();
  if (!differing.common().empty())
    out += style.faint(wrap("  all: " + differing.common(), page_width, 2)) + "\n";
  return out;
}

std::string runner_up_text(const PlanSearch& search, const Style& style) {
  if (search.finalists.size() < 2)
    return {};
  const Finalist& best = search.finalists[0];
  const Finalist& second = search.finalists[1];
  const Seconds slower = second.simulated.step_time - best.simulated.step_time;
  std::string text;
  for (const SearchDimension& dimension : search_dimensions())
    if (const int own = dimension.get(best.estimate.plan), other = dimension.get(second.estimate.plan); own != other)
      text += (text.empty() ? "With " : ", ") + std::string(dimension.key) + " " + short_value(value_text(dimension, other)) +
              " instead of " + short_value(value_text(dimension, own));
  text += fmt::format(" it takes {} {} per step", fixed(Seconds{std::abs(slower.si())}), slower.si() < 0 ? "less" : "more");
  const std::string parts = differences_text(search.runner_up, 6);
  text += parts.empty() ? "." : ": " + parts + ".";
  const Bytes memory = second.simulated.memory.total() - best.simulated.memory.total();
  if (std::abs(memory.si()) > 0.01 * best.simulated.memory.total().si())
    text += fmt::format(" It needs {} {} memory.", fixed(Bytes{std::abs(memory.si())}), memory.si() > 0 ? "more" : "less");
  if (search.objective != Objective::time)
    text += fmt::format(" It draws {} per step, the best {}.", fixed(second.simulated.power.energy_per_step, 4),
                        fixed(best.simulated.power.energy_per_step, 4));
  return style.section("Why the runner-up lost") + "  " + wrap(text, page_width - 2, 2) + "\n";
}

std::string changes_text(const PlanSearch& search, const Style& style) {
  Columns columns({Align::left, Align::left, Align::right, Align::left});
  for (const PlanChange& change : search.changes) {
    const bool follows = change.plan.dp != search.finalists.front().estimate.plan.dp;
    const std::string what =
        short_value(change.from) + " > " + short_value(change.to) + (follows ? fmt::format(" (dp {})", change.plan.dp) : "");
    const std::string why = change.violation.empty() ? differences_text(change.parts, 2) : change.violation;
    const std::string effect = !change.violation.empty()          ? style.bad("no")
                               : std::abs(change.relative) < 5e-5 ? "="
                                                                  : signed_percent(change.relative);
    columns.row({change.key, what, effect, clip(why, 40)});
  }
  return style.section("One change at a time", "in closed form, against the best plan") + columns.str();
}

std::string pareto_text(const PlanSearch& search, const Style& style) {
  constexpr std::size_t most = 12;
  const bool by_cost = search.objective == Objective::cost;
  std::vector<const CostedPlan*> shown;
  // Evenly over the set where it is large: its ends are the fastest and the slowest.
  const std::size_t count = std::min(most, search.pareto.size());
  for (std::size_t i = 0; i < count; ++i)
    shown.push_back(&search.pareto[count == 1 ? 0 : i * (search.pareto.size() - 1) / (count - 1)]);
  std::vector<const Plan*> plans;
  for (const CostedPlan* plan : shown)
    plans.push_back(&plan->plan);
  const PlanColumns differing(plans);
  Columns columns(std::vector<Align>(3 + differing.header().size(), Align::right));
  std::vector<std::string> header = {"step", by_cost ? "cost" : "energy", "memory"};
  std::ranges::copy(differing.header(), std::back_inserter(header));
  columns.row(style.header(std::move(header)));
  for (const CostedPlan* plan : shown) {
    std::vector<std::string> cells = {fixed(plan->step, 4), by_cost ? money(plan->cost) : fixed(plan->energy, 4), fixed(plan->memory)};
    std::ranges::copy(differing.cells(plan->plan), std::back_inserter(cells));
    columns.row(cells);
  }
  const std::string note = fmt::format("{} plans that no other beats in time, {} and memory at once{}", search.pareto.size(),
                                       by_cost ? "cost" : "energy", count < search.pareto.size() ? fmt::format("; {} shown", count) : "");
  std::string out = style.section("Trade-offs", note) + columns.str();
  if (!differing.common().empty())
    out += style.faint(wrap("  all: " + differing.common(), page_width, 2)) + "\n";
  return out;
}

} // namespace

PlanColumns::PlanColumns(std::vector<const Plan*> plans) {
  for (const SearchDimension& dimension : search_dimensions()) {
    const int first = dimension.get(*plans.front());
    const bool differs = std::ranges::any_of(plans, [&](const Plan* plan) { return dimension.get(*plan) != first; });
    if (differs)
      differing_.push_back(&dimension);
    else if (first != dimension.get(Plan{}))
      common_ += (common_.empty() ? "" : ", ") + std::string(dimension.key) + " " + short_value(value_text(dimension, first));
  }
}

std::vector<std::string> PlanColumns::header() const {
  std::vector<std::string> cells;
  for (const SearchDimension* dimension : differing_)
    cells.push_back(short_key(dimension->key));
  return cells;
}

std::vector<std::string> PlanColumns::cells(const Plan& plan) const {
  std::vector<std::string> cells;
  for (const SearchDimension* dimension : differing_)
    cells.push_back(short_value(value_text(*dimension, dimension->get(plan))));
  return cells;
}

std::string PlanColumns::common() const { return common_; }

std::string differences_text(const std::vector<TimeDifference>& parts, std::size_t most) {
  std::string text;
  for (std::size_t i = 0; i < std::min(most, parts.size()); ++i) {
    const Seconds size{std::abs(parts[i].difference.si())};
    text +=
        (text.empty() ? "" : ", ") + fmt::format("{} {} {}", fixed(size), parts[i].difference.si() > 0 ? "more" : "less", parts[i].name);
  }
  return text;
}

std::string plan_search_text(const PlanSearch& search, const Style& style) {
  if (search.finalists.empty())
    return style.bad("No plan is feasible") + "\n" + space_text(search, style);
  return best_text(search, style) + finalists_text(search, style) + runner_up_text(search, style) + changes_text(search, style) +
         pareto_text(search, style) + space_text(search, style);
}

std::string all_plans_header() {
  std::vector<std::string> cells;
  for (const SearchDimension& dimension : search_dimensions())
    cells.emplace_back(dimension.key);
  for (const char* figure : {"step_time_s", "memory_bytes", "energy_per_step_j", "cost_per_step_usd", "objective", "violation"})
    cells.emplace_back(figure);
  return csv_line(cells);
}

std::string all_plans_row(const Plan& plan, const CostedPlan* costed, const std::string& violation) {
  // Words are looked up once: a table may have a million rows.
  static std::map<std::pair<const SearchDimension*, int>, std::string> words;
  std::vector<std::string> cells;
  for (const SearchDimension& dimension : search_dimensions()) {
    const int value = dimension.get(plan);
    const auto [found, fresh] = words.try_emplace({&dimension, value});
    if (fresh)
      found->second = value_text(dimension, value);
    cells.push_back(found->second);
  }
  if (costed == nullptr)
    cells.resize(cells.size() + 5);
  else
    for (const double figure : {costed->step.si(), costed->memory.si(), costed->energy.si(), costed->cost.si(), costed->objective})
      cells.push_back(exact_number(figure));
  cells.push_back(violation);
  return csv_line(cells);
}

} // namespace orrery
