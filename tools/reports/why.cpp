#include "tools/reports/why.hpp"

#include "hardware/provenance.hpp"
#include "sim/base/diagnostics.hpp"
#include "sim/base/quantity_text.hpp"
#include "tools/reports/cost_names.hpp"
#include "tools/reports/report_json.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery {

namespace {

/// What a row may look at: one feasible job.
struct Subject {
  const Scenario& scenario;
  const TrainingScenario& job;
  const TrainingResult& result;
  const Stages& stages;
};

struct Input {
  std::string name;
  std::string value;
  std::string source;
};

struct WhyRow {
  std::string metric;
  std::string value; ///< headline
  std::string formula;
  std::vector<Input> inputs;
  std::string details = {};
};

struct WhyMetric {
  std::string_view name;
  WhyRow (*explain)(const Subject&);
};

std::string source_text(const std::vector<Provenance>& sources, std::string_view figure) {
  const Provenance* source = source_of(sources, figure);
  return source == nullptr ? "the scenario" : source_word(source->kind) + ": " + source->reference;
}

const ComputeUnit& unit_at(const Subject& s, int unit) { return s.scenario.cluster.node.device.units.at(static_cast<std::size_t>(unit)); }

/// The unit that matrix products run on, by its peak.
const ComputeUnit& fastest_unit(const Subject& s) {
  const auto& units = s.scenario.cluster.node.device.units;
  const Precision precision = s.stages.graph.precision;
  const auto peak = [precision](const ComputeUnit& unit) {
    const auto found = unit.peak.find(precision);
    return found == unit.peak.end() ? 0.0 : found->second.si();
  };
  return *std::ranges::max_element(units, {}, peak);
}

Input peak_input(const Subject& s) {
  const Device& device = s.scenario.cluster.node.device;
  const ComputeUnit& unit = fastest_unit(s);
  const auto found = unit.peak.find(s.stages.graph.precision);
  const std::string precision = precision_word(s.stages.graph.precision);
  return {"peak, " + precision, found == unit.peak.end() ? "none" : format_quantity(found->second),
          source_text(device.sources, "units." + unit.name + ".peak." + precision)};
}

Input memory_input(const Subject& s) {
  const Device& device = s.scenario.cluster.node.device;
  const MemoryTier& tier = device.memory.front();
  return {tier.name + " bandwidth", format_quantity(tier.bandwidth), source_text(device.sources, "memory." + tier.name + ".bandwidth")};
}

std::vector<Input> link_inputs(const Subject& s) {
  const NodeType& node = s.scenario.cluster.node;
  return {{"scale-up bandwidth", format_quantity(node.scale_up.bandwidth), source_text(node.sources, "scale_up.bandwidth")},
          {"NICs per node", fmt::format("{} x {}", node.nics.count, format_quantity(node.nics.bandwidth)),
           source_text(node.sources, "nics.bandwidth")}};
}

std::string achieved(Flops work, Seconds time, const ComputeUnit& unit, Precision precision) {
  const auto found = unit.peak.find(precision);
  return found == unit.peak.end() || work.si() <= 0 ? "" : percent(work / time / found->second);
}

Seconds sum_of(const std::vector<OpCost>& costs) {
  Seconds sum;
  for (const OpCost& cost : costs)
    sum += cost.time;
  return sum;
}

/// The costliest operators of one pass through a block.
std::string operator_lines(const Subject& s, const std::vector<Operator>& operators, const std::vector<OpCost>& costs,
                           const char* direction) {
  constexpr std::size_t most = 8;
  std::vector<std::size_t> order(operators.size());
  for (std::size_t i = 0; i < order.size(); ++i)
    order[i] = i;
  const Seconds total = sum_of(costs);
  if (total.si() <= 0)
    return {};
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return costs[a].time > costs[b].time; });
  const BytesPerSecond bandwidth = s.scenario.cluster.node.device.memory.front().bandwidth;
  Columns columns({Align::left, Align::left, Align::right, Align::right, Align::left, Align::right, Align::right, Align::left}, 4);
  columns.row({direction, "class", "time", "of pass", "bound by", "of peak", "of memory", "basis"});
  for (std::size_t k = 0; k < std::min(most, order.size()); ++k) {
    const Operator& op = operators[order[k]];
    const OpCost& cost = costs[order[k]];
    if (cost.time.si() <= 0)
      continue;
    columns.row({op.name + (op.recomputed ? " (again)" : ""), op_class_word(op.op_class), format_quantity(cost.time),
                 percent(cost.time / total), bound_word(cost.bound), achieved(cost.flops, cost.time, unit_at(s, cost.unit), op.precision),
                 cost.memory.si() > 0 ? percent(cost.memory / cost.time / bandwidth) : "",
                 std::string(cost.assumed ? "assumed" : "fitted") + (cost.extrapolated ? ", extrapolated" : "")});
  }
  std::string out = columns.str();
  if (order.size() > most)
    out += fmt::format("    and {} more\n", order.size() - most);
  return out;
}

