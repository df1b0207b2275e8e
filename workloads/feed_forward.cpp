#include "workloads/feed_forward.hpp"

namespace orrery {

namespace {
using List = BlockBuilder::List;
} // namespace

void feed_forward(const BlockBuilder& b, List& list) {
  const Sizes& s = b.size;
  const double gate = b.gates();
  b.norm(list, "ffn_norm");
  b.linear(list, "ffn_up", OpClass::gemm, s.hidden, gate * s.ffn, b.model.parallel_block ? Side::inner : Side::column,
           b.feed_forward_parts());
  const double wide = s.tokens * s.ffn * s.element;
  if (b.software.fused_bias_activation)
    b.streaming(list, "activation", OpClass::elementwise, gate * wide, wide);
  else
    b.streaming(list, "activation", OpClass::elementwise, gate * (gate + 1) / 2 * wide, gate * wide, gate > 1 ? 2 : 1);
  if (b.model.parallel_block) { // one sum over the tensor-parallel ranks for both branches
    b.linear(list, "ffn_down", OpClass::gemm, s.ffn, s.hidden, Side::inner);
    b.streaming(list, "branch_sum", OpClass::elementwise, 2 * b.activation(), b.activation());
    b.leave_parallel(list, "ffn_down");
  } else {
    b.linear(list, "ffn_down", OpClass::gemm, s.ffn, s.hidden, Side::row);
  }
  b.residual(list, "ffn_residual");
}

void feed_forward_backward(const BlockBuilder& b, List& list) {
  const Sizes& s = b.size;
  const double gate = b.gates();
  const double wide = s.tokens * s.ffn * s.element;
  b.residual_backward(list, "ffn_residual");
  b.linear_backward(list, "ffn_down", OpClass::gemm, s.ffn, s.hidden, Side::row);
  if (b.software.fused_bias_activation || gate == 1)
    b.streaming(list, "activation_backward", OpClass::elementwise, (1 + gate) * wide, gate * wide);
  else // of the product, each way, and of the function
    b.streaming(list, "activation_backward", OpClass::elementwise, 6 * wide, 3 * wide, 3);
  b.linear_backward(list, "ffn_up", OpClass::gemm, s.hidden, gate * s.ffn, b.model.parallel_block ? Side::inner : Side::column,
                    b.feed_forward_parts());
  b.norm_backward(list, "ffn_norm");
}

double feed_forward_kept(const BlockBuilder& b) {
  return b.size.tokens * b.size.ffn * (b.gates() * b.size.element + b.linear_input_bytes());
}

double feed_forward_rank_parameters(const BlockBuilder& b) {
  const Sizes& s = b.size;
  const double matrices = b.gates() + 1;
  const double biases = b.model.biases ? (matrices - 1) * s.ffn + s.hidden : 0;
  return matrices * s.hidden * s.ffn + biases;
}

} // namespace orrery
