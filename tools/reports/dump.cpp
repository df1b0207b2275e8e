#include "tools/reports/dump.hpp"

#include "scenarios/scenario_tables.hpp"
#include "scenarios/serving/serving_costs.hpp"
#include "sim/base/yaml.hpp"
#include "tools/reports/cost_names.hpp"
#include "tools/reports/report_json.hpp"
#include "tools/reports/text.hpp"
#include "workloads/graph_tables.hpp"

#include <algorithm>
#include <cassert>

namespace orrery {

namespace {

const Words<DumpKind> dump_kinds = {
    {DumpKind::resolved, "resolved"}, {DumpKind::graph, "graph"}, {DumpKind::cost, "cost"}, {DumpKind::timeline, "timeline"}};

/// A JSON list of flat objects with equal keys as a table.
std::string csv_of(const OrderedJson& rows) {
  std::string out;
  for (const OrderedJson& row : rows) {
    std::vector<std::string> cells;
    if (out.empty()) {
      for (const auto& [key, value] : row.items())
        cells.push_back(key);
      out += csv_line(cells);
      cells.clear();
    }
    for (const auto& [key, value] : row.items())
      cells.push_back(value.is_string() ? value.get<std::string>() : value.dump());
    out += csv_line(cells);
  }
  return out;
}

OrderedJson operator_row(const std::string& job, const Block& block, const char* pass, const Operator& op, const OpCost& cost) {
  return {{"job", job},
          {"block", block.name},
          {"pass", pass},
          {"operator", op.name},
          {"class", op_class_word(op.op_class)},
          {"precision", precision_word(op.precision)},
          {"recomputed", op.recomputed},
          {"kernels", op.kernels},
          {"time_s", cost.time.si()},
          {"stretchable_s", cost.stretchable.si()},
          {"flops", cost.flops.si()},
          {"memory_bytes", cost.memory.si()},
          {"scale_up_bytes", cost.scale_up.si()},
          {"network_bytes", cost.network.si()},
          {"bound_by", bound_word(cost.bound)},
          {"unit", cost.unit},
          {"assumed", cost.assumed},
          {"extrapolated", cost.extrapolated}};
}

/// One row per operator of a block and pass.
OrderedJson cost_rows(const Scenario& scenario, const Result& result) {
  OrderedJson rows = OrderedJson::array();
  for (std::size_t i = 0; i < result.jobs.size(); ++i) {
    if (result.jobs[i].step_time.si() <= 0 || result.jobs[i].trace)
      continue;
    const Stages stages = stages_of(scenario, scenario.jobs[i]);
    for (std::size_t b = 0; b < stages.graph.blocks.size(); ++b) {
      const Block& block = stages.graph.blocks[b];
      const CostedBlock& costs = stages.costs.blocks[b];
      for (std::size_t k = 0; k < block.forward.size(); ++k)
        rows.push_back(operator_row(result.jobs[i].name, block, "forward", block.forward[k], costs.forward[k]));
      for (std::size_t k = 0; k < block.backward.size(); ++k)
        rows.push_back(operator_row(result.jobs[i].name, block, "backward", block.backward[k], costs.backward[k]));
    }
  }
  return rows;
}

/// One row per operator of a typical prompt and of a typical decoding batch, then what the iteration takes beyond them.
OrderedJson serving_cost_rows(const Scenario& scenario, const Result& result) {
  OrderedJson rows = OrderedJson::array();
  for (std::size_t i = 0; i < result.serving.size(); ++i)
    for (const IterationBreakdown& b : serving_costs(scenario, *scenario.jobs[i].serving, result.serving[i])) {
      const auto row = [&](const IterationPart& part, Seconds time) {
        return OrderedJson{{"job", result.serving[i].name},
                           {"pool", b.pool},
                           {"phase", b.phase},
                           {"tokens", b.tokens},
                           {"context", b.context},
                           {"part", part.part},
                           {"operator", part.op.name},
                           {"class", part.op.name.empty() ? "" : op_class_word(part.op.op_class)},
                           {"count", part.count},
                           {"kernels", part.count * part.op.kernels},
                           {"time_s", time.si()},
                           {"flops", part.count * part.cost.flops.si()},
                           {"memory_bytes", part.count * part.cost.memory.si()},
                           {"bound_by", part.op.name.empty() ? "" : bound_word(part.cost.bound)},
                           {"assumed", part.cost.assumed},
                           {"extrapolated", part.cost.extrapolated}};
      };
      for (const IterationPart& part : b.parts)
        rows.push_back(row(part, part.time()));
      rows.push_back(row({.part = "host, launches, messages, clock", .op = {}, .cost = {}}, b.rest()));
    }
  return rows;
}

OrderedJson timeline_rows(const Result& result) {
  OrderedJson rows = OrderedJson::array();
  for (const TrainingResult& job : result.jobs) {
    for (const OrderedJson& span : timeline_json(job)) {
      OrderedJson row = {{"job", job.name}};
      row.update(span);
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

std::string graphs(const Scenario& scenario, const Result& result) {
  std::string out;
  for (std::size_t i = 0; i < result.jobs.size(); ++i) {
    if (result.jobs[i].step_time.si() <= 0 || result.jobs[i].trace)
      continue;
    out += (out.empty() ? "" : "---\n") + yaml::to_yaml(write_graph(stages_of(scenario, scenario.jobs[i]).graph));
  }
  return out;
}

} // namespace

std::vector<std::string> dump_words() {
  std::vector<std::string> words;
  for (const Word<DumpKind>& row : dump_kinds)
    words.emplace_back(row.word);
  return words;
}

DumpKind dump_kind(const std::string& word) {
  const auto found = std::ranges::find(dump_kinds, word, &Word<DumpKind>::word);
  assert(found != dump_kinds.end() && "the command line has checked the word");
  return found->value;
}

std::string dump(DumpKind kind, const std::string& format, const Scenario& scenario, const Result& result) {
  switch (kind) {
  case DumpKind::resolved:
    return yaml::to_yaml(scenario_table().write(scenario));
  case DumpKind::graph:
    return graphs(scenario, result);
  case DumpKind::cost:
  case DumpKind::timeline:
    break;
  }
  const bool serves = !result.serving.empty();
  const OrderedJson rows = kind == DumpKind::timeline ? timeline_rows(result)
                           : serves                   ? serving_cost_rows(scenario, result)
                                                      : cost_rows(scenario, result);
  return format == "csv" ? csv_of(rows) : rows.dump(2) + "\n";
}

} // namespace orrery