std::string block_lines(const Subject& s) {
  std::string out;
  std::vector<int> uses(s.stages.graph.blocks.size());
  for (const Stage& stage : s.stages.graph.stages) {
    for (const int chunk : stage.chunks) {
      for (const BlockUse& use : s.stages.graph.chunks[static_cast<std::size_t>(chunk)].blocks)
        uses[static_cast<std::size_t>(use.block)] += use.count;
    }
  }
  for (std::size_t b = 0; b < uses.size(); ++b) {
    const Block& block = s.stages.graph.blocks[b];
    const CostedBlock& cost = s.stages.costs.blocks[b];
    if (block.forward.empty() && block.backward.empty())
      continue;
    out += fmt::format("\n  {} x {}: forward {}, backward {} per micro-batch\n", block.name, uses[b], format_quantity(sum_of(cost.forward)),
                       format_quantity(sum_of(cost.backward)));
    out += operator_lines(s, block.forward, cost.forward, "forward") + operator_lines(s, block.backward, cost.backward, "backward");
  }
  return out;
}

WhyRow step_time(const Subject& s) {
  WhyRow row{.metric = "step_time",
             .value = format_quantity(s.result.step_time),
             .formula =
                 "passes of every stage in the order of the schedule, each waiting for its neighbours' messages; then exposed gradient "
                 "reduction, optimizer, exposed parameter gather, host. A pass is the sum of its operators; an operator is the longer of "
                 "arithmetic and memory traffic at fitted fractions of their peaks, plus a launch floor.",
             .inputs = {{"micro-batches", grouped(s.stages.graph.micro_batches), "global batch / (dp x micro_batch)"},
                        {"schedule", schedule_word(s.stages.graph.schedule), "the plan"}}};
  const CostedStage& first = s.stages.costs.stages.front();
  Seconds forward;
  Seconds backward;
  for (const CostedChunk& chunk : first.chunks) {
    forward += chunk.forward.total();
    backward += chunk.backward.total() + chunk.weight.total();
  }
  row.inputs.push_back({"forward, stage 0", format_quantity(forward), "sum of the operators below, one micro-batch"});
  row.inputs.push_back({"backward, stage 0", format_quantity(backward), "the same"});
  row.inputs.push_back({"send forward", format_quantity(first.forward_send.time()), "latency + bytes / bandwidth of one rank's share"});
  for (const CostedCollective& collective : first.reductions)
    row.inputs.push_back({collective.name, format_quantity(collective.time),
                          collective.overlapped ? "overlapped with the last backward passes" : "exposed"});
  row.inputs.push_back({"optimizer, stage 0", format_quantity(first.optimizer.total()), "memory traffic of the states"});
  for (const CostedCollective& collective : first.gathers)
    row.inputs.push_back(
        {collective.name, format_quantity(collective.time), collective.overlapped ? "overlapped with the next forward passes" : "exposed"});
  row.inputs.push_back(peak_input(s));
  row.inputs.push_back(memory_input(s));
  for (Input& input : link_inputs(s))
    row.inputs.push_back(std::move(input));
  row.details = block_lines(s);
  return row;
}

WhyRow tokens_per_second(const Subject& s) {
  return {.metric = "tokens_per_second",
          .value = scaled(s.result.tokens_per_second) + " tokens/s",
          .formula = "tokens per step / step time",
          .inputs = {{"tokens per step", grouped(s.stages.graph.tokens), "global batch x sequence"},
                     {"step time", format_quantity(s.result.step_time), "--why step_time"}}};
}

WhyRow mfu(const Subject& s) {
  WhyRow row{.metric = "mfu", .value = {}, .formula = "FLOPs of a step under a convention / (step time x devices x peak)", .inputs = {}};
  const StepFlops& flops = s.stages.graph.flops;
  for (const auto& [name, count] :
       {std::pair("full attention", flops.full_attention), std::pair("causal", flops.causal), std::pair("executed", flops.executed)})
    row.inputs.push_back({std::string("FLOPs, ") + name, format_quantity(count), "operator graph (--dump graph)"});
  row.inputs.push_back({"step time", format_quantity(s.result.step_time), "--why step_time"});
  row.inputs.push_back({"devices", grouped(s.result.devices), "tp x pp x dp"});
  row.inputs.push_back(peak_input(s));
  for (const FlopRate& rate : s.result.flop_rates)
    row.value += (row.value.empty() ? "" : ", ") + percent(rate.utilisation) + " (" + rate.convention + ")";
  return row;
}

