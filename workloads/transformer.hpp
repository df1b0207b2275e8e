// Builds the operator graph of a training step of a dense decoder-only transformer.
#pragma once

#include "workloads/documents.hpp"
#include "workloads/fine_tuning.hpp"
#include "workloads/graph.hpp"
#include "workloads/model.hpp"
#include "workloads/plan.hpp"
#include "workloads/recipe.hpp"
#include "workloads/routing.hpp"
#include "workloads/software.hpp"

#include <set>
#include <string>
#include <vector>

namespace orrery {

/// What is trained, apart from how it is laid out.
struct TrainingJob {
  TransformerModel model;
  int sequence = 2048;
  int global_batch = 1; ///< sequences per step over all replicas
  Precision precision = Precision::bf16;
  Recipe recipe = Recipe::none; ///< precision of the linear layers' products, where it is lower
  Documents documents;          ///< packed into the sequences
  FineTuning tuning;            ///< what is frozen
  Routing routing;              ///< of tokens to experts
  double tokens = 0;            ///< budget of the whole run; 0 = none
};

/// Precisions that the job's matrix products run in.
std::set<Precision> arithmetic_precisions(const TrainingJob& job);

/// A constraint that a plan breaks, as an inequality with its numbers.
struct Violation {
  std::string constraint;
};

/// Divisibility, ranks, layers and schedule constraints. Empty = the graph can be built.
std::vector<Violation> check_plan(const TrainingJob& job, const Plan& plan, int devices);

/// Layers of each model chunk in pipeline order (pp * virtual_stages entries).
std::vector<int> layers_per_chunk(const TransformerModel& model, const Plan& plan);

/// Precondition: check_plan found nothing.
OpGraph build_training_graph(const TrainingJob& job, const Plan& plan, const SoftwareProfile& software);

} // namespace orrery
