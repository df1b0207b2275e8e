// Which errors do the curves have on kernels that they were not fitted to, and does the file of constants follow from the tables?
#include "hardware/catalogue.hpp"
#include "models/kernel_cost.hpp"
#include "tests/calibration/kernel_data.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery::kernel_fit_test {

namespace {

/// Every constant by name.
std::map<std::string, double> constants(const Calibration& calibration) {
  std::map<std::string, double> all;
  for (const auto& [name, curves] : calibration.architectures) {
    const auto add = [&](const std::string& curve, std::initializer_list<double> values) {
      int i = 0;
      for (const double value : values)
        all[fmt::format("{} {} {}", name, curve, i++)] = value;
    };
    const auto add_collective = [&](const std::string& curve, const CollectiveCurve& c) {
      add(curve, {c.floor.si(), c.floor_per_rank.si(), c.step.si(), c.share, c.few_loss, double(c.assumed)});
    };
    const std::pair<const char*, const std::map<Precision, MatmulCurve>*> products[] = {{"matmul", &curves.matmul},
                                                                                        {"serving", &curves.serving_matmul},
                                                                                        {"fused_moe", &curves.fused_moe},
                                                                                        {"blocks", &curves.fused_moe_blocks},
                                                                                        {"widened", &curves.fused_moe_widened}};
    for (const auto& [kind, by_precision] : products)
      for (const auto& [precision, c] : *by_precision)
        add(fmt::format("{} {}", kind, int(precision)),
            {c.rate, c.tile_overhead, c.edge, c.sustained, c.memory, c.exposed, c.floor.si(), c.largest_flops, double(c.assumed)});
    for (const auto* attention : {&curves.attention, &curves.latent_attention})
      for (const auto& [precision, c] : *attention) {
        const std::string title = fmt::format("{}attention {}", attention == &curves.attention ? "" : "latent ", int(precision));
        add(title, {double(c.kernel), c.rate, c.softmax, c.block_overhead, c.tail, c.backward_rate, c.memory, c.floor.si(), c.largest_keys,
                    double(c.assumed)});
        for (const CacheReading* reading : {&c.cache, &c.narrow_cache})
          add(fmt::format("{}, {} cache", title, reading == &c.cache ? "wide" : "narrow"),
              {reading->memory, reading->start.si(), reading->exposed, reading->rate, c.decode_floor.si(), c.fill.si()});
      }
    for (const auto* streaming : {&curves.streaming, &curves.scalar_streaming})
      for (const auto& [op_class, c] : *streaming)
        add(fmt::format("{}streaming {}", streaming == &curves.streaming ? "" : "scalar ", int(op_class)),
            {c.memory, c.floor.si(), double(c.assumed)});
    for (const auto& [kind, c] : curves.collective)
      add_collective(fmt::format("collective {}", int(kind)), c);
    if (curves.in_switch)
      add_collective("in_switch", *curves.in_switch);
    if (curves.one_shot)
      add_collective("one_shot", *curves.one_shot);
    if (curves.two_shot)
      add_collective("two_shot", *curves.two_shot);
    if (curves.exchange)
      add_collective("exchange", *curves.exchange);
    if (curves.exchange_low_latency)
      add_collective("exchange_low_latency", *curves.exchange_low_latency);
    if (curves.send)
      add_collective("send", *curves.send);
  }
  for (const auto& [name, rates] : calibration.devices) {
    all[name + " half"] = rates.half;
    all[name + " narrow"] = rates.narrow;
  }
  return all;
}

} // namespace

TEST_CASE("every constant follows from the kernel tables", "[calibration]") {
  const std::map<std::string, double> kept = constants(kept_calibration());
  const Calibration fit = fit_calibration(kernel_tables());
  INFO("models/calibration/curves.yaml must be written anew from:\n" << yaml::to_yaml(write_calibration(fit)));
  const std::map<std::string, double> fitted = constants(fit);
  REQUIRE(fitted.size() == kept.size());
  for (const auto& [name, value] : fitted) {
    INFO(name);
    REQUIRE(kept.contains(name));
    // Constants that hardly move the fit differ by a little between compilers.
    CHECK(kept.at(name) == Approx(value).epsilon(0.01).margin(1e-9));
  }
}