WhyRow memory(const Subject& s) {
  const MemoryFootprint& m = s.result.memory;
  const Device& device = s.scenario.cluster.node.device;
  const std::vector<Provenance>& software = s.scenario.software.sources;
  return {.metric = "memory",
          .value = format_quantity(m.total()) + fmt::format(" on stage {}", s.result.memory_stage),
          .formula =
              "(parameters + gradients + optimizer states + kept activations x micro-batches in flight + largest working set + pipeline "
              "buffers) and the framework's own, with allocator slack on what is allocated dynamically",
          .inputs = {{"parameters", format_quantity(m.parameters), "elements of the stage / tp, at the working precision"},
                     {"gradients", format_quantity(m.gradients), source_text(software, "gradient")},
                     {"optimizer", format_quantity(m.optimizer), fmt::format("master weights and moments, ZeRO {}", s.result.plan.zero)},
                     {"activations", format_quantity(m.activations), "kept per block x micro-batches in flight under the schedule"},
                     {"working set", format_quantity(m.working_set), "the block that needs most at once"},
                     {"pipeline buffers", format_quantity(m.buffers), "boundary messages both ways"},
                     {"framework", format_quantity(m.framework), source_text(software, "framework_memory")},
                     {"fragmentation", format_quantity(m.fragmentation), source_text(software, "fragmentation")},
                     {"capacity", format_quantity(s.result.memory_capacity),
                      source_text(device.sources, "memory." + device.memory.front().name + ".capacity")}}};
}

/// A figure of the device that its description may leave out.
Input device_input(const Subject& s, const char* name, const char* figure, const std::optional<Watts>& power) {
  if (!power)
    return {name, "-", "not stated by the device"};
  return {name, format_quantity(*power), source_text(s.scenario.cluster.node.device.sources, figure)};
}

WhyRow power(const Subject& s) {
  const Device& device = s.scenario.cluster.node.device;
  const NodeType& node = s.scenario.cluster.node;
  const ComputeUnit& unit = fastest_unit(s);
  const MemoryTier& tier = device.memory.front();
  return {
      .metric = "power",
      .value =
          format_quantity(s.result.power.device_mean) + " per device, " + format_quantity(s.result.power.facility_mean) + " at the feed",
      .formula =
          "device: (idle + active) x time + energy per FLOP x FLOPs x voltage^2 + energy per byte x bytes, at the highest clock that the "
          "cap leaves; node: (devices + host) / (1 - fans) / supply efficiency; facility: nodes x PUE",
      .inputs = {device_input(s, "idle", "idle_power", device.idle_power),
                 {"active", format_quantity(s.stages.power.active),
                  device.active_power ? source_text(device.sources, "active_power")
                                      : "share of (rated cap - idle) of its architecture: models/power.hpp"},
                 device_input(s, "power cap", "power_cap", device.power_cap),
                 {"energy per FLOP", format_quantity(unit.energy), source_text(device.sources, "units." + unit.name + ".energy")},
                 {"energy per byte", format_quantity(tier.energy), source_text(device.sources, "memory." + tier.name + ".energy")},
                 {"host", format_quantity(node.host.power), source_text(node.sources, "host.power")},
                 {"fans", percent(node.fan_share), source_text(node.sources, "fan_share")},
                 {"supply efficiency", percent(node.power_supply_efficiency), source_text(node.sources, "power_supply_efficiency")},
                 {"PUE", format_number(s.scenario.cluster.pue), source_text(s.scenario.cluster.sources, "pue")}}};
}

WhyRow energy(const Subject& s) {
  const StepPower& p = s.result.power;
  return {.metric = "energy",
          .value = format_quantity(p.energy_per_step) + " per step, " + format_quantity(p.energy_per_token) + " per token",
          .formula = "mean power at the feed x step time; / tokens per step",
          .inputs = {{"facility mean", format_quantity(p.facility_mean), "--why power"},
                     {"step time", format_quantity(s.result.step_time), "--why step_time"},
                     {"tokens per step", grouped(s.stages.graph.tokens), "global batch x sequence"}}};
}

