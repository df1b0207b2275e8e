#include "workloads/adapters.hpp"

#include "workloads/recompute.hpp"

#include <algorithm>
#include <array>

namespace orrery {

namespace {

using List = BlockBuilder::List;

/// A linear layer that may have an adapter, with its sizes on one rank.
struct AdaptedLayer {
  const char* name;
  double in;
  double out;
};

std::array<AdaptedLayer, 4> adapted_layers(const BlockBuilder& b) {
  const Sizes& s = b.size;
  return {{{"qkv", s.hidden, s.query + 2 * s.kv},
           {"projection", s.context, s.hidden},
           {"ffn_up", s.hidden, b.gates() * s.ffn},
           {"ffn_down", s.ffn, s.hidden}}};
}

} // namespace

bool has_adapter(const TrainingJob& job, std::string_view name) {
  const FineTuning& tuning = job.tuning;
  if (tuning.adapter_rank == 0 || !tuning.adapts)
    return false;
  const std::optional<Module> module = module_of(name);
  if (!module)
    return false;
  return tuning.adapters.empty() || std::ranges::find(tuning.adapters, *module) != tuning.adapters.end();
}

void adapter_forward(const BlockBuilder& b, List& list, const std::string& name, double in, double out) {
  const double rank = b.job.tuning.adapter_rank;
  const double result = b.size.tokens * out * b.size.element;
  b.plain_matmul(list, name + "_adapter_in", OpClass::gemm, {.m = b.size.tokens, .n = rank, .k = in});
  b.plain_matmul(list, name + "_adapter_out", OpClass::gemm, {.m = b.size.tokens, .n = out, .k = rank});
  b.streaming(list, name + "_adapter_sum", OpClass::elementwise, 2 * result, result);
}

void adapter_backward(const BlockBuilder& b, List& list, const std::string& name, double in, double out) {
  const double rank = b.job.tuning.adapter_rank;
  const double result = b.size.tokens * in * b.size.element;
  b.plain_matmul(list, name + "_adapter_out_dgrad", OpClass::gemm, {.m = b.size.tokens, .n = rank, .k = out});
  b.plain_matmul(list, name + "_adapter_in_dgrad", OpClass::gemm, {.m = b.size.tokens, .n = in, .k = rank});
  b.streaming(list, name + "_adapter_sum_grad", OpClass::elementwise, 2 * result, result);
}

void adapter_gradients(const BlockBuilder& b, List& list, const std::string& name, double in, double out) {
  const double rank = b.job.tuning.adapter_rank;
  b.weight_gradient(list, name + "_adapter_out", OpClass::gemm, {.m = out, .n = rank, .k = b.size.tokens});
  b.weight_gradient(list, name + "_adapter_in", OpClass::gemm, {.m = rank, .n = in, .k = b.size.tokens});
}

void unpack_weights(const BlockBuilder& b, List& list, const std::string& name, double elements) {
  b.streaming(list, name + "_unpack", OpClass::cast, elements * b.job.tuning.packed_bytes(b.size.element), elements * b.size.element);
}

double adapter_kept(const BlockBuilder& b) {
  if (!b.job.tuning.freezes_weights())
    return 0;
  const Sizes& s = b.size;
  double kept = 0;
  for (const AdaptedLayer& layer : adapted_layers(b))
    if (has_adapter(b.job, layer.name)) // where a recipe casts the layer's input, the adapter's stays as it was
      kept += s.tokens * (b.job.tuning.adapter_rank + (b.low_precision(OpClass::gemm) ? layer.in : 0)) * s.element;
  // Outputs of norms and of the activation function are inputs of a product, and nothing else reads them.
  const double norm_output = s.shard * s.hidden * b.linear_input_bytes();
  if (!b.model.parallel_block)
    kept -= (has_adapter(b.job, "qkv") ? 0 : norm_output) + (has_adapter(b.job, "ffn_up") ? 0 : norm_output);
  if (!has_adapter(b.job, "ffn_down"))
    kept -= s.tokens * s.ffn * b.linear_input_bytes();
  return kept;
}

void freeze_weights(const BlockBuilder& b, Block& block) {
  if (!b.job.tuning.freezes_weights())
    return;
  block.frozen_parameters = block.parameters;
  double largest = 0;
  for (const AdaptedLayer& layer : adapted_layers(b)) {
    block.packed_parameters += b.packed(OpClass::gemm) ? layer.in * layer.out : 0;
    if (has_adapter(b.job, layer.name))
      block.parameters += b.job.tuning.adapter_rank * (layer.in + layer.out);
    largest = std::max(largest, layer.in * layer.out);
  }
  if (b.packed(OpClass::gemm))
    block.working_set += Bytes{largest * b.size.element};
}

} // namespace orrery
