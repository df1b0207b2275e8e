#include "scenarios/search/serving_capacity.hpp"

#include "scenarios/run.hpp"
#include "sim/base/diagnostics.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery {

namespace {

std::string percent_text(double share) { return fmt::format("{:.1f}%", 100 * share); }

/// Why a deployment does not do; empty = it meets the bounds.
std::string shortfall(const ServingResult& result, const ServiceTarget& target) {
  if (!result.violations.empty())
    return result.violations.front();
  if (result.saturation.saturated)
    return fmt::format("{:.3g} requests/s come, {:.3g} are served: the queue grows", result.saturation.offered, result.saturation.served);
  if (target.itl_p99 && result.itl.p99 > *target.itl_p99)
    return fmt::format("{:.1f} ms between tokens at the 99th percentile > {:.1f} ms", 1e3 * result.itl.p99.si(),
                       1e3 * target.itl_p99->si());
  if (result.attainment >= result.attainment_due)
    return {};
  std::string text = fmt::format("{} < {} keep their bounds", percent_text(result.attainment), percent_text(result.attainment_due));
  const auto worst = std::ranges::min_element(result.classes, {}, &ClassResult::attainment);
  const auto add = [&text](const char* what, Seconds bound, double share) {
    if (bound.si() > 0 && share < 1)
      text += fmt::format(", {} {}", what, percent_text(share));
  };
  add("first token", worst->bounds.ttft, worst->ttft_met);
  add("per token", worst->bounds.tpot, worst->tpot_met);
  add("end to end", worst->bounds.end_to_end, worst->end_to_end_met);
  add("between tokens", worst->bounds.itl, worst->itl_met);
  return text;
}

class Search {
public:
  Search(const Scenario& scenario, const std::function<void(const SearchProgress&)>& progress)
      : scenario_(scenario), progress_(progress), options_(scenario.capacity.value_or(CapacityOptions{})) {}

  ServingCapacity run() {
    const ServingScenario& job = *scenario_.jobs.front().serving;
    found_ = {.scenario = scenario_.name, .software = scenario_.software.name, .model = job.model.name, .attainment = job.slo.attainment};
    const std::vector<NodeType> own{scenario_.cluster.node};
    for (const NodeType& node : options_.nodes.empty() ? own : options_.nodes)
      for (const int sequences : options_.serving.max_sequences.empty() ? std::vector{0} : options_.serving.max_sequences)
        look_at(node, sequences);
    choose();
    return std::move(found_);
  }

private:
  static DeploymentPoint deployment(const ServingPlan& plan) { return {.plan = plan}; }
  static DeploymentPoint deployment(const ServingPlan& prefill, const ServingPlan& decode) {
    return {.pools = ServingPools{.prefill = {.plan = prefill}, .decode = {.plan = decode}}};
  }

  /// Layouts of one replica.
  [[nodiscard]] std::vector<ServingPlan> layouts(const NodeType& node) const {
    std::vector<ServingPlan> all = options_.serving.plans;
    if (all.empty())
      for (const int tp : options_.serving.tp)
        all.push_back({.tp = tp});
    if (all.empty())
      for (int tp = 1; tp <= node.devices; tp *= 2)
        all.push_back({.tp = tp});
    return all;
  }

  static ServingPlan times(ServingPlan plan, int replicas) {
    plan.replicas = replicas;
    return plan;
  }

  void look_at(const NodeType& node, int sequences) {
    const auto meets = [&](DeploymentPoint point) {
      point.max_sequences = sequences;
      return simulate(node, std::move(point));
    };
    const int devices = options_.serving.max_devices;
    for (const ServingPlan& plan : layouts(node))
      fewest(devices / plan.replica_devices(), [&](int replicas) { return meets(deployment(times(plan, replicas))); });
    if (!options_.serving.disaggregated)
      return;
    for (const ServingPlan& prefill : layouts(node))
      for (const ServingPlan& decode : layouts(node)) {
        const auto both = [&](int p, int d) { return meets(deployment(times(prefill, p), times(decode, d))); };
        const auto beside = [&](int p) { return (devices - p * prefill.replica_devices()) / decode.replica_devices(); };
        const int most = (devices - decode.replica_devices()) / prefill.replica_devices();
        const std::optional<int> p = fewest(most, [&](int n) { return both(n, beside(n)); });
        if (p)
          fewest(beside(*p), [&](int n) { return both(*p, n); });
      }
  }

  /// The fewest of 1 to `most` for which `meets` holds, which it does for all above as well; nothing where it does for none.
  static std::optional<int> fewest(int most, const std::function<bool(int)>& meets) {
    int missed = 0;
    int kept = 1;
    while (kept <= most && !meets(kept)) {
      if (kept == most)
        return std::nullopt;
      missed = kept;
      kept = std::min(2 * kept, most);
    }
    if (kept > most)
      return std::nullopt;
    while (kept - missed > 1) {
      const int middle = (missed + kept) / 2;
      (meets(middle) ? kept : missed) = middle;
    }
    return kept;
  }

