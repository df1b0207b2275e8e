// Appends operators to the two lists of a block in the order of execution, for one micro-batch on one tensor-parallel rank.
#pragma once

#include "workloads/graph.hpp"
#include "workloads/transformer.hpp"

#include <string>
#include <vector>

namespace orrery {

/// Sizes of one micro-batch on one rank.
struct Sizes {
  double tokens, sequence, batch, hidden, tp;
  double queries;   ///< of one sequence on this rank: all of them, or its context-parallel share
  double element;   ///< bytes of an activation element
  double query, kv; ///< width of this rank's queries, and of its keys
  double heads, kv_heads, head_dim, value_dim;
  double context; ///< width of this rank's values, summed up by attention: what the output projection takes
  double ffn;     ///< width of this rank's share of the FFN
  double shard;   ///< tokens whose norms and residuals this rank computes

  Sizes(const TrainingJob& job, const Plan& plan);
};

inline constexpr double fp32_bytes = 4;

/// How a linear layer stands in its tensor-parallel region.
enum class Side {
  column, ///< the first: its input gradient is summed over TP
  row,    ///< the last: its output is summed over TP
  inner   ///< shares the sums of another layer
};

class BlockBuilder {
public:
  using List = std::vector<Operator>;

  BlockBuilder(const TrainingJob& training_job, const Plan& parallel_plan, const SoftwareProfile& profile, LayerKind layer_kind = {})
      : job(training_job), model(training_job.model), plan(parallel_plan), software(profile), kind(layer_kind),
        size(training_job, parallel_plan) {}

  const TrainingJob& job;
  const TransformerModel& model;
  const Plan& plan;
  const SoftwareProfile& software;
  LayerKind kind; ///< of the layer that is built
  Sizes size;

  void streaming(List& list, std::string name, OpClass op_class, double read, double written, int kernels = 1) const;
  void matmul(List& list, std::string name, OpClass op_class, Matmul shape) const;
  /// In the model's own precision, whatever the recipe.
  void plain_matmul(List& list, std::string name, OpClass op_class, Matmul shape) const;
  void grouped_matmul(List& list, std::string name, GroupedMatmul shape) const;
  /// A collective over any group; nothing where it has one rank.
  void collective_over(List& list, std::string name, CollectiveKind kind, Group group, int ranks, double bytes,
                       Overlap overlap = Overlap::none) const;
  /// A tensor-parallel collective; `bytes` of the full tensor.
  void collective(List& list, std::string name, CollectiveKind kind, double bytes, Overlap overlap = Overlap::none) const;

  /// Entry of a column-parallel region: nothing forward (the tokens are replicated) or a gather of the sequence shards.
  void enter_parallel(List& list, const std::string& name) const;
  /// Exit of a row-parallel region.
  void leave_parallel(List& list, const std::string& name) const;
  /// Output of a linear layer with `out` x `in` weights on this rank: casts of its operands, the product, and what `side` has the
  /// tensor-parallel ranks exchange.
  /// `parts`: widths of the products that it is split into, which add up to `out`; empty = one.
  void linear(List& list, const std::string& name, OpClass op_class, double in, double out, Side side,
              const std::vector<double>& parts = {}) const;
  /// Input and weight gradients of a linear layer with `out` x `in` weights on this rank.
  void linear_backward(List& list, const std::string& name, OpClass op_class, double in, double out, Side side,
                       const std::vector<double>& parts = {}) const;
  /// Widths of the products of queries, keys and values, and of the gate and the up-projection.
  [[nodiscard]] std::vector<double> attention_parts() const;
  [[nodiscard]] std::vector<double> feed_forward_parts() const;
  /// Adds up the gradients that several products leave for one input.
  void sum_input_gradients(List& list, const std::string& name, std::size_t products) const;

  /// A collective over the context-parallel ranks; `bytes` of the full buffer.
  void context_collective(List& list, const char* name, CollectiveKind kind, double bytes, Overlap overlap) const;

