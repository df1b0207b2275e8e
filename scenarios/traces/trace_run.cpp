#include "scenarios/traces/trace_run.hpp"

#include "hardware/words.hpp"
#include "scenarios/data_files.hpp"
#include "scenarios/traces/trace_costs.hpp"
#include "scenarios/traces/trace_graph.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace orrery {

namespace {

constexpr std::size_t most_path_rows = 20;

const char* lane_name(ReplayLane lane) { return lane == ReplayLane::device ? "compute" : lane == ReplayLane::host ? "host" : "memory"; }

std::string kind_of(const TraceGraph& graph, const ReplayGraph& replay, std::uint32_t task) {
  const chakra::Node& node = graph.node(task);
  if (node.kind == chakra::NodeKind::collective)
    return chakra::collective_word(node.collective);
  if (node.kind == chakra::NodeKind::send || node.kind == chakra::NodeKind::receive)
    return "message";
  return lane_name(replay.tasks[task].lane);
}

/// The longest chain by kind and name, the longest first; what is left out becomes one row.
std::vector<TracePath> path_rows(const TraceGraph& graph, const ReplayGraph& replay, const Replay& result) {
  std::map<std::pair<std::string, std::string>, TracePath> rows;
  for (const PathStep& step : result.critical_path) {
    const std::string kind = kind_of(graph, replay, step.task);
    const std::string& name = graph.node(step.task).name;
    TracePath& row = rows.try_emplace({kind, name}, TracePath{.kind = kind, .name = name}).first->second;
    row.time += step.end - step.begin;
    ++row.nodes;
  }
  std::vector<TracePath> list;
  for (auto& [key, row] : rows)
    list.push_back(std::move(row));
  std::ranges::stable_sort(list, [](const TracePath& a, const TracePath& b) { return a.time > b.time; });
  if (list.size() <= most_path_rows)
    return list;
  TracePath rest{.kind = "other"};
  for (std::size_t i = most_path_rows; i < list.size(); ++i) {
    rest.time += list[i].time;
    rest.nodes += list[i].nodes;
  }
  rest.name = fmt::format("{} more names", list.size() - most_path_rows);
  list.resize(most_path_rows);
  list.push_back(std::move(rest));
  return list;
}

TraceReport report_of(const TraceGraph& graph, const TraceCosts& costs, const Replay& replay) {
  TraceReport report{.nodes = graph.tasks.size(),
                     .roofline_nodes = costs.counts.roofline,
                     .recorded_nodes = costs.counts.recorded,
                     .untimed_nodes = costs.counts.untimed,
                     .collectives = costs.counts.collectives,
                     .lone_collectives = costs.counts.lone,
                     .messages = costs.counts.messages,
                     .assumed = costs.assumed,
                     .path = path_rows(graph, costs.replay, replay)};
  for (const RankTimes& times : replay.ranks)
    report.ranks.push_back({.rank = static_cast<int>(report.ranks.size()),
                            .end = times.end,
                            .compute = times.compute,
                            .exposed = times.exposed,
                            .hidden = times.communication - times.exposed,
                            .host = times.host,
                            .waiting = times.waiting});
  return report;
}

/// Mean over ranks: the shares add up to the whole.
std::vector<TimeShare> shares_of(const TraceReport& report) {
  TimeShare compute{TimeKind::compute, "device", {}};
  TimeShare exposed{TimeKind::communication, "exposed", {}};
  TimeShare host{TimeKind::host, "host and memory", {}};
  TimeShare waiting{TimeKind::bubble, "waiting", {}};
  const auto ranks = static_cast<double>(report.ranks.size());
  for (const TraceRank& rank : report.ranks) {
    compute.time += rank.compute / ranks;
    exposed.time += rank.exposed / ranks;
    host.time += rank.host / ranks;
    waiting.time += rank.waiting / ranks;
  }
  return {compute, exposed, waiting, host};
}

std::vector<RecordedSpan> spans_of(const TraceGraph& graph, const ReplayGraph& replay, const Replay& result) {
  std::vector<RecordedSpan> spans;
  for (std::uint32_t i = 0; i < graph.tasks.size(); ++i) {
    if (result.ends[i] <= result.begins[i])
      continue;
    const bool network = replay.tasks[i].transfer != no_index;
    spans.push_back({.stage = static_cast<std::int32_t>(graph.tasks[i].rank),
                     .stream = network ? "network" : lane_name(replay.tasks[i].lane),
                     .name = graph.node(i).name,
                     .begin = result.begins[i],
                     .end = result.ends[i]});
  }
  std::ranges::stable_sort(spans, [](const RecordedSpan& a, const RecordedSpan& b) { return a.begin < b.begin; });
  return spans;
}

} // namespace

TrainingResult run_trace(const Scenario& scenario, const TraceJob& job, const RunOptions& options) {
  const auto ranks = static_cast<int>(job.files.size());
  TrainingResult result{.name = fmt::format("trace of {} ranks", ranks), .devices = ranks};
  const TraceGraph graph = trace_graph(read_traces(job.files), job);
  result.trace = TraceReport{.nodes = graph.tasks.size()};
  const int devices = scenario.cluster.devices() - (scenario_ranks(scenario) - ranks);
  if (ranks > devices)
    result.violations.push_back(fmt::format("the trace has {} ranks > {} devices", ranks, devices));
  if (!supports(scenario.cluster.node.device, job.precision))
    result.violations.push_back(fmt::format("{} has no unit that computes in {}", scenario.cluster.node.device.name,
                                            choice_name(precision_words(), job.precision)));
  if (!result.violations.empty())
    return result;
  const bool simulate = options.fidelity == Fidelity::simulate;
  const TraceCosts alone = trace_costs(graph, job, scenario.cluster, load_calibration(), false);
  const Replay estimate = replay_trace(alone.replay);
  const TraceCosts shared = simulate ? trace_costs(graph, job, scenario.cluster, load_calibration(), true) : TraceCosts{};
  const TraceCosts& costs = simulate ? shared : alone;
  const Replay replay = simulate ? replay_trace(shared.replay) : estimate;
  if (replay.total <= Seconds{})
    throw UserError(
        fmt::format("{}: no node of the trace takes time; allowed: nodes with duration_micros, num_ops or comm_size", job.files.front()));
  result.step_time = replay.total;
  result.trace = report_of(graph, costs, replay);
  result.time = shares_of(*result.trace);
  result.method = {.kind = simulate ? "simulate" : "estimate",
                   .network = simulate ? "SimGrid CM02, TCP-gamma 0, crosstraffic 0" : "every transfer as if alone",
                   .fold = "every rank by itself",
                   .events = replay.events,
                   .simulate_minus_estimate = estimate.total > Seconds{} ? replay.total / estimate.total - 1 : 0};
  if (options.record_timeline)
    result.timeline = spans_of(graph, costs.replay, replay);
  return result;
}

} // namespace orrery