WhyRow goodput(const Subject& s) {
  if (!s.result.goodput)
    return {.metric = "goodput", .value = "100%: the scenario has no `reliability`", .formula = "kept work / wall time", .inputs = {}};
  const Goodput& g = *s.result.goodput;
  return {
      .metric = "goodput",
      .value = percent(g.goodput),
      .formula =
          "W / E, where E = e^(L P) (e^(L (W + C)) - 1) / (L sum p e^(-L (D + R))): expected time of W of work under failures of rate L, "
          "with checkpoint stall C, detection D, restart R and P until a checkpoint is kept (renewal argument; Young 1974, Daly 2006)",
      .inputs = {
          {"W, interval", format_quantity(g.interval), "the scenario's rule, or its own value"},
          {"1/L, MTBF", g.mtbf.si() > 0 ? format_quantity(g.mtbf) : "nothing fails", "sum over failure classes of components / MTBF"},
          {"checkpoints", percent(g.checkpoint_share), "stalls"},
          {"lost work", percent(g.lost_share), "since the last kept checkpoint"},
          {"detection", percent(g.detection_share), "until a failure is noticed"},
          {"restart", percent(g.restart_share), "load of the checkpoint included"}}};
}

Input price_input(const Cluster& cluster) {
  const NodeType& node = cluster.node;
  if (!node.price && node.device.price)
    return {"price of a device", money(*node.device.price), source_text(node.device.sources, "price")};
  return {"price of a node", node.price ? money(*node.price) : "not stated", source_text(node.sources, "price")};
}

WhyRow budget(const Subject& s) {
  if (!s.result.budget)
    return {.metric = "budget",
            .value = "none: the job states no `tokens`",
            .formula = "tokens / tokens per step x step time / goodput",
            .inputs = {}};
  const Budget& b = *s.result.budget;
  const Cluster& cluster = s.scenario.cluster;
  return {.metric = "budget",
          .value = format_quantity(b.time) + ", " + money(b.cost) + ", " + format_quantity(b.energy),
          .formula =
              "time = steps x step time / goodput; capital = price of the nodes x time / depreciation; electricity = energy x tariff",
          .inputs = {{"tokens", scaled(b.tokens), "the scenario"},
                     {"step time", format_quantity(s.result.step_time), "--why step_time"},
                     {"goodput", s.result.goodput ? percent(s.result.goodput->goodput) : "100%", "--why goodput"},
                     price_input(cluster),
                     {"depreciation", format_quantity(cluster.depreciation), source_text(cluster.sources, "depreciation")},
                     {"tariff", format_quantity(cluster.electricity_price), source_text(cluster.sources, "electricity_price")}}};
}

WhyRow error_band(const Subject& s) {
  const ErrorBand& band = s.result.error_band;
  return {.metric = "error_band",
          .value = signed_percent(band.low) + " to " + signed_percent(band.high),
          .formula = "spread of the errors on measured machines that the fit did not see",
          .inputs = {{"basis", "", band.basis}}};
}

constexpr WhyMetric why_metrics[] = {{"step_time", step_time},
                                     {"tokens_per_second", tokens_per_second},
                                     {"mfu", mfu},
                                     {"memory", memory},
                                     {"power", power},
                                     {"energy", energy},
                                     {"goodput", goodput},
                                     {"budget", budget},
                                     {"error_band", error_band}};

std::string row_text(const WhyRow& row, const Style& style) {
  std::string out = style.heading(row.metric + " = " + row.value) + "\n";
  out += wrap("  formula: " + row.formula, page_width, 4) + "\n";
  std::size_t names = 0;
  std::size_t values = 0;
  for (const Input& input : row.inputs) {
    names = std::max(names, display_width(input.name));
    values = std::max(values, display_width(input.value));
  }
  for (const Input& input : row.inputs) {
    const std::string lead = "  " + pad_right(input.name, names) + "  " + pad_left(input.value, values) + "  ";
    out += wrap(lead + input.source, page_width, display_width(lead)) + "\n";
  }
  return out + row.details;
}

} // namespace

std::vector<std::string> why_words() {
  std::vector<std::string> words;
  for (const WhyMetric& metric : why_metrics)
    words.emplace_back(metric.name);
  return words;
}

std::string why(const std::string& metric, const Scenario& scenario, const Result& result, const Style& style) {
  const auto* found = std::ranges::find(why_metrics, metric, &WhyMetric::name);
  std::string out;
  for (std::size_t i = 0; i < result.jobs.size(); ++i) {
    const TrainingResult& job = result.jobs[i];
    if (result.jobs.size() > 1)
      out += (out.empty() ? "" : "\n") + style.heading(job.name) + "\n";
    for (const std::string& violation : job.violations)
      out += wrap("infeasible: " + violation, page_width, 2) + "\n";
    if (job.step_time.si() <= 0)
      continue;
    if (job.trace) {
      out += wrap("a trace is replayed, not derived: the critical path of the report says what its time is made of", page_width, 2) + "\n";
      continue;
    }
    const Stages stages = stages_of(scenario, scenario.jobs[i]);
    out += row_text(found->explain(Subject{scenario, scenario.jobs[i], job, stages}), style);
  }
  return out;
}

} // namespace orrery
