// What an iteration of a serving job consists of: operators of a typical prompt and of a typical decoding batch, for dumps and `--why`.
//
// A typical prompt has the mean input of the requests, at most the policy's budget, computed alone and from its start. A typical decoding
// batch has the mean number of sequences of the run, each with the mean context of a token: input and half of the output, long outputs
// counted more.
#pragma once

#include "models/cost.hpp"
#include "models/iteration_cost.hpp"
#include "scenarios/scenario.hpp"
#include "scenarios/serving/serving_result.hpp"
#include "workloads/graph.hpp"

#include <string>
#include <vector>

namespace orrery {

/// An operator of an iteration on one rank, and how often it runs, over all pipeline stages.
struct IterationPart {
  std::string part; ///< of the model: a kind of layer, embedding, head
  Operator op;
  OpCost cost; ///< once
  double count = 1;

  [[nodiscard]] Seconds time() const { return count * cost.time; }
};

struct IterationBreakdown {
  std::string pool;
  std::string phase; ///< "prefill", "decode", or "pass" over images
  int tokens = 0;    ///< computed
  int sequences = 0;
  double context = 0; ///< of each, where they decode
  IterationCost cost; ///< as simulated
  std::vector<IterationPart> parts;

  [[nodiscard]] Seconds kernels() const;
  /// Host, launches that kernels do not cover, a clock under a cap, messages between stages; negative where work is overlapped.
  [[nodiscard]] Seconds rest() const { return cost.latency - kernels(); }
};

/// Of every pool of a job that ran, those of its prompts and of its decoding sequences.
std::vector<IterationBreakdown> serving_costs(const Scenario& scenario, const ServingScenario& job, const ServingResult& result);

} // namespace orrery