TEST_CASE("the measured devices are those of the catalogue", "[calibration]") {
  for (const auto& [name, device] : kernel_tables().devices) {
    CHECK(device.half_peak > 1e13);
    CHECK(device.bandwidth > 1e11);
  }
}

TEST_CASE("errors on held-out kernels", "[calibration]") {
  std::string table;
  for (const FitError& e : held_out_errors())
    table += fmt::format("{:<11}{:<16}{:<12}{:<32}{:>6} rows  mean {:5.1f}%  median {:+6.1f}%  p90 {:5.1f}%  worst {:4.0f}%\n", e.table,
                         e.device, e.source, e.group, e.rows, 100 * e.mean_absolute, 100 * e.median, 100 * e.absolute_p90, 100 * e.worst);
  WARN(table);

  struct Bar {
    const char* device;
    const char* source;
    const char* group;
    double mean;
  };
  // The project's own bars: 12% above 10 GFLOP and 20% overall for half-precision products, 15% for long prefill.
  const Bar bars[] = {
      {"a100-sxm-80gb", "aic", "half > 10 GFLOP", 0.12},
      {"a100-sxm-80gb", "aic", "half all", 0.20},
      {"a100-sxm-80gb", "vidur", "half > 10 GFLOP", 0.12},
      {"a100-sxm-80gb", "aic", "prefill, 512 queries and more", 0.15},
      {"h100-sxm-80gb", "aic", "half > 10 GFLOP", 0.12},
      {"h100-sxm-80gb", "aic", "half all", 0.20},
      {"h100-sxm-80gb", "vidur", "half > 100 GFLOP", 0.12},
      {"h100-sxm-80gb", "aic", "fp8 > 10 GFLOP", 0.15},
      {"h100-sxm-80gb", "aic", "fp8_cast above 128 MB", 0.05},
      {"h100-sxm-80gb", "aic", "gated_delta", 0.10},
      {"b200-sxm", "aic", "fp4 > 10 GFLOP", 0.12},
      {"h100-sxm-80gb", "aic", "prefill, 512 queries and more", 0.15},
      {"b200-sxm", "aic", "half > 10 GFLOP", 0.12},
      {"b200-sxm", "aic", "prefill, 512 queries and more", 0.15},
      {"h100-sxm-80gb", "aic", "half 64 rows an expert and more", 0.10},
      {"h100-sxm-80gb", "aic", "fp8 64 rows an expert and more", 0.10},
      {"b200-sxm", "aic", "half 64 rows an expert and more", 0.10},
      {"b200-sxm", "aic", "fp4 64 rows an expert and more", 0.12},
      {"h100-sxm-80gb", "aic", "fp8 blocks balanced", 0.10},
      {"h100-sxm-80gb", "aic", "fp8 blocks 64 rows an expert and more", 0.06},
      {"a100-sxm-80gb", "aic", "half skewed", 0.12},
      {"h100-sxm-80gb", "aic", "half balanced", 0.08},
      {"b200-sxm", "aic", "half balanced", 0.09},
      {"b200-sxm", "aic", "fp8 blocks balanced", 0.08},
      {"b200-sxm", "aic", "fp8 blocks 64 rows an expert and more", 0.10},
      {"h100-sxm-80gb", "aic", "w4a16 64 rows an expert and more", 0.08},
      {"b200-sxm", "aic", "w4a16 64 rows an expert and more", 0.08},
      {"v100-pcie-16gb", "apex", "half > 10 GFLOP", 0.12},
      {"v100-pcie-16gb", "apex", "half all", 0.20},
  };
  for (const Bar& bar : bars) {
    INFO(bar.device << ' ' << bar.source << ' ' << bar.group);
    CHECK(held_out_error(bar.device, bar.source, bar.group).mean_absolute <= bar.mean);
  }
}

