#include "models/money.hpp"
#include "models/power.hpp"
#include "scenarios/training_metrics.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

namespace orrery {

namespace {

/// The part of the cluster that a job runs on.
Cluster share_of(const Cluster& cluster, int ranks) {
  Cluster share = cluster;
  share.nodes = (ranks + cluster.node.devices - 1) / cluster.node.devices;
  return share;
}

/// Weights, fp32 master weights and two moments of every parameter.
Bytes checkpoint_bytes(double parameters, Precision precision) {
  const double element = element_bytes(precision);
  return Bytes{parameters * (element + 8 + (element < 4 ? 4 : 0))};
}

Goodput goodput_of(const Scenario& scenario, const TrainingResult& result, const Stages& stages) {
  const ReliabilityOptions& options = *scenario.reliability;
  const Cluster share = share_of(scenario.cluster, result.devices);
  const Bytes bytes = checkpoint_bytes(result.parameters, stages.graph.precision);
  const CheckpointState state{
      .bytes = bytes, .bytes_per_device = bytes / static_cast<double>(result.devices), .host_link = share.node.host.device_link};
  return goodput(restart_model(options, {.devices = result.devices, .nodes = share.nodes}, state), options.run_length);
}

Budget budget_of(const Scenario& scenario, const TrainingScenario& job, const TrainingResult& result, const Stages& stages) {
  Budget budget{.tokens = job.job->tokens, .steps = std::ceil(job.job->tokens / stages.graph.tokens)};
  const Goodput goodput = result.goodput.value_or(Goodput{});
  budget.time = wall_time(budget.steps * result.step_time, goodput);
  const Cluster share = share_of(scenario.cluster, result.devices);
  const Watts waiting = facility_power(share, waiting_power(stages.power));
  const RunCost cost = run_cost(share, budget.time, mean_power(result.power.facility_mean, waiting, goodput));
  budget.energy = cost.energy;
  budget.capital = cost.capital;
  budget.electricity = cost.electricity;
  budget.cost = cost.total();
  budget.priced = cost.priced;
  budget.device_hours = cost.device_hours;
  return budget;
}

/// Figures that a description has for its reader: no result rests on them.
constexpr std::array<std::string_view, 3> unread = {"max_clock", "max_power", "year"};

void add_assumed(std::vector<Assumption>& list, const std::string& subject, const std::vector<Provenance>& sources) {
  for (const Provenance& source : sources)
    if (source.kind == SourceKind::assumed && std::ranges::find(unread, source.figure) == unread.end())
      list.push_back({subject, source.figure, source.reference});
}

/// Of machines and memory that a job which serves has beside the cluster's, each once.
void add_assumed_of_pools(std::vector<Assumption>& list, const ServingScenario& job) {
  const auto add = [&](const std::string& subject, const std::vector<Provenance>& sources) {
    if (std::ranges::find(list, subject, &Assumption::subject) == list.end())
      add_assumed(list, subject, sources);
  };
  const auto add_node = [&](const std::optional<NodeType>& node) {
    if (!node)
      return;
    add("device " + node->device.name, node->device.sources);
    add("node " + node->name, node->sources);
  };
  if (job.pools) {
    add_node(job.pools->prefill.node);
    add_node(job.pools->decode.node);
  }
  for (const ServiceChoice& service : job.services)
    add_node(service.node);
  for (const KvTierChoice& choice : job.kv_tiers)
    if (choice.tier)
      add("memory " + choice.tier->name, choice.tier->sources);
}

/// Operators whose time rests on an assumed fraction, each name once.
void add_assumed_operators(std::vector<Assumption>& list, const std::vector<Operator>& operators, const std::vector<OpCost>& costs) {
  for (std::size_t i = 0; i < operators.size(); ++i) {
    const bool known = std::any_of(list.begin(), list.end(), [&](const Assumption& a) { return a.figure == operators[i].name; });
    if (costs[i].assumed && !known)
      list.push_back({"cost models", operators[i].name, "no kernel of this kind was measured on this architecture"});
  }
}

} // namespace

void fill_run_metrics(TrainingResult& result, const Scenario& scenario, const TrainingScenario& job, const Stages& stages) {
  if (scenario.reliability) {
    result.goodput = goodput_of(scenario, result, stages);
    result.goodput_run_length = scenario.reliability->run_length;
  }
  if (job.job && job.job->tokens > 0)
    result.budget = budget_of(scenario, job, result, stages);
}

std::vector<Assumption> assumptions_of(const Scenario& scenario, const std::vector<Stages>& stages) {
  std::vector<Assumption> list;
  const NodeType& node = scenario.cluster.node;
  add_assumed(list, "device " + node.device.name, node.device.sources);
  add_assumed(list, "node " + node.name, node.sources);
  add_assumed(list, "cluster " + scenario.cluster.name, scenario.cluster.sources);
  for (const TrainingScenario& job : scenario.jobs)
    if (job.serving)
      add_assumed_of_pools(list, *job.serving);
  if (std::ranges::any_of(scenario.jobs, [](const TrainingScenario& job) { return !job.trace; }))
    add_assumed(list, "software " + scenario.software.name, scenario.software.sources);
  if (scenario.reliability)
    add_assumed(list, "failures " + scenario.reliability->failures.name, scenario.reliability->failures.sources);
  for (const Stages& job : stages)
    for (std::size_t b = 0; b < job.graph.blocks.size(); ++b) {
      add_assumed_operators(list, job.graph.blocks[b].forward, job.costs.blocks[b].forward);
      add_assumed_operators(list, job.graph.blocks[b].backward, job.costs.blocks[b].backward);
    }
  return list;
}

} // namespace orrery
