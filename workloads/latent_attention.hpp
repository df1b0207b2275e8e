// Projections of multi-head latent attention: keys and values (and queries) by way of one narrow vector per token.
//
// What:    the down projections are whole on every rank and work on its sequence shard; the latents are gathered, and the up projections
//          split by heads. Keys and values are built in full, as in training.
// Source:  DeepSeek-V2 (arXiv 2405.04434, section 2.1); Megatron-Core's MLASelfAttention for what is split and gathered.
// Units:   elements and bytes.
#pragma once

#include "workloads/block_builder.hpp"

namespace orrery {

void latent_projections(const BlockBuilder& b, BlockBuilder::List& list);
void latent_projections_backward(const BlockBuilder& b, BlockBuilder::List& list);

/// Elements of latents kept for the backward pass; 0 without them.
double latent_elements(const BlockBuilder& b);

/// Elements of all projections and norms of latents on one rank.
double latent_rank_parameters(const BlockBuilder& b);

} // namespace orrery
