// The feed-forward half of a layer with experts: router, permutation, dispatch, grouped products, combination; shared experts beside them.
//
// What:    operators of the rank with the busiest experts, which the others wait for.
// Formula: a rank routes its own tokens (its sequence shard), t; its experts get t x top_k x load rows from the expert group and, where an
//          expert is shared by etp ranks, gather those of etp such groups. With a capacity, load is the capacity. Dispatch and combination
//          carry t x top_k rows, or where copies are deduplicated t x (mean number of ranks, or with node-limited routing of groups, that
//          hold an expert of a token); the busiest rank's share of them.
// Source:  Megatron-Core MoE (arXiv 2504.14960) for the order of operators, the folding of attention and expert groups, and what is kept;
//          DeepEP for deduplication; DeepSeek-V3 (arXiv 2412.19437) for node-limited routing.
// Units:   rows of the hidden width; bytes.
// Valid:   sequence-parallel plans where tp > 1 (as Megatron-Core asks for).
// Error:   a group of experts is taken to lie on one node, and the copies inside it to be hidden: where one switched domain spans several
//          groups, up to half of what travels is left out. Kernels per routing step are counted from Megatron-Core's source, assumed to be
//          alike elsewhere.
#pragma once

#include "workloads/block_builder.hpp"

namespace orrery {

/// Rows of one micro-batch on the busiest rank.
struct ExpertSizes {
  double tokens;   ///< that this rank routes
  double routed;   ///< rows for its experts before the gather over the ranks that share an expert
  double rows;     ///< rows of its products
  double largest;  ///< of these, of its largest expert
  double travels;  ///< rows of the dispatch that the busiest rank sends or receives
  double groups;   ///< experts that it holds (a share of)
  double width;    ///< of its share of an expert
  bool duplicated; ///< rows travel once per expert, so that they need no copying on arrival

  explicit ExpertSizes(const BlockBuilder& b);
};

void experts_forward(const BlockBuilder& b, BlockBuilder::List& list);
void experts_backward(const BlockBuilder& b, BlockBuilder::List& list);

/// Bytes kept for the backward pass when nothing is recomputed, norms and masks apart.
double experts_kept(const BlockBuilder& b);
/// Bytes of the widest gradients of the backward pass.
double experts_working_set(const BlockBuilder& b);

/// Elements of experts on one rank.
double expert_rank_parameters(const BlockBuilder& b);
/// Elements of router and shared experts on one rank.
double router_rank_parameters(const BlockBuilder& b);

} // namespace orrery
