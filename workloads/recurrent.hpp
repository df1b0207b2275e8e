// The mixing half of a layer whose state runs along the sequence: projections, a short convolution, and the scan in chunks.
//
// What:    Mamba-2 (state space duality) or the gated delta rule, heads split over the tensor-parallel ranks.
// Formula: per head and chunk of c tokens, with keys of width N and values of width P: scores c x N x c (once per key head), their product
//          with the values c x c x P, the chunk's state N x c x P, the state's part of the output c x N x P. The delta rule adds key
//          products c x N x c, a triangular solve c x c x (N + P) and the correction of the values c x N x P. Backward: each product twice.
// Source:  Mamba-2 (arXiv 2405.21060, section 6); gated delta networks (arXiv 2412.06464, section 3) and their chunked form.
// Units:   FLOPs and bytes.
// Valid:   sequences of several chunks.
// Error:   the backward scan is assumed to cost two forward ones; no kernel of it was measured, and none of Mamba-2's.
#pragma once

#include "workloads/block_builder.hpp"

namespace orrery {

/// One rank's share.
struct RecurrentSizes {
  double heads, key_heads;
  double values, keys; ///< widths over all heads
  double projected;    ///< width of the input projection
  double convolved;    ///< channels of the convolution

  explicit RecurrentSizes(const BlockBuilder& b);
};

/// The builder's tokens as `sequences` alike ones.
Operator recurrent_scan(const BlockBuilder& b, double sequences, bool backward);

void recurrent_forward(const BlockBuilder& b, BlockBuilder::List& list);
void recurrent_backward(const BlockBuilder& b, BlockBuilder::List& list);

/// Bytes kept for the backward pass when nothing is recomputed, norms and masks apart.
double recurrent_kept(const BlockBuilder& b);

/// Elements on one rank.
double recurrent_rank_parameters(const BlockBuilder& b);

/// FLOPs of the scan of one token over all heads, forward.
double scan_flops(const RecurrentMixer& mixer);

} // namespace orrery
