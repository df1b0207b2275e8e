// Products and attention of engines that keep activations in FP32 and convert them around the vendor's library (llama.cpp of 2024).
#include "workloads/serving_graph.hpp"

#include <cmath>

namespace orrery {

namespace {

constexpr double wide_bytes = 4; // of activations between products that sum in half precision

} // namespace

/// By the engine's own kernel, or with what converts its operands and result for the vendor's library.
void ServingGraph::product(const BlockBuilder& b, List& list, const char* name, OpClass op_class, Precision operand, Matmul shape) const {
  const int own = software_.serving.own_product_rows;
  const bool converted = own > 0 && shape.m > own;
  const double element = element_bytes(operand);
  if (converted) {
    b.streaming(list, "operand_cast", OpClass::cast, shape.m * shape.k * wide_bytes, shape.m * shape.k * element);
    if (shape.weight_bytes > 0 && shape.weight_bytes < element)
      b.streaming(list, "weight_cast", OpClass::cast, shape.k * shape.n * shape.weight_bytes, shape.k * shape.n * element);
    shape.weight_bytes = 0;
  }
  list.push_back({.name = name, .op_class = op_class, .precision = operand, .shape = shape});
  if (converted)
    b.streaming(list, "result_cast", OpClass::cast, shape.m * shape.n * element, shape.m * shape.n * wide_bytes);
}

/// Scores of all keys pass through memory: nothing is left out for causality. Where activations are kept in FP32, so are they, between
/// products of half precision.
void ServingGraph::unfused_attention(const BlockBuilder& b, List& list, double sequences, double queries, double keys) const {
  constexpr double block = 32; // cells of the cache that GGML multiplies together (GGML_PAD of llama_decode, 2024)
  const Sizes& s = b.size;
  const double heads = sequences * s.heads;
  const bool wide = software_.serving.own_product_rows > 0;
  if (wide)
    keys = block * std::ceil(keys / block);
  const double scores = heads * queries * keys;
  const double kept = wide ? wide_bytes : s.element;
  b.plain_matmul(list, "attention_scores", OpClass::attention, {.batch = heads, .m = queries, .n = keys, .k = s.head_dim});
  if (wide)
    b.streaming(list, "score_cast", OpClass::cast, scores * s.element, scores * kept);
  b.streaming(list, "softmax", OpClass::softmax, scores * kept, scores * kept);
  if (wide)
    b.streaming(list, "weight_cast", OpClass::cast, scores * kept, scores * s.element);
  b.plain_matmul(list, "attention_context", OpClass::attention, {.batch = heads, .m = queries, .n = s.value_dim, .k = keys});
}

} // namespace orrery
