#include "scenarios/search/capacity.hpp"

#include "scenarios/run.hpp"
#include "sim/base/diagnostics.hpp"
#include "workloads/tables.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery {

namespace {

void check_scenario(const Scenario& scenario) {
  Diagnostics diagnostics;
  if (!scenario.capacity)
    diagnostics.add({.path = "capacity", .message = "missing", .allowed = "'deadline', and 'nodes' or 'max_nodes'"});
  else if (!scenario.capacity->deadline)
    diagnostics.add({.path = "capacity.deadline", .message = "missing", .allowed = "a time", .suggestion = "write 'deadline: 30 d'"});
  if (scenario.jobs.size() != 1 || !scenario.jobs.front().job)
    diagnostics.add({.path = "jobs", .message = std::to_string(scenario.jobs.size()) + " jobs", .allowed = "one job with 'training'"});
  else if (scenario.jobs.front().job->tokens <= 0)
    diagnostics.add({.path = "jobs.0.training.tokens",
                     .message = "missing",
                     .allowed = "the tokens to train on",
                     .suggestion = "write 'tokens: 1e12'"});
  diagnostics.throw_if_any();
}

std::string days(Seconds time) { return fmt::format("{:.1f} d", time.si() / 86400); }

/// The scenario on `nodes` nodes of a type.
Scenario on_cluster(const Scenario& scenario, const NodeType& node, int nodes) {
  Scenario other = scenario;
  other.cluster.node = node;
  other.cluster.nodes = nodes;
  return other;
}

/// Why a fabric cannot have this many nodes; empty = it can.
std::string fabric_limit(const Cluster& cluster, int nodes) {
  if (cluster.fabric.kind == FabricKind::single_node && nodes > 1)
    return fmt::format("{} nodes > 1 of the fabric single_node", nodes);
  if (cluster.fabric.kind == FabricKind::torus && nodes != cluster.nodes)
    return fmt::format("{} nodes, the torus is made for {}", nodes, cluster.nodes);
  return {};
}

CapacityPoint look_at(const Scenario& scenario, const SearchOptions& options, CapacityResult& result) {
  CapacityPoint point{.node = scenario.cluster.node.name, .nodes = scenario.cluster.nodes, .devices = scenario.cluster.devices()};
  const CostedSpace space = cost_space(scenario, options);
  result.plans += space.enumerated;
  if (space.best.empty()) {
    point.binds = space.reasons.empty() ? "no plan within the bounds" : space.reasons.front().example;
    return point;
  }
  Scenario planned = scenario;
  point.plan = planned.jobs.front().plan = space.best.front().plan;
  const TrainingResult run = std::move(run_scenario(planned, {.fidelity = Fidelity::estimate}).jobs.front());
  if (!run.violations.empty()) {
    point.binds = run.violations.front();
    return point;
  }
  point.step = run.step_time;
  point.goodput = run.goodput ? run.goodput->goodput : 1;
  point.budget = *run.budget;
  if (point.budget.time > result.deadline)
    point.binds = fmt::format("{} > {} deadline", days(point.budget.time), days(result.deadline));
  return point;
}

/// Order of preference among clusters that meet the deadline: money, then device hours, then fewer nodes.
bool cheaper(const CapacityPoint& a, const CapacityPoint& b, bool by_device_hours) {
  if (!by_device_hours && a.budget.priced != b.budget.priced)
    return a.budget.priced;
  if (!by_device_hours && a.budget.cost != b.budget.cost)
    return a.budget.cost < b.budget.cost;
  return a.budget.device_hours < b.budget.device_hours;
}

void choose(CapacityResult& result) {
  result.by_device_hours = std::ranges::none_of(result.points, [](const CapacityPoint& p) { return p.feasible() && p.budget.priced; });
  Seconds fastest;
  for (std::size_t i = 0; i < result.points.size(); ++i) {
    const CapacityPoint& point = result.points[i];
    const bool first = i == 0 || result.points[i - 1].node != point.node;
    if (first)
      fastest = Seconds{};
    if (!point.feasible())
      continue;
    if (fastest.si() == 0 || point.budget.time < fastest) {
      fastest = point.budget.time;
      result.frontier.push_back(i);
    }
    if (point.meets() && (!result.best || cheaper(point, result.points[*result.best], result.by_device_hours)))
      result.best = i;
  }
}

void explain_smaller(CapacityResult& result) {
  const std::size_t best = *result.best;
  if (best == 0 || result.points[best - 1].node != result.points[best].node)
    return;
  const CapacityPoint& smaller = result.points[best - 1];
  result.smaller = smaller.meets() ? fmt::format("{} nodes meet the deadline too, but cost more", smaller.nodes)
                                   : fmt::format("{} nodes: {}", smaller.nodes, smaller.binds);
}

} // namespace

SearchOptions capacity_search_options(const Scenario& scenario) {
  SearchOptions options = scenario.search.value_or(SearchOptions{});
  options.objective = Objective::time;
  options.finalists = 1;
  if (scenario.search)
    return options;
  for (const SearchDimension& dimension : search_dimensions())
    if (plan_table().find(dimension.key)->shape.kind == ShapeKind::flag)
      options.bounds.values[std::string(dimension.key)] = {1};
  options.bounds.values["schedule"] = {static_cast<int>(ScheduleKind::one_f_one_b), static_cast<int>(ScheduleKind::interleaved)};
  if (const SearchDimension* order = find_dimension("order"))
    options.bounds.values["order"] = {order->get(Plan{})};
  return options;
}

CapacityResult find_capacity(const Scenario& scenario, const std::function<void(const SearchProgress&)>& progress) {
  check_scenario(scenario);
  const CapacityOptions& capacity = *scenario.capacity;
  const SearchOptions options = capacity_search_options(scenario);
  CapacityResult result{.scenario = scenario.name,
                        .software = scenario.software.name,
                        .model = scenario.jobs.front().job->model.name,
                        .tokens = scenario.jobs.front().job->tokens,
                        .deadline = *capacity.deadline};
  const std::vector<NodeType> types = capacity.nodes.empty() ? std::vector{scenario.cluster.node} : capacity.nodes;
  SearchProgress done{.total = static_cast<double>(types.size()) * (capacity.max_nodes - capacity.min_nodes + 1)};
  for (const NodeType& type : types)
    for (int nodes = capacity.min_nodes; nodes <= capacity.max_nodes; ++nodes) {
      if (std::string limit = fabric_limit(scenario.cluster, nodes); !limit.empty())
        result.points.push_back({.node = type.name, .nodes = nodes, .devices = nodes * type.devices, .binds = std::move(limit)});
      else
        result.points.push_back(look_at(on_cluster(scenario, type, nodes), options, result));
      ++done.done;
      if (progress)
        progress(done);
    }
  choose(result);
  if (!result.best)
    return result;
  explain_smaller(result);
  const CapacityPoint& best = result.points[*result.best];
  const auto type = std::ranges::find(types, best.node, &NodeType::name);
  Scenario answer = on_cluster(scenario, *type, best.nodes);
  answer.jobs.front().plan = best.plan;
  result.answer = std::move(run_scenario(answer).jobs.front());
  return result;
}

} // namespace orrery
