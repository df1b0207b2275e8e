#include "tools/reports/serving_capacity_report.hpp"

#include "sim/base/quantity_text.hpp"
#include "tools/reports/serving_json.hpp"
#include "tools/reports/serving_text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery {

namespace {

constexpr std::size_t most_listed = 16;

/// "3 x TP 2 + 1 x TP 4" = prefill + decode.
std::string layout(const DeploymentPoint& point) {
  const auto pool = [](const ServingPlan& plan) {
    ServingPlan one = plan;
    one.replicas = 1;
    const std::string text = serving_plan_text(one);
    return fmt::format("{} x {}", plan.replicas, text.substr(0, text.rfind(" · ")));
  };
  return point.pools ? pool(point.pools->prefill.plan) + " + " + pool(point.pools->decode.plan) : pool(point.plan);
}

std::string batch_text(const DeploymentPoint& point) { return point.max_sequences > 0 ? std::to_string(point.max_sequences) : "-"; }

std::string cost_text(const DeploymentPoint& point) {
  return point.ran() && point.result.priced ? money(point.result.cost_per_million_output_tokens) : "-";
}

void add_row(Columns& columns, const DeploymentPoint& point, const char* mark) {
  columns.row({mark, point.node, std::to_string(point.devices), layout(point), batch_text(point), percent(point.result.attainment),
               fixed(point.result.latencies.ttft.p90), fixed(point.result.latencies.tpot.mean),
               scaled(point.result.output_tokens_per_second_per_device), cost_text(point)});
}

std::string table(const ServingCapacity& result, const std::vector<std::size_t>& shown, const Style& style) {
  Columns columns(
      {Align::left, Align::left, Align::right, Align::left, Align::right, Align::right, Align::right, Align::right, Align::right});
  columns.row(style.header({"", "node", "devices", "replicas", "batch", "in bounds", "p90 TTFT", "TPOT", "tok/s/dev", "$/M tok"}));
  for (std::size_t k = 0; k < std::min(most_listed, shown.size()); ++k)
    add_row(columns, result.points[shown[k]], shown[k] == result.best ? ">" : "");
  const std::size_t more = shown.size() - std::min(most_listed, shown.size());
  return columns.str() + (more > 0 ? fmt::format("  and {} more: --format csv\n", more) : "");
}

/// Deployments that do not do, and why.
std::string missed(const ServingCapacity& result, const Style& style) {
  constexpr std::size_t most = 8;
  Columns columns({Align::right, Align::left, Align::right, Align::left});
  std::size_t shown = 0;
  for (const DeploymentPoint& point : result.points)
    if (!point.meets() && ++shown <= most)
      columns.row({std::to_string(point.devices), layout(point), batch_text(point), clip(point.binds, 62)});
  if (shown == 0)
    return {};
  return style.section("What binds", "deployments that miss the bounds: devices, replicas, batch") + columns.str() +
         (shown > most ? fmt::format("  and {} more: --format csv\n", shown - most) : "");
}

OrderedJson plan_json(const ServingPlan& plan) {
  return {{"tp", plan.tp}, {"pp", plan.pp}, {"ep", plan.ep}, {"attention_dp", plan.attention_dp}, {"replicas", plan.replicas}};
}

OrderedJson point_json(const DeploymentPoint& point) {
  OrderedJson out = {{"node", point.node}, {"nodes", point.nodes}, {"devices", point.devices}};
  if (point.pools) {
    out["prefill"] = plan_json(point.pools->prefill.plan);
    out["decode"] = plan_json(point.pools->decode.plan);
  } else {
    out["plan"] = plan_json(point.plan);
  }
  if (point.max_sequences > 0)
    out["max_sequences"] = point.max_sequences;
  out["meets_bounds"] = point.meets();
  if (!point.binds.empty())
    out["binds"] = point.binds;
  if (point.ran())
    out["result"] = serving_object().write(point.result);
  return out;
}

} // namespace

