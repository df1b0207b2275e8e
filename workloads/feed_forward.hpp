// The feed-forward half of a layer: norm, two or three matrices with the activation between them, residual.
#pragma once

#include "workloads/block_builder.hpp"

namespace orrery {

void feed_forward(const BlockBuilder& b, BlockBuilder::List& list);
void feed_forward_backward(const BlockBuilder& b, BlockBuilder::List& list);

/// Bytes kept for the backward pass when nothing is recomputed, norms and masks apart.
double feed_forward_kept(const BlockBuilder& b);

/// Elements on one rank. The bias of the row-parallel layer is whole on every rank.
double feed_forward_rank_parameters(const BlockBuilder& b);

} // namespace orrery
