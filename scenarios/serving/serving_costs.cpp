#include "scenarios/serving/serving_costs.hpp"

#include "scenarios/serving/serving_deployment.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {

namespace {

/// Lengths of a service's requests, on average.
struct Typical {
  double input = 0;
  double context = 0; ///< over the tokens generated
};

Typical typical_of(const RequestStream& stream, std::uint16_t service) {
  Typical typical;
  double requests = 0;
  double tokens = 0;
  for (const Request& request : stream.requests) {
    if (request.service != service)
      continue;
    typical.input += request.input;
    typical.context += request.output * (request.input + request.output / 2.0);
    tokens += request.output;
    ++requests;
  }
  typical.input /= std::max(1.0, requests);
  typical.context /= std::max(1.0, tokens);
  return typical;
}

std::string layer_name(LayerKind kind) {
  const std::string mixer = kind.mixer == Mixer::recurrent            ? "recurrent"
                            : kind.mixer == Mixer::windowed_attention ? "windowed attention"
                            : kind.mixer == Mixer::attention          ? "attention"
                                                                      : "no mixing";
  const std::string forward = kind.feed_forward == FeedForward::experts ? "experts"
                              : kind.feed_forward == FeedForward::dense ? "dense"
                                                                        : "";
  return "layer, " + mixer + (forward.empty() ? "" : " and " + forward);
}

class Breakdown {
public:
  Breakdown(ReplicaModel& model, std::string pool) : model_(model), pool_(std::move(pool)) {}

  IterationBreakdown prefill(int tokens) {
    const PrefillChunk chunk{.tokens = static_cast<std::uint32_t>(tokens)};
    IterationBreakdown made{.pool = pool_, .phase = "prefill", .tokens = tokens, .sequences = 1, .cost = model_.cost({&chunk, 1}, 0, 0)};
    const ServingGraph& graph = model_.graph();
    const auto mixing = [&](LayerKind kind) {
      return kind.mixer == Mixer::recurrent ? std::vector<Operator>{graph.scan(kind, tokens, 1)} : graph.prompt(kind, tokens, 0);
    };
    add_layers(made, tokens, mixing, 1);
    return made;
  }

  IterationBreakdown decode(int sequences, double context) {
    const ServingGraph& graph = model_.graph();
    const int checked = graph.job().speculation.checked();
    const int groups = graph.plan().attention_dp;
    IterationBreakdown made{.pool = pool_,
                            .phase = "decode",
                            .tokens = sequences * checked,
                            .sequences = sequences,
                            .context = context,
                            .cost = model_.cost({}, sequences, context)};
    const double busiest = std::ceil(static_cast<double>(sequences) / groups);
    add_layers(made, sequences * checked, [&](LayerKind kind) { return graph.decode(kind, busiest, context, checked); }, busiest * checked);
    return made;
  }

private:
  template <class Mixing> void add_layers(IterationBreakdown& made, int tokens, Mixing mixing, double emitting) {
    const ServingGraph& graph = model_.graph();
    const double own = std::ceil(static_cast<double>(tokens) / graph.plan().attention_dp);
    add(made, "embedding", graph.embedding(own), 1);
    for (std::size_t k = 0; k < graph.kinds().size(); ++k) {
      double count = 0;
      for (const StageLayers& stage : graph.stages())
        count += stage.counts[k];
      add(made, layer_name(graph.kinds()[k]), graph.layer(graph.kinds()[k], own, tokens), count);
      add(made, layer_name(graph.kinds()[k]), mixing(graph.kinds()[k]), count);
    }
    add(made, "head", graph.head(emitting), 1);
  }

  void add(IterationBreakdown& made, const std::string& part, const std::vector<Operator>& list, double count) {
    const std::vector<OpCost> costs = model_.operator_costs(list);
    for (std::size_t i = 0; i < list.size(); ++i)
      made.parts.push_back({part, list[i], costs[i], count});
  }

  ReplicaModel& model_;
  std::string pool_;
};

IterationBreakdown image_breakdown(ImageReplica& model, const std::string& pool, int sequences) {
  IterationBreakdown made{.pool = pool, .phase = "pass", .sequences = sequences, .cost = model.cost({}, sequences, 0)};
  for (const ImageReplica::Part& part : model.parts(sequences))
    for (std::size_t i = 0; i < part.costs.size(); ++i)
      made.parts.push_back({part.part.name, part.part.operators[i], part.costs[i], static_cast<double>(part.part.count)});
  return made;
}

} // namespace

Seconds IterationBreakdown::kernels() const {
  Seconds sum;
  for (const IterationPart& part : parts)
    sum += part.time();
  return sum;
}

std::vector<IterationBreakdown> serving_costs(const Scenario& scenario, const ServingScenario& job, const ServingResult& result) {
  std::vector<IterationBreakdown> breakdowns;
  if (result.served == 0)
    return breakdowns;
  const RequestStream stream = serving_traffic(job, scenario.simulation.seed).stream;
  std::vector<Deployment> pools = deployments_of(scenario, job);
  ServingResult rebuilt;
  deploy(rebuilt, scenario, job, stream, pools);
  for (std::size_t p = 0; p < pools.size(); ++p) {
    const Typical typical = typical_of(stream, pools[p].service);
    const std::string prefix = pool_prefix(pools[p]);
    const std::string name = prefix.empty() ? "replicas" : prefix.substr(0, prefix.size() - 2);
    const int batch = std::max(1, static_cast<int>(std::lround(result.pools[p].mean_batch)));
    if (pools[p].images) {
      breakdowns.push_back(image_breakdown(*pools[p].images, name, batch));
      continue;
    }
    Breakdown breakdown(*pools[p].model, name);
    if (pools[p].pool != Pool::decode)
      breakdowns.push_back(breakdown.prefill(static_cast<int>(std::clamp<double>(typical.input, 1, pools[p].policy.max_tokens))));
    if (pools[p].pool != Pool::prefill)
      breakdowns.push_back(breakdown.decode(batch, typical.context));
  }
  return breakdowns;
}

} // namespace orrery
