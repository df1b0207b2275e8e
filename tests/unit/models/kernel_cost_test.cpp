#include "models/attention_generation.hpp"
#include "models/kernel_cost.hpp"

#include <catch2/catch.hpp>

#include <cmath>

namespace orrery::kernel_cost_test {

namespace {

Device gpu() {
  Device device;
  device.name = "gpu";
  device.vendor = "NVIDIA";
  device.architecture = "ampere";
  device.units = {{.name = "tensor", .kind = UnitKind::matrix, .peak = {{Precision::bf16, FlopsPerSecond{312e12}}}, .memory = "hbm"},
                  {.name = "vector", .kind = UnitKind::vector, .peak = {{Precision::fp32, FlopsPerSecond{19.5e12}}}, .memory = "hbm"}};
  device.memory = {{.name = "hbm", .capacity = Bytes{80e9}, .bandwidth = BytesPerSecond{2.039e12}}};
  device.multiprocessors = 108;
  return device;
}

Device gpu_with_pim() {
  Device device = gpu();
  device.units.push_back({.name = "banks",
                          .kind = UnitKind::pim,
                          .peak = {{Precision::bf16, FlopsPerSecond{16e12}}, {Precision::fp32, FlopsPerSecond{8e12}}},
                          .memory = "hbm",
                          .bandwidth = BytesPerSecond{16e12}});
  return device;
}

Operator matmul(double m, double n, double k, double batch = 1) {
  Operator op;
  op.shape = Matmul{.batch = batch, .m = m, .n = n, .k = k};
  return op;
}

Operator attention(double queries, double keys, bool backward = false) {
  Operator op;
  op.op_class = OpClass::attention;
  op.shape =
      FusedAttention{.batch = 4, .heads = 32, .kv_heads = 32, .head_dim = 128, .queries = queries, .keys = keys, .backward = backward};
  return op;
}

Operator streaming(OpClass op_class, double bytes) {
  Operator op;
  op.op_class = op_class;
  op.shape = Streaming{.read = Bytes{bytes / 2}, .written = Bytes{bytes / 2}};
  return op;
}

Operator experts(GroupedMatmul shape) {
  Operator op;
  op.shape = shape;
  return op;
}

double seconds(const Device& device, const Operator& op) { return KernelModel(device, Calibration{}).cost(op).time.si(); }

std::vector<Operator> many_operators() {
  std::vector<Operator> ops;
  for (const double m : {1.0, 7.0, 128.0, 1000.0, 2048.0, 8192.0})
    for (const double n : {64.0, 150.0, 4096.0, 12288.0})
      for (const double k : {64.0, 150.0, 1024.0, 8192.0})
        ops.push_back(matmul(m, n, k));
  for (const double keys : {128.0, 2048.0, 16384.0}) {
    ops.push_back(attention(1, keys));
    ops.push_back(attention(keys, keys));
    ops.push_back(attention(keys, keys, true));
  }
  for (const double bytes : {1e3, 1e6, 1e9})
    for (const OpClass op_class : {OpClass::normalization, OpClass::softmax, OpClass::elementwise, OpClass::optimizer, OpClass::embedding})
      ops.push_back(streaming(op_class, bytes));
  return ops;
}

} // namespace

TEST_CASE("no operator beats the roofline", "[models][kernels]") {
  const KernelModel model(gpu(), Calibration{});
  for (const Operator& op : many_operators()) {
    const OpCost cost = model.cost(op);
    CHECK(cost.time.si() >= cost.flops.si() / 312e12);
    CHECK(cost.time.si() >= cost.memory.si() / 2.039e12);
    CHECK(cost.stretchable.si() >= 0);
    CHECK(cost.stretchable <= cost.time);
  }
}

TEST_CASE("a faster device is never slower", "[models][kernels]") {
  Device bandwidth = gpu();
  bandwidth.memory[0].bandwidth *= 1.7;
  Device compute = gpu();
  compute.units[0].peak[Precision::bf16] *= 1.7;
  for (const Operator& op : many_operators()) {
    CHECK(seconds(bandwidth, op) <= seconds(gpu(), op));
    CHECK(seconds(compute, op) <= seconds(gpu(), op));
  }
}

TEST_CASE("more work never takes less time", "[models][kernels]") {
  double last = 0;
  for (double m = 1; m <= 16384; m *= 2) {
    const double now = seconds(gpu(), matmul(m, 4096, 4096));
    CHECK(now >= last);
    last = now;
  }
  for (double keys = 16; keys <= 65536; keys *= 2)
    CHECK(seconds(gpu(), attention(1, 2 * keys)) >= seconds(gpu(), attention(1, keys)));
}

TEST_CASE("operators go to the unit that ends them first", "[models][kernels][pim]") {
  const KernelModel model(gpu_with_pim(), Calibration{});
  CHECK(model.cost(matmul(1, 8192, 8192)).unit == 2);
  CHECK(model.cost(attention(1, 16384)).unit == 2);
  CHECK(model.cost(matmul(4096, 8192, 8192)).unit == 0);
  CHECK(model.cost(attention(4096, 4096)).unit == 0);
  // Without banks of its own, the vector unit passes over memory.
  CHECK(KernelModel(gpu(), Calibration{}).cost(streaming(OpClass::elementwise, 1e8)).unit == 1);
}

TEST_CASE("a vector unit beside a matrix unit on the same memory takes what that one cannot compute", "[models][kernels]") {
  Device fast_vector = gpu();
  for (ComputeUnit& unit : fast_vector.units)
    if (unit.kind == UnitKind::vector)
      unit.peak[Precision::fp32] = FlopsPerSecond{1e15};
  const KernelModel model(fast_vector, Calibration{});
  CHECK(model.cost(matmul(1, 8192, 8192)).unit == 0);
  CHECK(model.cost(attention(1, 16384)).unit == 0);
  Operator wide = matmul(1, 8192, 8192);
  wide.precision = Precision::fp32;
  CHECK(model.cost(wide).unit == 1);
  CHECK(seconds(fast_vector, matmul(64, 64, 64)) == seconds(gpu(), matmul(64, 64, 64)));
}

TEST_CASE("products of many experts lie between one product and one after the other", "[models][kernels][grouped]") {
  SoftwareProfile software;
  const KernelModel grouped(gpu(), Calibration{}, software);
  software.experts = ExpertKernel::per_expert;
  const KernelModel one_by_one(gpu(), Calibration{}, software);
  for (const bool gradient : {false, true})
    for (const double rows : {64.0, 1024.0, 100000.0})
      for (const double groups : {1.0, 8.0, 64.0}) {
        const Operator op = experts({.groups = groups, .rows = rows, .n = 4096, .k = 2048, .weight_gradient = gradient});
        const OpCost cost = grouped.cost(op);
        INFO(rows << " rows, " << groups << " groups, gradient " << gradient);
        CHECK(cost.flops.si() == Approx(2.0 * rows * 4096 * 2048));
        CHECK(one_by_one.cost(op).flops == cost.flops);
        CHECK(cost.time.si() >= cost.flops.si() / 312e12);
        CHECK(cost.time.si() >= cost.memory.si() / 2.039e12);
        if (groups > 1) {
          // Up to the loss to power that a long kernel has, and the better last wave of many tiles.
          CHECK(cost.time.si() <= 1.05 * one_by_one.cost(op).time.si());
          CHECK(cost.time.si() >= 0.9 * grouped.cost(gradient ? matmul(4096, 2048, rows) : matmul(rows, 4096, 2048)).time.si());
        }
      }
}

TEST_CASE("weight gradients of experts stay on the matrix unit whatever number of rows comes", "[models][kernels][grouped]") {
  SoftwareProfile software;
  software.experts = ExpertKernel::per_expert;
  const KernelModel model(gpu(), Calibration{}, software);
  const auto gradient = [&](double rows) {
    return model.cost(experts({.groups = 8, .rows = 8 * rows, .n = 2048, .k = 1024, .weight_gradient = true}));
  };
  CHECK(gradient(2047.3).time == gradient(2048).time);
  CHECK(gradient(2047.3).flops.si() == Approx(2.0 * 8 * 2047.3 * 2048 * 1024));
}

TEST_CASE("experts without rows are not read, unequal ones fill their tiles worse", "[models][kernels][grouped]") {
  const KernelModel model(gpu(), Calibration{});
  const GroupedMatmul few{.groups = 64, .rows = 4, .n = 4096, .k = 4096};
  CHECK(model.cost(experts(few)).memory.si() == Approx(2.0 * (4 * 4096 * 4096 + 4 * 8192)));
  GroupedMatmul shape{.groups = 64, .rows = 64 * 1024, .n = 4096, .k = 4096};
  const Seconds alike = model.cost(experts(shape)).time;
  shape.busiest = 4096;
  CHECK(model.cost(experts(shape)).time > alike);
  CHECK(model.cost(experts(shape)).time < 1.1 * alike);
}

TEST_CASE("a newer generation of attention kernels is faster where it runs", "[models][kernels][attention]") {
  Calibration calibration;
  calibration.architectures["hopper"].attention[Precision::bf16] =
      AttentionCurve{.kernel = AttentionKernel::flash3, .rate = 0.8, .backward_rate = backward_over_forward(AttentionKernel::flash3)};
  calibration.architectures["ampere"].attention[Precision::bf16] = AttentionCurve{.kernel = AttentionKernel::flash};
  const auto time = [&](const char* architecture, AttentionKernel kernel, bool backward) {
    Device device = gpu();
    device.architecture = architecture;
    SoftwareProfile software;
    software.attention = kernel;
    return KernelModel(device, calibration, software).cost(attention(16384, 16384, backward)).time.si();
  };
  for (const bool backward : {false, true}) {
    // FlashAttention-3, abstract: 1.5 to 2.0 times FlashAttention-2 on H100.
    CHECK(time("hopper", AttentionKernel::flash, backward) / time("hopper", AttentionKernel::flash3, backward) ==
          Approx(backward ? 1.63 : 1.75).epsilon(0.01));
    CHECK(time("ampere", AttentionKernel::flash3, backward) == time("ampere", AttentionKernel::flash, backward));
    // FlashAttention-2, abstract: about twice FlashAttention.
    CHECK(time("ampere", AttentionKernel::flash1, backward) / time("ampere", AttentionKernel::flash, backward) ==
          Approx(1.85).epsilon(0.1));
    // Its section 4.1: 1.7 to 3.0 times FlashAttention, 1.3 to 2.5 times its Triton version.
    CHECK(time("ampere", AttentionKernel::flash1, backward) / time("ampere", AttentionKernel::triton, backward) ==
          Approx(2.35 / 1.9).epsilon(0.03));
  }
}

TEST_CASE("an engine's scalar kernels have curves of their own", "[models][kernels]") {
  Calibration calibration;
  ArchitectureCurves& curves = calibration.architectures[gpu().architecture];
  for (const OpClass op_class : {OpClass::normalization, OpClass::elementwise}) {
    curves.streaming[op_class] = {.memory = 0.8, .floor = Seconds{}};
    curves.scalar_streaming[op_class] = {.memory = 0.4, .floor = Seconds{}};
  }
  const auto slower = [&](ScalarKernels kernels, OpClass op_class) {
    SoftwareProfile software;
    const Operator pass{.name = "pass", .op_class = op_class, .shape = Streaming{.read = Bytes{1e9}}};
    const Seconds plain = KernelModel(gpu(), calibration, software).cost(pass).time;
    software.serving.scalar_kernels = kernels;
    return KernelModel(gpu(), calibration, software).cost(pass).time / plain;
  };
  CHECK(slower(ScalarKernels::all, OpClass::normalization) == Approx(2));
  CHECK(slower(ScalarKernels::elementwise, OpClass::normalization) == Approx(1));
  CHECK(slower(ScalarKernels::elementwise, OpClass::elementwise) == Approx(2));
  CHECK(slower(ScalarKernels::none, OpClass::elementwise) == Approx(1));
  CHECK(slower(ScalarKernels::all, OpClass::softmax) == Approx(1));
}

TEST_CASE("bounds and the stretchable part follow the longer side", "[models][kernels]") {
  const KernelModel model(gpu(), Calibration{});
  const OpCost large = model.cost(matmul(8192, 8192, 8192));
  CHECK(large.bound == Bound::compute);
  CHECK(large.stretchable.si() > 0.95 * large.time.si());
  const OpCost skinny = model.cost(matmul(1, 12288, 12288));
  CHECK(skinny.bound == Bound::memory);
  CHECK(skinny.stretchable.si() < 0.2 * skinny.time.si());
  CHECK(model.cost(matmul(8, 64, 64)).bound == Bound::latency);
}

TEST_CASE("operands that are no multiple of 16 bytes are slower", "[models][kernels]") {
  CHECK(seconds(gpu(), matmul(2048, 2048, 150, 64)) > 1.3 * seconds(gpu(), matmul(2048, 2048, 152, 64)));
  CHECK(seconds(gpu(), matmul(2048, 150, 2048, 64)) > 1.3 * seconds(gpu(), matmul(2048, 152, 2048, 64)));
  // Rows of the left operand may be of any number.
  CHECK(seconds(gpu(), matmul(2047, 4096, 4096)) == Approx(seconds(gpu(), matmul(2048, 4096, 4096))));
}

TEST_CASE("one more tile than multiprocessors costs a wave", "[models][kernels]") {
  const double full = seconds(gpu(), matmul(128 * 108, 256, 8192));
  CHECK(seconds(gpu(), matmul(128 * 109, 256, 8192)) > 1.05 * full);
}

TEST_CASE("streaming kernels pay a floor each", "[models][kernels]") {
  Operator op = streaming(OpClass::elementwise, 1e6);
  const double one = seconds(gpu(), op);
  op.kernels = 4;
  CHECK(seconds(gpu(), op) == Approx(one + 3 * StreamingCurve{}.floor.si()));
}

TEST_CASE("collectives and unsupported precisions cost nothing here", "[models][kernels]") {
  const KernelModel model(gpu(), Calibration{});
  Operator collective;
  collective.shape = Collective{.bytes = Bytes{1e9}};
  CHECK(model.cost(collective).time == Seconds{});
  // fp8 is carried out at the half-precision rate of a device without it.
  Operator fp8 = matmul(8192, 8192, 8192);
  fp8.precision = Precision::fp8;
  CHECK(model.cost(fp8).time.si() > 0.9 * model.cost(matmul(8192, 8192, 8192)).time.si());
}

TEST_CASE("narrow products are the library's or the serving engine's", "[models][kernels]") {
  Calibration calibration;
  ArchitectureCurves& curves = calibration.architectures["ampere"];
  curves.matmul[Precision::bf16].rate = 0.8;
  curves.matmul[Precision::fp8].rate = 0.7;
  curves.serving_matmul[Precision::fp8].rate = 0.35;
  Device device = gpu();
  for (const Precision narrow : {Precision::fp8, Precision::int8})
    device.units[0].peak[narrow] = FlopsPerSecond{624e12};
  SoftwareProfile software;
  software.narrow_products = NarrowProducts::serving;
  const auto time = [&](const KernelModel& model, Precision precision) {
    Operator op = matmul(8192, 8192, 8192);
    op.precision = precision;
    return model.cost(op).time.si();
  };
  const KernelModel library(device, calibration);
  const KernelModel serving(device, calibration, software);
  CHECK(time(serving, Precision::fp8) == Approx(2 * time(library, Precision::fp8)).epsilon(0.01));
  CHECK(time(serving, Precision::bf16) == time(library, Precision::bf16));
  // Integer products have no table: those of fp8 are nearer than those of bf16.
  CHECK(time(library, Precision::int8) == Approx(time(library, Precision::fp8)));
}

TEST_CASE("in a continuous stream every product runs at the clock that the power cap leaves", "[models][kernels]") {
  Calibration calibration;
  MatmulCurve& curve = calibration.architectures["ampere"].matmul[Precision::bf16];
  curve.rate = 1;
  curve.sustained = 0;
  Device device = gpu();
  device.units.front().energy = JoulesPerFlop{1.2e-12};
  device.idle_power = Watts{64};
  const auto slowdown = [&](double m) {
    const Operator op = matmul(m, 16384, 16384);
    const KernelModel apart(device, calibration);
    const KernelModel stream(device, calibration, {}, KernelStream::continuous);
    return stream.cost(op).stretchable / apart.cost(op).stretchable;
  };
  CHECK(slowdown(256) == 1); // no cap is known
  device.power_cap = Watts{400};
  // idle + (active + 312 TFLOP/s x 1.2 pJ) f^3 = cap, active 17% of cap - idle.
  const double expected = std::cbrt((0.17 * 336 + 312 * 1.2) / 336);
  CHECK(slowdown(256) == Approx(expected).epsilon(1e-9));
  CHECK(slowdown(65536) == Approx(expected).epsilon(1e-9));
  // What kernels that were measured under a higher cap lose to their own, the power model of the device takes.
  device.power_cap = Watts{300};
  device.kernel_cap = Watts{400};
  CHECK(slowdown(256) == Approx(expected).epsilon(1e-9));
  device.power_cap = device.kernel_cap = Watts{1000};
  CHECK(slowdown(256) == 1);
  // Long products were measured with what they lose to their length: the limiter takes the rest, and makes none faster.
  device.power_cap = device.kernel_cap = Watts{400};
  curve.sustained = 0.01;
  const double flops = 2 * 65536.0 * 16384 * 16384;
  CHECK(slowdown(65536) == Approx(expected / (1 + 0.01 * std::log10(flops / 3e11))).epsilon(1e-9));
  curve.sustained = 0.2;
  CHECK(slowdown(65536) == 1);
  // The limiter knows neither precision nor kind: what arithmetic binds loses alike.
  const KernelModel stream(device, calibration, {}, KernelStream::continuous);
  const OpCost prompt =
      stream.cost({.precision = Precision::bf16, .shape = FusedAttention{.heads = 32, .head_dim = 128, .queries = 8192, .keys = 8192}});
  CHECK(prompt.bound == Bound::compute);
  CHECK(prompt.stretchable / prompt.unlimited == Approx(expected));
  // Work of 300 GFLOP loses nothing, of 0.1 s all, between them by the logarithm.
  const ClockLimit& limit = stream.clock_limit();
  CHECK(limit.loss(3e11) == 1);
  CHECK(limit.loss(1e20) == Approx(expected));
  CHECK(limit.loss(std::sqrt(3e11 * 3.12e13)) == Approx((1 + expected) / 2));
}

TEST_CASE("an architecture that was not measured takes the nearest generation of its line", "[models][kernels]") {
  Calibration calibration;
  for (const char* name : {"volta", "ampere", "hopper", "cdna3", "gaudi"})
    calibration.architectures[name].matmul[Precision::bf16].assumed = false;
  Device device = gpu();
  const auto curve = [&](const char* architecture) {
    device.architecture = architecture;
    return curve_architecture(device, calibration);
  };
  CHECK(curve("ampere") == "ampere");
  CHECK(curve("ampere-consumer") == "ampere");
  CHECK(curve("rubin") == "hopper");
  CHECK(curve("cdna4") == "cdna3");
  CHECK(curve("tpu") == "gaudi");
  CHECK(curve("ascend").empty());
  device.architecture = "rubin";
  CHECK(KernelModel(device, calibration).cost(matmul(4096, 4096, 4096)).assumed);
  device.architecture = "ampere";
  CHECK_FALSE(KernelModel(device, calibration).cost(matmul(4096, 4096, 4096)).assumed);
}

} // namespace orrery::kernel_cost_test
