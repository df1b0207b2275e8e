// Do the curves add up to a whole transformer layer? No fit reads these rows, but their source also gives the shares of streaming operators
// and one of four sources of matrix products, so this checks the sum, not a new machine. One layer of GPT-3 175B, forward, 8 sequences of
// 2048 tokens, tensor parallel over 4 A100: LLMCompass (commit 2e015fd), ae/figure5/ijkl/real_hardware, configuration from
// ae/figure5/ijkl/test_transformer.py.
#include "models/collective_cost.hpp"
#include "models/kernel_cost.hpp"
#include "tests/calibration/kernel_data.hpp"

#include <fmt/format.h>

namespace orrery::layer_test {

namespace {

Device a100() {
  const MeasuredDevice& measured = kernel_tables().devices.at("a100-sxm-80gb");
  Device device;
  device.name = measured.name;
  device.vendor = "NVIDIA";
  device.architecture = measured.architecture;
  device.units = {
      {.name = "tensor", .kind = UnitKind::matrix, .peak = {{Precision::fp16, FlopsPerSecond{measured.half_peak}}}, .memory = "hbm"},
      {.name = "vector", .kind = UnitKind::vector, .peak = {{Precision::fp32, FlopsPerSecond{measured.vector_peak}}}, .memory = "hbm"}};
  device.memory = {{.name = "hbm", .bandwidth = BytesPerSecond{measured.bandwidth}}};
  device.multiprocessors = measured.multiprocessors;
  return device;
}

Operator matmul(double m, double n, double k, double batch = 1) {
  Operator op;
  op.precision = Precision::fp16;
  op.shape = Matmul{.batch = batch, .m = m, .n = n, .k = k};
  return op;
}

Operator pass(OpClass op_class, double elements) {
  Operator op;
  op.op_class = op_class;
  op.precision = Precision::fp16;
  op.shape = Streaming{.read = Bytes{2 * elements}, .written = Bytes{2 * elements}};
  return op;
}

} // namespace

TEST_CASE("one layer of GPT-3 on A100", "[calibration]") {
  constexpr double tokens = 8 * 2048;
  constexpr double hidden = 12288;
  constexpr double heads = 8 * 96 / 4; // of all sequences on one device
  struct Part {
    const char* name;
    Operator op;
    double measured_us;
  };
  const Part parts[] = {
      {"QKV", matmul(tokens, 3 * hidden / 4, hidden), 13721.8},
      {"scores", matmul(2048, 2048, 128, heads), 1881.12},
      {"softmax", pass(OpClass::softmax, heads * 2048 * 2048), 2801.54},
      {"context", matmul(2048, 128, 2048, heads), 1183.15},
      {"projection", matmul(tokens, hidden, hidden / 4), 4540.32},
      {"norm 1", pass(OpClass::normalization, tokens * hidden), 681.639},
      {"norm 2", pass(OpClass::normalization, tokens * hidden), 681.639},
      {"FFN 1", matmul(tokens, hidden, hidden), 17464.3},
      {"GELU", pass(OpClass::elementwise, tokens * hidden), 524.282},
      {"FFN 2", matmul(tokens, hidden, hidden), 17485.6},
  };
  const Calibration calibration = kept_calibration();
  const KernelModel model(a100(), calibration);
  double predicted = 0;
  double measured = 0;
  std::string table;
  for (const Part& part : parts) {
    const double us = 1e6 * model.cost(part.op).time.si();
    table += fmt::format("{:<12}{:>10.0f} us measured{:>10.0f} us predicted {:+6.1f}%\n", part.name, part.measured_us, us,
                         100 * (us / part.measured_us - 1));
    predicted += us;
    measured += part.measured_us;
  }
  WARN(table << fmt::format("layer {:+.1f}%", 100 * (predicted / measured - 1)));
  CHECK(predicted / measured == Approx(1).epsilon(0.08));

  Cluster cluster;
  cluster.node.device = a100();
  cluster.node.devices = 4;
  cluster.node.scale_up.bandwidth = BytesPerSecond{300e9};
  const CollectiveCost reduction =
      CollectiveModel(cluster, calibration).cost(CollectiveKind::all_reduce, Bytes{2 * tokens * hidden}, place_group(cluster, {4, 1}));
  CHECK(reduction.time.si() * 1e6 == Approx(2890.9).epsilon(0.08));
}

} // namespace orrery::layer_test
