// The attention half of a layer: norm, projections, core, residual.
#pragma once

#include "workloads/block_builder.hpp"

namespace orrery {

void attention_forward(const BlockBuilder& b, BlockBuilder::List& list);
void attention_backward(const BlockBuilder& b, BlockBuilder::List& list);

/// Scores, softmax and context: what selective recomputation repeats where they are kernels of their own.
void core_attention(const BlockBuilder& b, BlockBuilder::List& list);

/// Bytes kept for the backward pass when nothing is recomputed, or all but the core (Korthikanti et al. 2022, eq. 1 to 4, generalised to
/// GQA); norms and masks of both halves of the layer apart.
double attention_kept(const BlockBuilder& b, bool keep_core);

/// Elements on one rank. Keys are whole where they are fewer than ranks.
double attention_rank_parameters(const BlockBuilder& b);

} // namespace orrery
