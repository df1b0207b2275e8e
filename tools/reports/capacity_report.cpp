#include "tools/reports/capacity_report.hpp"

#include "sim/base/quantity_text.hpp"
#include "tools/reports/report_text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery {

namespace {

std::string cost_text(const Budget& budget) { return budget.priced ? money(budget.cost) : "-"; }

std::string degrees(const Plan& plan) {
  return fmt::format("tp {} pp {} dp {}{} mb {}", plan.tp, plan.pp, plan.dp, plan.cp > 1 ? fmt::format(" cp {}", plan.cp) : "",
                     plan.micro_batch);
}

std::string answer_text(const CapacityResult& result, const Style& style) {
  const CapacityPoint& best = result.points[*result.best];
  Columns columns({Align::left, Align::right, Align::left});
  columns.row({"cluster", style.heading(std::to_string(best.nodes)), fmt::format("x {}, {} devices", best.node, grouped(best.devices))});
  columns.row(
      {"time", fixed(best.budget.time), fmt::format("of {}, {} kept work", format_quantity(result.deadline), percent(best.goodput))});
  columns.row({"cost", cost_text(best.budget),
               best.budget.priced ? "capital " + money(best.budget.capital) + ", electricity " + money(best.budget.electricity)
                                  : "no candidate states what costs need; the least device hours win"});
  columns.row({"energy", fixed(best.budget.energy), scaled(best.budget.device_hours) + " device hours"});
  if (result.answer)
    columns.row({"step time", fixed(result.answer->step_time),
                 fmt::format("simulated; {:+.2f}% against the closed form", 100 * result.answer->method.simulate_minus_estimate)});
  std::string out = columns.str() + "  " + style.good(wrap(plan_text(best.plan), page_width - 2, 2)) + "\n";
  if (!result.smaller.empty())
    out += "  " + wrap("Why not one node less: " + result.smaller + ".", page_width - 2, 2) + "\n";
  return out;
}

/// The points of the frontier, thinned where they are many; those around the answer stay.
std::vector<std::size_t> shown_frontier(const CapacityResult& result) {
  constexpr std::size_t most = 24;
  std::vector<std::size_t> shown;
  const std::size_t stride = std::max<std::size_t>(1, (result.frontier.size() + most - 1) / most);
  for (std::size_t i = 0; i < result.frontier.size(); ++i) {
    const std::size_t index = result.frontier[i];
    if (i % stride == 0 || i + 1 == result.frontier.size() || index == result.best)
      shown.push_back(index);
  }
  return shown;
}

std::string frontier_text(const CapacityResult& result, const Style& style) {
  Columns columns({Align::left, Align::left, Align::right, Align::right, Align::right, Align::right, Align::left, Align::left});
  columns.row(style.header({"", "node", "nodes", "days", "cost", "energy", "best plan", "what binds"}));
  for (const std::size_t i : shown_frontier(result)) {
    const CapacityPoint& point = result.points[i];
    columns.row({i == result.best ? ">" : "", point.node, std::to_string(point.nodes),
                 fmt::format("{:.1f}", point.budget.time.si() / 86400), cost_text(point.budget), fixed(point.budget.energy),
                 degrees(point.plan), clip(point.binds, 30)});
  }
  return style.section("Nodes against days", "clusters that finish before every smaller one of their type") + columns.str();
}

/// Clusters without a feasible plan, by reason.
std::string ruled_out(const CapacityResult& result, const Style& style) {
  struct Run {
    const CapacityPoint* first;
    const CapacityPoint* last;
  };
  std::vector<Run> runs;
  for (const CapacityPoint& point : result.points) {
    if (point.feasible())
      continue;
    const bool goes_on = !runs.empty() && runs.back().last->node == point.node && runs.back().last->nodes + 1 == point.nodes;
    if (goes_on)
      runs.back().last = &point;
    else
      runs.push_back({&point, &point});
  }
  if (runs.empty())
    return {};
  constexpr std::size_t most = 6;
  std::string out = style.section("Clusters without a feasible plan");
  Columns columns({Align::left, Align::right, Align::left});
  for (std::size_t i = 0; i < std::min(most, runs.size()); ++i) {
    const Run& run = runs[i];
    const std::string nodes =
        run.first == run.last ? std::to_string(run.first->nodes) : fmt::format("{} to {}", run.first->nodes, run.last->nodes);
    columns.row({run.first->node, nodes, clip(run.last->binds, 66)});
  }
  out += columns.str();
  if (runs.size() > most)
    out += fmt::format("  and {} more: --format csv\n", runs.size() - most);
  return out;
}

OrderedJson point_json(const CapacityPoint& point) {
  OrderedJson out = {{"node", point.node}, {"nodes", point.nodes}, {"devices", point.devices}, {"meets_deadline", point.meets()}};
  if (!point.binds.empty())
    out["binds"] = point.binds;
  if (!point.feasible())
    return out;
  out["plan"] = OrderedJson::object();
  for (const SearchDimension& dimension : search_dimensions())
    out["plan"][std::string(dimension.key)] = value_text(dimension, dimension.get(point.plan));
  out["step_time_s"] = point.step.si();
  out["goodput"] = point.goodput;
  out["time_s"] = point.budget.time.si();
  out["energy_j"] = point.budget.energy.si();
  if (point.budget.priced)
    out["cost_usd"] = point.budget.cost.si();
  out["device_hours"] = point.budget.device_hours;
  return out;
}

} // namespace