TEST_CASE("slots of other ranks' experts tell what tiles in vain, their zeros and casts by blocks cost", "[calibration]") {
  KernelTables tables;
  const MeasuredDevice device = kernel_tables().devices.at("b200-sxm");
  tables.devices[device.name] = device;
  const MatmulCurve products{.rate = 0.4, .tile_overhead = 500, .edge = 3, .sustained = 0, .memory = 0.85, .exposed = 1};
  Calibration truth;
  ArchitectureCurves& curves = truth.architectures[device.architecture];
  curves.streaming[OpClass::block_cast] = {.memory = 0.25};
  curves.idle_tiles = {.small = Seconds{0.7e-9}, .large = Seconds{4e-9}, .memory = 0.3};
  for (const double tokens : {16.0, 64.0, 512.0, 4096.0, 16384.0})
    for (const double ranks : {1.0, 8.0, 32.0, 128.0})
      for (const double width : {768.0, 2048.0})
        for (const bool blocks : {false, true}) {
          FusedMoeRow row{.source = "aic", .device = device.name, .kernel = "triton"};
          row.precision = blocks ? Precision::fp8 : Precision::bf16;
          row.weight_bytes = blocks ? 1.0002 : 2;
          row.tokens = tokens;
          row.slots = 8 * tokens;
          row.rows = row.slots / ranks;
          row.groups = 256 / ranks;
          row.hidden = 7168;
          row.intermediate = width;
          row.time = fused_moe_time(row, device, products, truth);
          tables.fused_moe.push_back(row);
        }
  const ArchitectureCurves fit = fit_calibration(tables).architectures.at(device.architecture);
  CHECK(fit.idle_tiles.small.si() == Approx(0.7e-9).epsilon(0.1));
  CHECK(fit.idle_tiles.large.si() == Approx(4e-9).epsilon(0.05));
  CHECK(fit.idle_tiles.memory == Approx(0.3).epsilon(0.05));
  CHECK_FALSE(fit.idle_tiles.assumed);
  const StreamingCurve& cast = fit.streaming.at(OpClass::block_cast);
  CHECK(cast.memory == Approx(0.25).epsilon(0.05));
  CHECK_FALSE(cast.assumed);
}

TEST_CASE("backward rows set the backward rate, few blocks what is idle at their end, unfused rows nothing", "[calibration]") {
  KernelTables tables;
  const MeasuredDevice device = kernel_tables().devices.at("a100-sxm-80gb");
  tables.devices[device.name] = device;
  const AttentionCurve truth{.rate = 0.6, .tail = 0.3, .backward_rate = 0.7};
  const auto add = [&](FusedAttention shape, bool decode, const char* kernel, double slower) {
    const double time = attention_time(shape, device.rates(Precision::bf16), truth).time * slower;
    tables.attention.push_back({"measured", device.name, kernel, Precision::bf16, decode, shape, time});
  };
  for (const double length : {512.0, 1024.0, 2048.0, 4096.0, 8192.0})
    for (const double head_dim : {64.0, 128.0}) {
      FusedAttention shape{.batch = 4, .heads = 32, .kv_heads = 32, .head_dim = head_dim, .queries = length, .keys = length};
      add(shape, false, "flash_attn", 1);
      add(shape, false, "unfused", 5);
      shape.backward = true;
      add(shape, false, "flash_attn", 1);
      add({.batch = 16, .heads = 32, .kv_heads = 32, .head_dim = head_dim, .queries = 1, .keys = length}, true, "flash_attn", 1);
    }
  const Calibration fit = fit_calibration(tables);
  const AttentionCurve& curve = fit.architectures.at(device.architecture).attention.at(Precision::bf16);
  CHECK(curve.kernel == AttentionKernel::flash);
  CHECK(curve.backward_rate == Approx(0.7).epsilon(0.03));
  CHECK(curve.rate == Approx(0.6).epsilon(0.1));
  CHECK(curve.tail == Approx(0.3).epsilon(0.15));
}

TEST_CASE("kernels that load one element a thread have curves of their own", "[calibration]") {
  KernelTables tables;
  const MeasuredDevice device = kernel_tables().devices.at("a100-sxm-80gb");
  tables.devices[device.name] = device;
  const auto add = [&](const char* op, double bytes, double share, double floor) {
    const double time = floor + bytes / (device.bandwidth * share);
    tables.streaming.push_back({"measured", device.name, op, {.read = Bytes{bytes / 2}, .written = Bytes{bytes / 2}}, time});
  };
  for (const double bytes : {1e5, 2e8, 4e8, 8e8}) {
    add("layer_norm", bytes, 0.8, 3e-6);
    add("rms_norm", bytes, 0.4, 5e-6);
  }
  const ArchitectureCurves fit = fit_calibration(tables).architectures.at(device.architecture);
  CHECK(fit.streaming.at(OpClass::normalization).memory == Approx(0.8).epsilon(0.02));
  CHECK(fit.scalar_streaming.at(OpClass::normalization).memory == Approx(0.4).epsilon(0.02));
  CHECK(fit.scalar_streaming.at(OpClass::normalization).floor.si() == Approx(5e-6).epsilon(0.1));
  CHECK_FALSE(fit.scalar_streaming.contains(OpClass::elementwise));
}

