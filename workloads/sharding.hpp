// Where the ranks of a plan sit and how they share the states of the model.
//
// What:    the shape of every parallel group, and the operators that sharding adds: gathers and reductions beside the passes, and what ends
//          a step.
// Formula: parameters are shared by P ranks, gradients by G, optimizer states by S, all inside the D = dp x cp ranks that hold the same
//          part of the model (zero 0: 1, 1, 1; zero 1: 1, 1, S; zero 2: 1, G, S; zero 3: P, G, S; S = D unless the plan says otherwise).
//          Gradients are scattered over G after every backward pass (zero 2 and 3), over S / G once per step, and summed over the D / S
//          copies; new parameters are gathered over S / P. Passes of zero 3 gather every layer over P, backward passes from the secondary
//          copy where there is one.
// Source:  ZeRO (arXiv 1910.02054), PyTorch FSDP (arXiv 2304.11277), ZeRO++ (arXiv 2306.10209).
// Units:   elements and bytes.
// Valid:   groups that are regular in rank order.
#pragma once

#include "workloads/graph.hpp"
#include "workloads/transformer.hpp"

#include <string>
#include <vector>

namespace orrery {

/// Ranks that share one copy of each state.
struct ShardSizes {
  int data = 1;    ///< D
  int experts = 1; ///< ranks that hold the same experts
  int parameters = 1;
  int gradients = 1;
  int optimizer = 1;
};

ShardSizes shard_sizes(const Plan& plan);

/// Shapes of all groups of a plan that check_placement lets pass.
GroupShapes group_shapes(const Plan& plan);

/// Group shapes that are not regular, and shards that do not divide.
std::vector<Violation> check_placement(const Plan& plan);

/// Adds the gathers and scatters of one block (zero 2 and 3) to its passes, and the layers gathered at once to its working set.
void shard_block(Block& block, const TrainingJob& job, const Plan& plan, const SoftwareProfile& software);

/// Elements that one rank holds before sharding.
struct HeldElements {
  double dense = 0;
  double experts = 0;
  double tied_embedding = 0; ///< of a table that the first and the last stage share
  double frozen = 0;         ///< of `dense`, without gradients
  double frozen_experts = 0; ///< of `experts`
  double packed = 0;         ///< of `frozen`, held in fewer bits

  [[nodiscard]] double trained() const { return dense - frozen; }
  [[nodiscard]] double trained_experts() const { return experts - frozen_experts; }
  void add(const Block& block, int times);
  void add(const HeldElements& other);

  friend bool operator==(const HeldElements&, const HeldElements&) = default;
};

/// Adds what no pass hides to the block that starts the model: the gathers of the parameters outside the layers and of the first layer, and
/// their reductions after the last backward operator. `held` = elements outside the layers and of one layer.
void expose_ends(Block& block, const HeldElements& held, const TrainingJob& job, const Plan& plan, const SoftwareProfile& software);

/// build_training_graph, and what each stage holds: all that other ways to share and reduce the states need.
OpGraph build_training_graph(const TrainingJob& job, const Plan& plan, const SoftwareProfile& software, std::vector<HeldElements>& held);

/// Gradient reduction, optimizer and parameter gather of a stage.
std::vector<Operator> step_operators(const TrainingJob& job, const Plan& plan, const SoftwareProfile& software, const HeldElements& held);

/// Parameters, gradients and optimizer states of a stage on one rank.
void fill_states(Stage& stage, const TrainingJob& job, const Plan& plan, const SoftwareProfile& software, const HeldElements& held);

} // namespace orrery
