#include "sim/base/quantity_text.hpp"
#include "tools/reports/plan_report.hpp"
#include "tools/reports/report_json.hpp"
#include "workloads/tables.hpp"

namespace orrery {

namespace {

/// The searched keys of a plan, as the plan table writes them.
OrderedJson plan_json(const Plan& plan) {
  OrderedJson out = OrderedJson::object();
  for (const SearchDimension& dimension : search_dimensions()) {
    const int value = dimension.get(plan);
    const Shape& shape = plan_table().find(dimension.key)->shape;
    if (shape.kind == ShapeKind::count)
      out[std::string(dimension.key)] = value;
    else if (shape.kind == ShapeKind::flag)
      out[std::string(dimension.key)] = value != 0;
    else
      out[std::string(dimension.key)] = value_text(dimension, value);
  }
  return out;
}

OrderedJson costed_json(const CostedPlan& costed, bool priced) {
  OrderedJson out = {{"plan", plan_json(costed.plan)},
                     {"step_time_s", costed.step.si()},
                     {"memory_bytes", costed.memory.si()},
                     {"energy_per_step_j", costed.energy.si()}};
  if (priced)
    out["cost_per_step_usd"] = costed.cost.si();
  out["objective"] = costed.objective;
  return out;
}

OrderedJson parts_json(const std::vector<TimeDifference>& parts) {
  OrderedJson out = OrderedJson::array();
  for (const TimeDifference& part : parts)
    out.push_back({{"kind", time_kind_word(part.kind)}, {"name", part.name}, {"difference_s", part.difference.si()}});
  return out;
}

OrderedJson finalist_json(const Finalist& finalist, bool priced) {
  OrderedJson shares = OrderedJson::array();
  for (const TimeShare& share : finalist.simulated.time)
    shares.push_back({{"kind", time_kind_word(share.kind)}, {"name", share.name}, {"time_s", share.time.si()}});
  return {{"estimate", costed_json(finalist.estimate, priced)},
          {"estimated_rank", finalist.estimated_rank},
          {"step_time_s", finalist.simulated.step_time.si()},
          {"energy_per_step_j", finalist.simulated.power.energy_per_step.si()},
          {"memory_bytes", finalist.simulated.memory.total().si()},
          {"simulate_minus_estimate", finalist.simulated.method.simulate_minus_estimate},
          {"objective", finalist.objective},
          {"time", std::move(shares)}};
}

OrderedJson change_json(const PlanChange& change) {
  OrderedJson out = {{"key", change.key}, {"from", change.from}, {"to", change.to}, {"plan", plan_json(change.plan)}};
  if (change.violation.empty()) {
    out["relative"] = change.relative;
    out["parts"] = parts_json(change.parts);
  } else {
    out["violation"] = change.violation;
  }
  return out;
}

} // namespace

OrderedJson plan_search_json(const PlanSearch& search) {
  OrderedJson out = {{"schema_version", result_schema_version},
                     {"scenario", search.scenario},
                     {"cluster", search.cluster},
                     {"software", search.software},
                     {"model", search.model},
                     {"objective", choice_name(objective_words(), search.objective)},
                     {"enumerated", search.enumerated},
                     {"costed", search.costed},
                     {"memory_capacity_bytes", search.memory_capacity.si()},
                     {"largest_simulate_minus_estimate", search.largest_difference},
                     {"infeasible", OrderedJson::array()},
                     {"finalists", OrderedJson::array()},
                     {"runner_up", parts_json(search.runner_up)},
                     {"changes", OrderedJson::array()},
                     {"pareto", OrderedJson::array()}};
  for (const InfeasibleClass& reason : search.reasons)
    out["infeasible"].push_back({{"kind", reason.kind}, {"example", reason.example}, {"plans", reason.plans}});
  for (const Finalist& finalist : search.finalists)
    out["finalists"].push_back(finalist_json(finalist, search.priced));
  for (const PlanChange& change : search.changes)
    out["changes"].push_back(change_json(change));
  for (const CostedPlan& plan : search.pareto)
    out["pareto"].push_back(costed_json(plan, search.priced));
  if (search.given) {
    out["given"] = costed_json(*search.given, search.priced);
    out["better_than_given"] = search.better_than_given;
  }
  return out;
}

std::string plan_search_csv(const PlanSearch& search) {
  std::vector<std::string> header = {"rank", "estimated_rank", "step_time_s", "estimated_step_time_s", "memory_bytes", "energy_per_step_j"};
  for (const SearchDimension& dimension : search_dimensions())
    header.emplace_back(dimension.key);
  std::string out = csv_line(header);
  for (std::size_t i = 0; i < search.finalists.size(); ++i) {
    const Finalist& finalist = search.finalists[i];
    std::vector<std::string> cells = {std::to_string(i + 1),
                                      std::to_string(finalist.estimated_rank),
                                      exact_number(finalist.simulated.step_time.si()),
                                      exact_number(finalist.estimate.step.si()),
                                      exact_number(finalist.simulated.memory.total().si()),
                                      exact_number(finalist.simulated.power.energy_per_step.si())};
    for (const SearchDimension& dimension : search_dimensions())
      cells.push_back(value_text(dimension, dimension.get(finalist.estimate.plan)));
    out += csv_line(cells);
  }
  return out;
}

} // namespace orrery