  /// The product that gives a weight gradient, and its addition to what earlier micro-batches left.
  void weight_gradient(List& list, const std::string& name, OpClass op_class, Matmul shape) const;
  /// Adds the bias of a projection that no kernel behind it takes along.
  void add_bias(List& list, const std::string& name, double out) const;
  /// The sum over `rows` of gradients `out` wide that gives a bias its own.
  void bias_gradient(List& list, const std::string& name, double rows, double out) const;
  /// Adds `elements` of weight gradients to what earlier micro-batches left, by a kernel of its own.
  void accumulate(List& list, const std::string& name, double elements) const;

  /// Whether the backward pass finds the whole input of a column-parallel layer, so that no rank gathers it once more.
  [[nodiscard]] bool has_gathered_input(const std::string& name) const;

  void norm(List& list, const std::string& name) const;
  void norm_backward(List& list, const std::string& name) const;
  /// Bias, dropout and residual addition after a row-parallel layer.
  void residual(List& list, const std::string& name) const;
  void residual_backward(List& list, const std::string& name) const;

  /// Whether the products of this class run in fewer bits than the model is kept in.
  [[nodiscard]] bool low_precision(OpClass op_class) const { return job.recipe != Recipe::none && op_class == OpClass::gemm; }
  /// Whether tensor-parallel ranks cast their shards of what this class multiplies before they gather them.
  [[nodiscard]] bool gathers_narrow(OpClass op_class) const { return low_precision(op_class) && !recipe_traits(job.recipe).gathers_wide; }
  /// Whether the weights of this class are frozen and held in fewer bits.
  [[nodiscard]] bool packed(OpClass op_class) const {
    return op_class == OpClass::gemm && job.tuning.freezes_weights() && job.tuning.frozen_weights != Packing::none;
  }
  /// What is cast, how often for a micro-batch, and whether a norm made it.
  struct Casting {
    double elements = 0;
    double times = 1;
    double tensors = 1;
    double copies = 2;
    bool of_norm = false;
  };
  /// Writes tensors in the recipe's precision, row by row and column by column.
  void cast(List& list, const std::string& name, const Casting& what) const;
  /// The input of a linear layer once more, for its weight gradient.
  void recast(List& list, const std::string& name, double elements) const;
  /// Casts of a layer's weights: for the first micro-batch, and kept.
  void cast_weights(List& list, const std::string& name, double elements, double tensors = 1, double copies = 2) const;

  /// Whether a step has no earlier micro-batch whose gradients would be added to.
  [[nodiscard]] bool one_micro_batch() const { return static_cast<double>(plan.micro_batch) * plan.dp >= job.global_batch; }
  /// Bytes of an element that is kept for a weight gradient alone: a low-precision recipe keeps what it cast.
  [[nodiscard]] double linear_input_bytes() const {
    const RecipeTraits traits = recipe_traits(job.recipe);
    return job.recipe == Recipe::none || software.recast_inputs ? size.element : element_bytes(traits.operand) + traits.scale_bytes;
  }
  /// PyTorch has a kernel for layer norms in eager mode too.
  [[nodiscard]] bool fuses_norms() const { return software.fused_norms || model.norm != NormKind::rms_norm; }
  /// Tokens of which a norm's output is kept.
  [[nodiscard]] double normed_tokens() const { return software.keep_gathered_inputs ? size.tokens : size.shard; }
  /// Matrices of which the activation function takes the outputs.
  [[nodiscard]] double gates() const { return model.ffn == FfnKind::gated ? 2 : 1; }
  /// Bytes of the full activation of one micro-batch.
  [[nodiscard]] double activation() const { return size.tokens * size.hidden * size.element; }
  /// Bytes of the part of what residuals are added to that this rank holds.
  [[nodiscard]] double stream() const { return size.shard * size.hidden * (software.autocast ? fp32_bytes : size.element); }
  /// The same, cast.
  [[nodiscard]] double narrow_activation() const { return size.tokens * size.hidden * element_bytes(recipe_traits(job.recipe).operand); }
  /// Bytes of the part whose norms and residuals this rank computes.
  [[nodiscard]] double shard() const { return size.shard * size.hidden * size.element; }
};

} // namespace orrery
