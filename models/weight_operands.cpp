#include "models/weight_operands.hpp"

namespace orrery {

Bytes weight_operands(const Block& block) {
  double bytes = 0;
  for (const Operator& op : block.backward) {
    if (!op.weight_gradient)
      continue;
    const double element = element_bytes(op.precision);
    if (const auto* product = std::get_if<Matmul>(&op.shape))
      bytes += product->batch * product->k * (product->m + product->n) * element;
    else if (const auto* grouped = std::get_if<GroupedMatmul>(&op.shape))
      bytes += grouped->rows * (grouped->n + grouped->k) * element;
  }
  return Bytes{bytes};
}

} // namespace orrery
