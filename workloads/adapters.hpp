// Low-rank adapters beside the linear layers of a block (workloads/fine_tuning.hpp). Under a recipe of fewer bits the frozen products run
// in those, the adapters in the model's precision.
#pragma once

#include "workloads/block_builder.hpp"

#include <string>
#include <string_view>

namespace orrery {

/// Whether the linear layer of this name has an adapter.
bool has_adapter(const TrainingJob& job, std::string_view name);

/// Adds the adapter's part to the output of a linear layer with `out` x `in` weights on this rank.
void adapter_forward(const BlockBuilder& b, BlockBuilder::List& list, const std::string& name, double in, double out);
/// Its part of the gradient of the input.
void adapter_backward(const BlockBuilder& b, BlockBuilder::List& list, const std::string& name, double in, double out);
/// The gradients of its two factors.
void adapter_gradients(const BlockBuilder& b, BlockBuilder::List& list, const std::string& name, double in, double out);

/// Writes frozen weights in the working precision.
void unpack_weights(const BlockBuilder& b, BlockBuilder::List& list, const std::string& name, double elements);

/// Bytes that a layer keeps less, or more, than one whose weights are all trained.
double adapter_kept(const BlockBuilder& b);

/// Marks what a layer holds as frozen and adds its adapters.
void freeze_weights(const BlockBuilder& b, Block& block);

} // namespace orrery