TEST_CASE("errors on architectures that the fit did not see", "[calibration]") {
  std::string table;
  std::map<std::string, std::vector<double>> by_class;
  for (const FitError& e : carried_errors(kernel_tables())) {
    if (e.table == "collective")
      continue;
    table += fmt::format("{:<11}{:<16}{:<12}{:<32}{:>6} rows  mean {:5.1f}%  median {:+6.1f}%  p90 {:5.1f}%\n", e.table, e.device, e.source,
                         e.group, e.rows, 100 * e.mean_absolute, 100 * e.median, 100 * e.absolute_p90);
    by_class[e.table + " " + e.group].push_back(e.mean_absolute);
  }
  WARN(table);
  const auto worst = [&](const std::string& name) { return *std::ranges::max_element(by_class.at(name)); };
  CHECK(worst("matmul half > 100 GFLOP") < 0.20);
  CHECK(worst("attention prefill, training shapes") < 0.25);
}

TEST_CASE("no product of the library is faster than the best that a search found", "[calibration]") {
  const Calibration calibration = kept_calibration();
  for (const BestMatmul& best : kernel_tables().best_matmul) {
    const auto device = kernel_tables().devices.find(best.device);
    if (device == kernel_tables().devices.end())
      continue;
    const UnitRates unit = device->second.rates(best.precision);
    const MatmulCurve& curve = calibration.architectures.at(best.architecture).matmul.at(best.precision);
    for (const double k : {4096.0, 8192.0, 16384.0}) {
      const TimeParts parts = matmul_time({.m = 16384, .n = 16384, .k = k}, unit, curve);
      CAPTURE(best.device, k);
      CHECK(parts.flops / parts.time / unit.peak <= best.share);
    }
  }
}

TEST_CASE("devices of one architecture differ as searches found", "[calibration]") {
  // TFLOP/s of the best products found; a large product that arithmetic binds keeps their ratio.
  const auto ratio = [](const char* device, const char* other) {
    const auto rate = [](const char* name) {
      const Calibration calibration = kept_calibration();
      return 1 / KernelModel(load_device(name), calibration).cost({.shape = Matmul{1, 16384, 16384, 16384}}).time.si();
    };
    return rate(device) / rate(other);
  };
  CHECK(ratio("gb200", "b200-sxm") == Approx(1822.0 / 1745).epsilon(0.01));
  CHECK(ratio("a100-pcie-80gb", "a100-sxm-80gb") == Approx(252.9 / 271.2).epsilon(0.01));
  CHECK(ratio("mi325x", "mi300x") == Approx(784.9 / 668.4).epsilon(0.01));
  CHECK(ratio("gaudi3", "gaudi2") == Approx(1243.0 / 418.7).epsilon(0.01));
  CHECK(ratio("gb300", "b200-sxm") == Approx(2500.0 / 2250).epsilon(0.01)); // of which none was found
}

TEST_CASE("the best product of a search lies near what its curve gives", "[calibration]") {
  const Calibration calibration = kept_calibration();
  for (const BestMatmul& best : kernel_tables().best_matmul) {
    const auto device = kernel_tables().devices.find(best.device);
    if (device == kernel_tables().devices.end())
      continue;
    const UnitRates unit = device->second.rates(best.precision);
    const TimeParts parts = matmul_time(best.shape, unit, calibration.architectures.at(best.architecture).matmul.at(best.precision));
    INFO(best.device);
    // A search finds the shape that the library deals best to the multiprocessors; here it comes in whole waves.
    CHECK(parts.flops / parts.time / unit.peak == Approx(best.share).epsilon(0.2));
  }
}

} // namespace orrery::kernel_fit_test
