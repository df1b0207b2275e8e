// What a plan estimate pays for its kernels: some 60 operators in 20 us.
#include "models/kernel_cost.hpp"
#include "tests/benchmarks/rows.hpp"

#include <cstdlib>

namespace orrery::bench {

namespace {

Device a100() {
  Device device;
  device.architecture = "ampere";
  device.units.resize(2);
  device.units[0].kind = UnitKind::matrix;
  device.units[0].peak[Precision::bf16] = FlopsPerSecond{312e12};
  device.units[1].kind = UnitKind::vector;
  device.units[1].peak[Precision::fp32] = FlopsPerSecond{19.5e12};
  device.memory.resize(1);
  device.memory[0].bandwidth = BytesPerSecond{2.039e12};
  device.multiprocessors = 108;
  return device;
}

void ten_thousand_products() {
  const KernelModel model(a100(), Calibration{});
  Operator op;
  double sum = 0;
  for (int i = 0; i < 10'000; ++i) {
    op.shape = Matmul{.batch = 1, .m = 2048.0 + (i & 1023), .n = 6144, .k = 12288};
    sum += model.cost(op).time.si();
  }
  if (!(sum > 0)) // products take time
    std::abort();
}

} // namespace

Rows kernel_rows() { return {{"cost of 10,000 matrix products", 0.001, ten_thousand_products, 15}}; }

} // namespace orrery::bench
