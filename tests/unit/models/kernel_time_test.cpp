#include "models/kernel_time.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

namespace orrery::kernel_time_test {

TEST_CASE("a window bounds what a query sees", "[models][kernels][attention]") {
  const UnitRates unit{.peak = 1e12, .bandwidth = 1e12};
  const auto flops = [&](double queries, double keys, double window, bool causal = true) {
    return attention_time({.heads = 1, .kv_heads = 1, .head_dim = 1, .window = window, .queries = queries, .keys = keys, .causal = causal},
                          unit, {})
        .flops;
  };
  const auto counted = [](int queries, int keys, int window) {
    double sum = 0;
    for (int q = 0; q < queries; ++q)
      sum += std::min(window, keys - queries + q + 1);
    return 4 * sum;
  };
  CHECK(flops(8, 8, 3) == Approx(counted(8, 8, 3)));
  CHECK(flops(8, 20, 15) == Approx(counted(8, 20, 15)));
  CHECK(flops(8, 20, 5) == Approx(counted(8, 20, 5)));
  CHECK(flops(8, 8, 100) == Approx(flops(8, 8, 0)));
  CHECK(flops(8, 8, 0) == Approx(counted(8, 8, 8)));
  CHECK(flops(8, 8, 0, false) == Approx(4.0 * 8 * 8));
}

TEST_CASE("latent attention counts its keys and values by their own widths", "[models][kernels][attention]") {
  const UnitRates unit{.peak = 1e15, .bandwidth = 1e12};
  FusedAttention shape{.heads = 16, .kv_heads = 16, .head_dim = 192, .value_dim = 128, .queries = 1024, .keys = 1024};
  const double scores = 16.0 * 1024 * 1025 / 2;
  CHECK(attention_time(shape, unit, {}).flops == Approx(2 * scores * (192 + 128)));
  CHECK(attention_time(shape, unit, {}).bytes == Approx(2.0 * 2 * 16 * 1024 * (192 + 128)));
  // Decoding reads one latent for all heads; its values are the first 512 of 576.
  shape = {.heads = 16, .kv_heads = 1, .head_dim = 576, .value_dim = 512, .queries = 1, .keys = 4096, .shared_values = true};
  CHECK(attention_time(shape, unit, {}).bytes == Approx(2.0 * (4096 * 576 + 16 * (576 + 512))));
}

TEST_CASE("a cache that is multiplied as it is kept is computed sooner", "[models][kernels]") {
  const UnitRates unit{.peak = 1e15, .bandwidth = 1e15, .multiprocessors = 132};
  FusedAttention shape{.batch = 132, .heads = 128, .kv_heads = 1, .head_dim = 576, .value_dim = 512, .queries = 1, .keys = 4096};
  shape.shared_values = true;
  shape.kept_bytes = 1;
  AttentionCurve curve;
  const double widened = attention_time(shape, unit, curve).compute;
  curve.narrow_cache.rate = 2;
  CHECK(attention_time(shape, unit, curve).compute == Approx(widened / 2));
  shape.kept_bytes = 0;
  CHECK(attention_time(shape, unit, curve).compute == Approx(widened));
}

TEST_CASE("the cache is read at the memory's full rate only after a while", "[models][kernels][attention]") {
  const UnitRates unit{.peak = 1e15, .bandwidth = 1e12, .multiprocessors = 100};
  AttentionCurve curve;
  curve.cache = {.memory = 1, .start = Seconds{}};
  const auto reading = [&](double keys, Seconds fill) {
    curve.fill = fill;
    return attention_time({.batch = 8, .heads = 8, .kv_heads = 8, .head_dim = 128, .queries = 1, .keys = keys}, unit, curve).memory;
  };
  const Seconds fill{10e-6};
  const double brief = reading(2, {});
  CHECK(reading(2, fill) == Approx(2 * brief).epsilon(0.05));
  const double lasting = reading(1 << 20, {});
  CHECK(reading(1 << 20, fill) - lasting == Approx(fill.si()).epsilon(0.01));
}

TEST_CASE("chains of a scan fill the multiprocessors in waves, and a chain is as long as its sequence", "[models][kernels][scan]") {
  const UnitRates unit{.peak = 132e12, .bandwidth = 1e15, .multiprocessors = 132};
  const ScanCurve curve{.rate = 0.5, .start = Seconds{1e-6}, .floor = Seconds{}};
  const auto time = [&](double sequences, double heads, double tokens) {
    return scan_time({.sequences = sequences, .heads = heads, .tokens = tokens, .chunk = 50, .flops = 1e4}, unit, curve).time;
  };
  // A chunk of 50 x 1e4 FLOPs at half a TFLOP/s takes 1 us.
  CHECK(time(1, 1, 50) == Approx(2e-6));
  CHECK(time(1, 1, 1) == Approx(2e-6)); // a chunk is worked off as a whole
  CHECK(time(1, 1, 5000) == Approx(101e-6));
  CHECK(time(4, 33, 5000) == Approx(101e-6)); // as many chains as multiprocessors
  CHECK(time(7, 19, 5000) == Approx(202e-6)); // one chain more
  const ChunkScan forward{.sequences = 2, .heads = 8, .tokens = 1000, .chunk = 50, .flops = 1e4, .bytes = 512};
  ChunkScan backward = forward;
  backward.backward = true;
  CHECK(scan_time(backward, unit, curve).flops == Approx(2 * scan_time(forward, unit, curve).flops));
  CHECK(scan_time(forward, unit, curve).flops == Approx(2 * 8 * 1000 * 1e4));
  CHECK(scan_time(forward, unit, curve).bytes == Approx(2 * 8 * 1000 * 512.0));
}

TEST_CASE("a long product loses rate to its length, a short one nothing", "[models][kernels]") {
  CHECK(tenfolds_of(sustained_from) == 0);
  CHECK(tenfolds_of(100 * sustained_from) == Approx(2));
  const UnitRates unit{.peak = 1e15, .bandwidth = 1e18};
  const Matmul shape{.m = 32768, .n = 32768, .k = 32768};
  MatmulCurve curve;
  curve.sustained = 0;
  const double steady = matmul_time(shape, unit, curve).compute;
  curve.sustained = 0.05;
  CHECK(matmul_time(shape, unit, curve).compute == Approx(steady * (1 + 0.05 * tenfolds_of(2 * 32768.0 * 32768 * 32768))));
}

TEST_CASE("heads that share keys beyond one tile read some of them again, up to where larger tiles take over",
          "[models][kernels][attention]") {
  const UnitRates unit{.peak = 1e18, .bandwidth = 1e12, .multiprocessors = 100};
  AttentionCurve curve{.memory = 1, .decode_floor = {}};
  curve.cache = {.memory = 1, .start = {}, .repeated = 0.5};
  const auto seconds = [&](double heads) {
    const FusedAttention shape{
        .batch = 64, .heads = heads, .kv_heads = 1, .head_dim = 576, .queries = 1, .keys = 1e6, .shared_values = true};
    return attention_time(shape, unit, curve).memory;
  };
  CHECK(seconds(32) == Approx(1.5 * seconds(16)).epsilon(1e-3));
  CHECK(seconds(64) == Approx(seconds(16)).epsilon(1e-3));
}

TEST_CASE("uneven blocks leave multiprocessors idle at the end of a kernel", "[models][kernels][attention]") {
  const UnitRates unit{.peak = 1e15, .bandwidth = 1e18, .multiprocessors = 100};
  AttentionCurve curve{.rate = 1, .softmax = 0, .block_overhead = 0};
  const auto compute = [&](double heads, double tail) { // sixteen blocks a head, the longest of twice the mean's keys
    curve.tail = tail;
    return attention_time({.heads = heads, .kv_heads = heads, .head_dim = 128, .queries = 2048, .keys = 2048}, unit, curve).compute;
  };
  const double longest = 4.0 * 128 * 2048 * 128 / 1e13; // on its multiprocessor
  for (const double heads : {25.0, 400.0})
    CHECK(compute(heads, 0.5) - compute(heads, 0) == Approx(0.5 * longest));
  CHECK(compute(1, 0.5) == Approx(compute(1, 0))); // no block waits for another
  CHECK(compute(1, 0) == Approx(longest / 2).epsilon(0.07));
}

} // namespace orrery::kernel_time_test
