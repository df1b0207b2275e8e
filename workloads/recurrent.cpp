#include "workloads/recurrent.hpp"

#include <algorithm>

namespace orrery {

namespace {

using List = BlockBuilder::List;

bool is_delta(const RecurrentMixer& mixer) { return mixer.kind == RecurrentKind::gated_delta; }

} // namespace

RecurrentSizes::RecurrentSizes(const BlockBuilder& b) {
  const RecurrentMixer& m = b.model.recurrent;
  heads = static_cast<double>(m.heads) / b.plan.tp;
  key_heads = std::max(1.0, static_cast<double>(m.key_heads) / b.plan.tp); // replicated where they are fewer than ranks
  values = heads * m.head_dim;
  keys = key_heads * m.key_dim;
  projected = 2 * keys + 2 * values + heads * (is_delta(m) ? 2 : 1);
  convolved = 2 * keys + values;
}

Operator recurrent_scan(const BlockBuilder& b, double sequences, bool backward) {
  const RecurrentMixer& m = b.model.recurrent;
  const RecurrentSizes z(b);
  const double tokens = b.size.tokens / sequences;
  return {.name = backward ? "scan_grad" : "scan",
          .op_class = OpClass::attention,
          .precision = b.job.precision,
          .shape = ChunkScan{.sequences = sequences,
                             .heads = z.heads,
                             .tokens = tokens,
                             .chunk = static_cast<double>(m.chunk),
                             .flops = scan_flops(m) / m.heads,
                             .bytes = 2 * (z.keys + z.values) / z.heads * b.size.element,
                             .backward = backward}};
}

void recurrent_forward(const BlockBuilder& b, List& list) {
  const Sizes& s = b.size;
  const RecurrentSizes z(b);
  const double convolved = s.tokens * z.convolved * s.element;
  const double values = s.tokens * z.values * s.element;
  b.norm(list, "input_norm");
  b.linear(list, "mixer_in", OpClass::gemm, s.hidden, z.projected, Side::column);
  b.streaming(list, "convolution", OpClass::elementwise, convolved, convolved);
  list.push_back(recurrent_scan(b, s.tokens / s.sequence, false));
  b.streaming(list, "gated_norm", OpClass::normalization, 2 * values, values);
  b.linear(list, "mixer_out", OpClass::gemm, z.values, s.hidden, Side::row);
  b.residual(list, "mixer_residual");
}

void recurrent_backward(const BlockBuilder& b, List& list) {
  const Sizes& s = b.size;
  const RecurrentSizes z(b);
  const double convolved = s.tokens * z.convolved * s.element;
  const double values = s.tokens * z.values * s.element;
  b.residual_backward(list, "mixer_residual");
  b.linear_backward(list, "mixer_out", OpClass::gemm, z.values, s.hidden, Side::row);
  b.streaming(list, "gated_norm_grad", OpClass::normalization, 3 * values, 2 * values, 2);
  list.push_back(recurrent_scan(b, s.tokens / s.sequence, true));
  b.streaming(list, "convolution_grad", OpClass::elementwise, 2 * convolved, convolved, 2);
  b.linear_backward(list, "mixer_in", OpClass::gemm, s.hidden, z.projected, Side::column);
  b.norm_backward(list, "input_norm");
}

double recurrent_kept(const BlockBuilder& b) {
  const RecurrentSizes z(b);
  // Input and output of the convolution, the gate, and what goes into and comes out of the norm behind the scan.
  return b.size.tokens * (2 * z.convolved + 3 * z.values) * b.size.element;
}

double recurrent_rank_parameters(const BlockBuilder& b) {
  const RecurrentMixer& m = b.model.recurrent;
  const RecurrentSizes z(b);
  const double taps = m.convolution + (is_delta(m) ? 0 : 1); // and a bias
  const double scalars = z.heads * (is_delta(m) ? 2 : 3);
  return b.size.hidden * (z.projected + z.values) + z.convolved * taps + scalars + (is_delta(m) ? m.head_dim : z.values);
}

double scan_flops(const RecurrentMixer& m) {
  const double c = m.chunk;
  const double n = m.key_dim;
  const double p = m.head_dim;
  const double delta = is_delta(m) ? c * n + c * (n + p) + n * p : 0;
  return 2 * (m.key_heads * c * n + m.heads * (c * p + 2 * n * p + delta));
}

} // namespace orrery
