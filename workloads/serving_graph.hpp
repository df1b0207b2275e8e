// The operators of one iteration of a serving replica on one of its ranks: layer by layer, attention apart from what depends on the number
// of tokens alone.
//
// What:    kernels as the serving engines launch them. Residual and norm, gate and activation are one kernel each; rotation and the write
//          to the KV cache two or one; quantisation of a product's input one of its own or part of the kernel before it. Elementary
//          operators and separate projections where the software fuses none (eager PyTorch). Latent attention decodes absorbed: queries
//          are taken to the latent's width and outputs back, all heads reading one latent. Its prompts expand the latents of all keys.
//          With an index a query scores the small keys of all tokens and reads the latents of the best; prompts that are longer than what
//          it reads are absorbed then. Prompts of a recurrent layer are scanned in chunks; decoding reads and writes its state.
// Formula: sizes of workloads/block_builder.hpp with T tokens. Experts: T top_k / ep rows on a rank, times what the busiest gets
//          (workloads/routing.hpp); of its g experts, g (1 - (1 - top_k / E)^T) are read. Without attention-DP all ranks have all tokens
//          and sum up at the end. With it, tokens travel to the ranks of their experts, FP8 there and half precision back (DeepEP), as many
//          as the busiest rank gets, or all are gathered everywhere and summed up.
//          Where the cache keeps inputs of layers, attention first widens them and multiplies them by the rank's key and value weights,
//          over all keys of a prompt behind others and of every decoding sequence.
// Source:  vLLM 0.6 to 0.11 (model_executor/layers), TensorRT-LLM 1.0 (tensorrt_llm/_torch), DeepSeek-V3 (arXiv 2412.19437).
// Units:   elements and bytes.
// Valid:   decoder-only models; plans that serving_violations() (models/serving_memory.hpp) lets pass.
// Error:   kernels of sampling (4) and routing (2) are assumed; learned positions and ALiBi cost nothing. vLLM 0.19's modules of latent
//          attention (AIConfigurator, mla module tables) take 43 us more than their projections, casts, norms, rotation and attention on
//          H100, 44 on B200, whatever the batch: 11 small kernels of 4 us each stand for it, 3 (assumed) where the engine's attention
//          operator has them inside or the engine compiles its layers, which the tables' modules are not. Their prompts take up to 40%
//          longer than predicted. Index: four small kernels before and two after the scores are assumed; scores are priced as
//          half-precision attention, the engines' kernels multiply in FP8.
#pragma once

#include "workloads/block_builder.hpp"
#include "workloads/serving_job.hpp"

#include <vector>

namespace orrery {

/// Layers of each pipeline stage, by kind of layer.
struct StageLayers {
  std::vector<int> counts; ///< parallel to ServingGraph::kinds()
};

class ServingGraph {
public:
  using List = BlockBuilder::List;

  ServingGraph(ServingJob job, const ServingPlan& plan, const SoftwareProfile& software);
  ServingGraph(const ServingGraph&) = delete; // its builder refers to its own members
  ServingGraph& operator=(const ServingGraph&) = delete;

  [[nodiscard]] const std::vector<LayerKind>& kinds() const { return kinds_; }
  [[nodiscard]] const std::vector<StageLayers>& stages() const { return stages_; }
  [[nodiscard]] const ServingJob& job() const { return job_; }
  [[nodiscard]] const ServingPlan& plan() const { return plan_; }
  [[nodiscard]] const SoftwareProfile& software() const { return software_; }

  /// A layer without what mixes tokens. `tokens` = of this rank's attention group, `all` = of all of them.
  [[nodiscard]] List layer(LayerKind kind, double tokens, double all) const;
  /// What mixes the tokens of a recurrent layer: those of all prompts, since their scans run side by side.
  [[nodiscard]] Operator scan(LayerKind kind, double tokens, double prompts) const;
  /// What mixes the tokens of prompts that are alike where a layer attends: `tokens` new ones of each behind `past` others.
  [[nodiscard]] List prompt(LayerKind kind, double tokens, double past, double prompts = 1) const;
  /// The same of decoding sequences, each with `queries` tokens (several where guesses are checked) and `context` keys.
  [[nodiscard]] List decode(LayerKind kind, double sequences, double context, double queries = 1) const;
  [[nodiscard]] List embedding(double tokens) const;
  /// Final norm, head and sampling of the sequences that give a token.
  [[nodiscard]] List head(double sequences) const;

  /// Sizes of one rank at so many tokens.
  [[nodiscard]] BlockBuilder builder(LayerKind kind, double tokens) const;
  /// Whether the linear layers of such a layer, experts apart, are kept in the job's weight format.
  [[nodiscard]] bool narrow(LayerKind kind) const;

  /// What a prediction layer puts before its transformer layer: the token's embedding beside the hidden state, projected to one width.
  [[nodiscard]] List prediction_entry(double tokens) const;

private:
  void norm(const BlockBuilder& b, List& list, const char* name, bool after_reduce) const;
  void quantise(const BlockBuilder& b, List& list, const char* name, double elements, bool alone) const;
  void linear(const BlockBuilder& b, List& list, const char* name, double in, double out, bool alone) const;
  void parts(const BlockBuilder& b, List& list, const char* name, double in, const std::vector<double>& widths, double out) const;
  void product(const BlockBuilder& b, List& list, const char* name, OpClass op_class, Precision operand, Matmul shape) const;
  void unfused_attention(const BlockBuilder& b, List& list, double sequences, double queries, double keys) const;
  void query_key_norm(const BlockBuilder& b, List& list, double bytes) const;
  void attention_inputs(const BlockBuilder& b, List& list) const;
  void latent_inputs(const BlockBuilder& b, List& list) const;
  void latent_copies(const BlockBuilder& b, List& list, double width) const;
  void index_scores(const BlockBuilder& b, List& list, const FusedAttention& over) const;
  void absorbed(const BlockBuilder& b, List& list, FusedAttention shape) const;
  void feed_forward(const BlockBuilder& b, List& list) const;
  void experts(const BlockBuilder& b, List& list, double all) const;
  /// What the busiest of the experts' ranks gets of `all` tokens.
  struct Arrivals {
    double all = 0;
    RoutingLoad load;
    bool gathered = false; ///< every rank has all of them
    double tokens = 0;
  };
  [[nodiscard]] Arrivals arrivals(double all) const;
  void shared_experts(const BlockBuilder& b, List& list) const;
  void expert_products(const BlockBuilder& b, List& list, const Arrivals& arrivals, bool cast) const;
  void exchange(const BlockBuilder& b, List& list, const Arrivals& arrivals, bool back) const;
  void sum(const BlockBuilder& b, List& list, const char* name) const;
  [[nodiscard]] FusedAttention attention(const BlockBuilder& b) const;
  void rematerialise(const BlockBuilder& b, List& list, double sequences, double tokens) const;

  ServingJob job_;
  ServingPlan plan_;
  SoftwareProfile software_;
  TrainingJob shapes_; ///< what the builder takes its sizes from
  Plan layout_;
  BlockBuilder base_;
  std::vector<LayerKind> kinds_;
  std::vector<StageLayers> stages_;
};

/// The job of the layers that guess, as a model of their own with the same numbers; Drafter::prediction_layers has one layer of the
/// model's last kind. Precondition: a drafter that computes.
ServingJob drafting_job(const ServingJob& job);

} // namespace orrery
