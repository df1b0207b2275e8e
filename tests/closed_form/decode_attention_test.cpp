// Attention of decoding sequences against the bytes of their cache and the blocks that read it.
#include "hardware/catalogue.hpp"
#include "models/kernel_cost.hpp"
#include "scenarios/data_files.hpp"

#include <catch2/catch.hpp>

namespace orrery::decode_attention_test {

namespace {

double decode_time(const char* engine, double batch, double keys, double kept_bytes) {
  const KernelModel kernels(load_device("h100-sxm-80gb"), load_calibration(), load_software(engine));
  Operator op;
  op.op_class = OpClass::attention;
  op.precision = Precision::bf16;
  FusedAttention shape;
  shape.batch = batch;
  shape.queries = 1;
  shape.keys = keys;
  shape.heads = 32;
  shape.kv_heads = 8;
  shape.head_dim = 128;
  shape.kept_bytes = kept_bytes;
  op.shape = shape;
  return kernels.cost(op).time.si();
}

} // namespace

TEST_CASE("large caches are read at a share of the bandwidth", "[closed_form][serving]") {
  const double bytes = 64.0 * 16384 * 8 * 256 * 2;
  const double bound = bytes / 3.35e12;
  const double time = decode_time("vllm-v1-2025", 64, 16384, 2);
  CHECK(time > 1.1 * bound); // AIConfigurator, FlashAttention-3: 0.88 to 0.90 from 1 to 4 GB
  CHECK(time < 1.2 * bound);
}

TEST_CASE("many short sequences take longer than few long ones with as much cache", "[closed_form][serving]") {
  const double few = decode_time("vllm-v1-2025", 32, 8192, 1);
  const double many = decode_time("vllm-v1-2025", 1024, 256, 1); // AIConfigurator: 227 us, 339 us and 8,192 blocks
  CHECK(many > 1.3 * few);
  CHECK(many < 1.8 * few);
}

TEST_CASE("an engine that multiplies a cache in eight bits as it is kept reads it as fast as one in sixteen", "[closed_form][serving]") {
  const double wide = decode_time("tensorrt-llm-2024", 64, 8192, 2);
  CHECK(decode_time("tensorrt-llm-2024", 64, 16384, 1) == Approx(wide).epsilon(0.01));
  CHECK(decode_time("vllm-v1-2025", 64, 16384, 1) > 1.1 * wide);
}

} // namespace orrery::decode_attention_test
