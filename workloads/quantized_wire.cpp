#include "workloads/quantized_wire.hpp"

namespace orrery {

namespace {

void convert(std::vector<Operator>& list, const char* name, double read, double written) {
  list.push_back({.name = name,
                  .op_class = OpClass::cast,
                  .precision = Precision::fp32,
                  .shape = Streaming{.read = Bytes{read}, .written = Bytes{written}, .flops = Flops{}}});
}

} // namespace

double wire_bytes(Wire wire, double kept) { return wire == Wire::plain ? kept : wire == Wire::int8 ? 1 : 0.5; }

void convert_gathered(std::vector<Operator>& list, Wire wire, double elements, int ranks, double kept) {
  if (wire == Wire::plain || elements <= 0)
    return;
  const double carried = wire_bytes(wire, kept);
  convert(list, "parameter_quantize", elements / ranks * kept, elements / ranks * carried);
  convert(list, "parameter_dequantize", elements * carried, elements * kept);
}

void convert_scattered(std::vector<Operator>& list, Wire wire, double elements, int ranks, double made, double summed) {
  if (wire == Wire::plain || elements <= 0)
    return;
  const double carried = wire_bytes(wire, made);
  convert(list, "gradient_quantize", elements * made, elements * carried);
  convert(list, "gradient_dequantize", elements * carried, elements / ranks * summed);
}

} // namespace orrery
