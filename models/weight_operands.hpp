// What gradients of weights that run as passes of their own keep waiting in memory.
#pragma once

#include "workloads/graph.hpp"

namespace orrery {

/// Bytes that the gradients of a block's weights read: inputs of its linear layers and the gradients of their outputs.
[[nodiscard]] Bytes weight_operands(const Block& block);

} // namespace orrery
