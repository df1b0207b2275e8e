// Training of a part of a model: low-rank adapters beside frozen weights, and frozen first layers.
//
// What:    which elements have gradients and optimizer states, and what a layer computes, keeps and holds then.
// Formula: an adapter of rank r beside a product of i inputs and o outputs: two products (i to r, r to o) and a sum forward, two for the
//          gradient of the input and two for its own backward; r (i + o) elements. Frozen weights have no product for their gradient; their
//          inputs are kept only for an adapter. Packed weights are written in the working precision before each product that reads them.
//          Frozen first layers, the embedding among them, run forward alone and keep nothing.
// Source:  LoRA (arXiv 2106.09685); QLoRA (arXiv 2305.14314): NF4 with double quantisation, 0.127 bits of constants per element.
// Valid:   adapters: layers of plain attention and dense feed-forward networks, no dropout on their inputs. Each tensor-parallel rank holds
//          the factor that is not split whole; sums of its gradient over them are left out. A pipeline still returns messages to stages
//          that are frozen as a whole.
#pragma once

#include "workloads/plan.hpp"

#include <vector>

namespace orrery {

/// How frozen weights of linear layers are held.
enum class Packing {
  none, ///< in the working precision
  int8,
  nf4 ///< four bits, and constants of blocks that are quantised themselves
};

struct FineTuning {
  int adapter_rank = 0;         ///< 0 = the weights themselves are trained
  std::vector<Module> adapters; ///< linear layers that have one; empty = all of them
  Packing frozen_weights = Packing::none;
  int frozen_layers = 0; ///< the first ones, with the embedding
  bool adapts = true;    ///< layers have adapters: those that are frozen as a whole have none

  [[nodiscard]] bool freezes_weights() const { return adapter_rank > 0; }
  [[nodiscard]] bool freezes_embedding() const { return adapter_rank > 0 || frozen_layers > 0; }
  /// Bytes of a frozen element of a linear layer, which has `working` in the working precision.
  [[nodiscard]] double packed_bytes(double working) const {
    return frozen_weights == Packing::none ? working : frozen_weights == Packing::int8 ? 1 : (4 + 0.127) / 8;
  }
};

} // namespace orrery