std::string serving_capacity_text(const ServingCapacity& result, const Style& style) {
  const std::string task = fmt::format("{}, {} of requests within their bounds", result.model, percent(result.attainment));
  std::string out = style.heading((result.best ? "Cheapest deployment for " : "No deployment serves ") + task) + "\n";
  if (result.best) {
    const DeploymentPoint& best = result.points[*result.best];
    Columns columns({Align::left, Align::right, Align::left});
    columns.row(
        {"devices", style.heading(std::to_string(best.devices)), fmt::format("on {} x {}: {}", best.nodes, best.node, layout(best))});
    columns.row({"in bounds", percent(best.result.attainment), "of requests"});
    columns.row({"cost", cost_text(best),
                 result.by_devices ? "no candidate states what costs need; the fewest devices win" : "per million output tokens"});
    out += "\n" + columns.str();
    if (!result.smaller.empty())
      out += "  " + wrap("Why not fewer: " + result.smaller + ".", page_width - 2, 2) + "\n";
  }
  std::vector<std::size_t> met;
  for (std::size_t i = 0; i < result.points.size(); ++i)
    if (result.points[i].meets())
      met.push_back(i);
  std::ranges::stable_sort(met, {}, [&](std::size_t i) { return result.points[i].devices; });
  if (!met.empty())
    out += style.section("Deployments that do", "replicas: prefill + decode where they are apart") + table(result, met, style);
  if (!result.frontier.empty())
    out += style.section("Tokens per device against time per token", "of those that do, none is better in both") +
           table(result, result.frontier, style);
  return out + missed(result, style);
}

OrderedJson serving_capacity_json(const ServingCapacity& result) {
  OrderedJson out = {{"schema_version", result_schema_version},
                     {"scenario", result.scenario},
                     {"software", result.software},
                     {"model", result.model},
                     {"attainment_due_share", result.attainment},
                     {"deployments", OrderedJson::array()},
                     {"frontier", result.frontier}};
  for (const DeploymentPoint& point : result.points)
    out["deployments"].push_back(point_json(point));
  if (result.best)
    out["best"] = point_json(result.points[*result.best]);
  if (!result.smaller.empty())
    out["smaller"] = result.smaller;
  return out;
}

std::string serving_capacity_csv(const ServingCapacity& result) {
  std::vector<std::string> header = {"node", "nodes", "devices"};
  for (const char* pool : {"prefill_", ""})
    for (const char* key : {"tp", "pp", "ep", "attention_dp", "replicas"})
      header.push_back(std::string(pool) + key);
  for (const char* key : {"max_sequences", "meets_bounds", "attainment_share", "ttft_p90_s", "tpot_mean_s",
                          "output_tokens_per_second_per_device", "cost_per_million_output_tokens_usd", "binds"})
    header.emplace_back(key);
  std::string out = csv_line(header);
  for (const DeploymentPoint& point : result.points) {
    std::vector<std::string> cells = {point.node, std::to_string(point.nodes), std::to_string(point.devices)};
    const auto add_plan = [&cells](const ServingPlan* plan) {
      for (const int ServingPlan::* degree :
           {&ServingPlan::tp, &ServingPlan::pp, &ServingPlan::ep, &ServingPlan::attention_dp, &ServingPlan::replicas})
        cells.push_back(plan == nullptr ? "" : std::to_string(plan->*degree));
    };
    add_plan(point.pools ? &point.pools->prefill.plan : nullptr);
    add_plan(point.pools ? &point.pools->decode.plan : &point.plan);
    const auto figure = [&](double value) { return point.ran() ? exact_number(value) : std::string(); };
    cells.push_back(point.max_sequences > 0 ? std::to_string(point.max_sequences) : "");
    cells.emplace_back(point.meets() ? "true" : "false");
    cells.push_back(figure(point.result.attainment));
    cells.push_back(figure(point.result.latencies.ttft.p90.si()));
    cells.push_back(figure(point.result.latencies.tpot.mean.si()));
    cells.push_back(figure(point.result.output_tokens_per_second_per_device));
    cells.push_back(point.result.priced ? figure(point.result.cost_per_million_output_tokens.si()) : "");
    cells.push_back(point.binds);
    out += csv_line(cells);
  }
  return out;
}

} // namespace orrery