std::string capacity_text(const CapacityResult& result, const Style& style) {
  const std::string task = fmt::format("{}, {} tokens in {}", result.model, scaled(result.tokens), format_quantity(result.deadline));
  std::string out = style.heading(result.best ? "Cheapest cluster for " + task : "No cluster trains " + task) + "\n";
  if (result.best)
    out += "\n" + answer_text(result, style);
  else if (!result.frontier.empty()) {
    const auto fastest =
        std::ranges::min_element(result.frontier, std::less<>(), [&](std::size_t i) { return result.points[i].budget.time; });
    const CapacityPoint& point = result.points[*fastest];
    out += fmt::format("  The fastest, {} x {}: {}\n", point.nodes, point.node, point.binds);
  }
  if (!result.frontier.empty())
    out += frontier_text(result, style);
  return out + ruled_out(result, style);
}

OrderedJson capacity_json(const CapacityResult& result) {
  OrderedJson out = {{"schema_version", result_schema_version},
                     {"scenario", result.scenario},
                     {"software", result.software},
                     {"model", result.model},
                     {"tokens", result.tokens},
                     {"deadline_s", result.deadline.si()},
                     {"plans", result.plans},
                     {"clusters", OrderedJson::array()},
                     {"frontier", result.frontier}};
  for (const CapacityPoint& point : result.points)
    out["clusters"].push_back(point_json(point));
  if (result.best) {
    out["best"] = point_json(result.points[*result.best]);
    out["simulated_step_time_s"] = result.answer->step_time.si();
    out["simulate_minus_estimate"] = result.answer->method.simulate_minus_estimate;
    if (!result.smaller.empty())
      out["smaller"] = result.smaller;
  }
  return out;
}

std::string capacity_csv(const CapacityResult& result) {
  std::vector<std::string> header = {"node",     "nodes",    "devices", "meets_deadline", "time_s",
                                     "cost_usd", "energy_j", "goodput", "step_time_s",    "binds"};
  for (const SearchDimension& dimension : search_dimensions())
    header.emplace_back(dimension.key);
  std::string out = csv_line(header);
  for (const CapacityPoint& point : result.points) {
    const bool feasible = point.feasible();
    const auto figure = [&](double value) { return feasible ? exact_number(value) : std::string(); };
    std::vector<std::string> cells = {point.node,
                                      std::to_string(point.nodes),
                                      std::to_string(point.devices),
                                      point.meets() ? "true" : "false",
                                      figure(point.budget.time.si()),
                                      point.budget.priced ? figure(point.budget.cost.si()) : "",
                                      figure(point.budget.energy.si()),
                                      figure(point.goodput),
                                      figure(point.step.si()),
                                      point.binds};
    for (const SearchDimension& dimension : search_dimensions())
      cells.push_back(feasible ? value_text(dimension, dimension.get(point.plan)) : "");
    out += csv_line(cells);
  }
  return out;
}

} // namespace orrery