  bool simulate(const NodeType& node, DeploymentPoint point) {
    Scenario scenario = scenario_;
    ServingScenario& job = *scenario.jobs.front().serving;
    job.goodput.reset();
    job.pools = point.pools;
    job.plan = point.pools ? ServingPlan{} : point.plan;
    const auto limit = [&point](BatchingChoice& batching) {
      if (point.max_sequences > 0)
        batching.max_sequences = point.max_sequences;
    };
    if (job.pools) {
      job.pools->prefill.batching = job.pools->decode.batching = job.batching;
      limit(job.pools->prefill.batching);
      limit(job.pools->decode.batching);
      job.batching = {};
    } else {
      limit(job.batching);
    }
    point.node = node.name;
    point.devices = serving_devices(job);
    point.nodes = (point.devices + node.devices - 1) / node.devices;
    scenario.cluster.node = node;
    scenario.cluster.nodes = point.nodes;
    if (scenario.cluster.fabric.kind == FabricKind::single_node && point.nodes > 1) {
      point.binds = fmt::format("{} nodes > 1 of the fabric single_node", point.nodes);
    } else {
      point.result = std::move(run_scenario(scenario).serving.front());
      point.binds = shortfall(point.result, job.slo);
    }
    found_.points.push_back(std::move(point));
    if (progress_)
      progress_({.done = static_cast<double>(found_.points.size()), .total = static_cast<double>(found_.points.size())});
    return found_.points.back().meets();
  }

  [[nodiscard]] bool cheaper(const DeploymentPoint& a, const DeploymentPoint& b) const {
    if (!found_.by_devices && a.result.priced != b.result.priced)
      return a.result.priced;
    if (!found_.by_devices && a.result.cost_per_million_output_tokens != b.result.cost_per_million_output_tokens)
      return a.result.cost_per_million_output_tokens < b.result.cost_per_million_output_tokens;
    if (a.devices != b.devices)
      return a.devices < b.devices;
    return a.result.latencies.tpot.mean < b.result.latencies.tpot.mean;
  }

  void choose() {
    const std::vector<DeploymentPoint>& points = found_.points;
    found_.by_devices = std::ranges::none_of(points, [](const DeploymentPoint& p) { return p.ran() && p.result.priced; });
    for (std::size_t i = 0; i < points.size(); ++i)
      if (points[i].meets() && (!found_.best || cheaper(points[i], points[*found_.best])))
        found_.best = i;
    for (std::size_t i = 0; i < points.size(); ++i)
      if (points[i].meets() && !dominated(i))
        found_.frontier.push_back(i);
    std::ranges::sort(found_.frontier, {}, [&](std::size_t i) { return points[i].result.latencies.tpot.mean.si(); });
    explain_smaller();
  }

  /// Whether another deployment that meets the bounds is better in one and no worse in the other; of equal ones the first stays.
  [[nodiscard]] bool dominated(std::size_t i) const {
    const auto rate = [this](std::size_t k) { return found_.points[k].result.output_tokens_per_second_per_device; };
    const auto time = [this](std::size_t k) { return found_.points[k].result.latencies.tpot.mean; };
    for (std::size_t k = 0; k < found_.points.size(); ++k)
      if (found_.points[k].meets() && rate(k) >= rate(i) && time(k) <= time(i) && (rate(k) > rate(i) || time(k) < time(i) || k < i))
        return true;
    return false;
  }

  void explain_smaller() {
    if (!found_.best)
      return;
    const DeploymentPoint& best = found_.points[*found_.best];
    const DeploymentPoint* next = nullptr;
    for (const DeploymentPoint& p : found_.points)
      if (!p.meets() && p.devices < best.devices && p.node == best.node && p.pools.has_value() == best.pools.has_value() &&
          (next == nullptr || p.devices > next->devices))
        next = &p;
    if (next != nullptr)
      found_.smaller = fmt::format("{} devices: {}", next->devices, next->binds);
  }

  const Scenario& scenario_;
  const std::function<void(const SearchProgress&)>& progress_;
  CapacityOptions options_;
  ServingCapacity found_;
};

} // namespace

ServingCapacity find_serving_capacity(const Scenario& scenario, const std::function<void(const SearchProgress&)>& progress) {
  if (scenario.jobs.size() != 1 || !scenario.jobs.front().serving)
    throw UserError("jobs: a search for a deployment needs exactly one job with 'serving'");
  const ServingScenario& job = *scenario.jobs.front().serving;
  if (!has_model(job))
    throw UserError("jobs.0.serving.model: missing; a search for a deployment varies the replicas of the job's own model");
  if (!has_bounds(job))
    throw UserError("jobs.0.serving.slo: no bounds on latencies; a search for a deployment needs some: slo: { ttft: 1 s, tpot: 50 ms }");
  return Search(scenario, progress).run();
}

} // namespace orrery
