#include "models/fits/fit_calibration.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {

namespace {

/// Architectures of which only the best product is known: the assumed curve with the mean share of their devices as its rate.
void take_best_matmul(const KernelTables& tables, Calibration& calibration) {
  std::map<std::string, std::map<Precision, std::vector<double>>> shares;
  for (const BestMatmul& best : tables.best_matmul)
    shares[best.architecture][best.precision].push_back(best.share);
  for (const auto& [architecture, by_precision] : shares) {
    if (calibration.architectures.contains(architecture))
      continue;
    for (const auto& [precision, values] : by_precision) {
      MatmulCurve curve;
      double sum = 0;
      for (const double share : values)
        sum += share;
      curve.rate = std::min(1.0, sum / static_cast<double>(values.size()));
      curve.sustained = 0; // the search found its best among large products
      calibration.architectures[architecture].matmul[precision] = curve;
    }
  }
}

/// Where only products were measured, fused attention keeps the ratio to them that the assumed curves have.
void take_attention(Calibration& calibration) {
  for (auto& [architecture, curves] : calibration.architectures) {
    if (!curves.attention.empty())
      continue;
    for (const auto& [precision, matmul] : curves.matmul) {
      if (precision != Precision::bf16 && precision != Precision::fp16)
        continue;
      AttentionCurve curve;
      curve.rate *= matmul.rate / MatmulCurve{}.rate;
      curves.attention[precision] = curve;
    }
  }
}

/// Engines run their own collectives wherever devices reach each other over a switch: where one was not measured, as on the fastest links
/// on which it was.
void carry_engine_collective(const KernelTables& tables, std::optional<CollectiveCurve> ArchitectureCurves::* kind,
                             Calibration& calibration) {
  const MeasuredDevice* fastest = nullptr;
  for (const auto& [name, device] : tables.devices)
    if (calibration.architectures[device.architecture].*kind && (!fastest || device.scale_up > fastest->scale_up))
      fastest = &device;
  if (!fastest)
    return;
  const std::optional<CollectiveCurve> measured = calibration.architectures[fastest->architecture].*kind;
  for (const auto& [name, device] : tables.devices) {
    std::optional<CollectiveCurve>& own = calibration.architectures[device.architecture].*kind;
    if (own || device.mesh)
      continue;
    own = measured;
    own->assumed = true;
  }
}

/// Four digits are more than any of the constants is worth, and keep the file the same across compilers.
void round_digits(double& value) {
  if (value <= 0)
    return;
  const double unit = std::pow(10.0, std::floor(std::log10(value)) - 3);
  value = unit < 1 ? std::round(value / unit) / std::round(1 / unit) : std::round(value / unit) * unit;
}

void round_digits(Seconds& value) {
  double micro = value.si() * 1e6;
  round_digits(micro);
  value = Seconds{micro / 1e6};
}

void round_curves(ArchitectureCurves& curves) {
  for (auto* products : {&curves.matmul, &curves.serving_matmul, &curves.fused_moe, &curves.fused_moe_blocks, &curves.fused_moe_widened})
    for (auto& [precision, c] : *products) {
      for (double* value : {&c.rate, &c.tile_overhead, &c.edge, &c.sustained, &c.memory, &c.exposed})
        round_digits(*value);
      round_digits(c.floor);
    }
  for (auto* attention : {&curves.attention, &curves.latent_attention})
    for (auto& [precision, c] : *attention) {
      for (double* value : {&c.rate, &c.softmax, &c.block_overhead, &c.memory})
        round_digits(*value);
      for (CacheReading* reading : {&c.cache, &c.narrow_cache}) {
        round_digits(reading->memory);
        round_digits(reading->start);
        round_digits(reading->exposed);
        round_digits(reading->rate);
      }
      round_digits(c.floor);
      round_digits(c.decode_floor);
      round_digits(c.fill);
    }
  for (auto& [op_class, c] : curves.streaming) {
    round_digits(c.memory);
    round_digits(c.floor);
  }
  round_digits(curves.idle_tiles.small);
  round_digits(curves.idle_tiles.large);
  round_digits(curves.idle_tiles.memory);
  if (curves.scan) {
    round_digits(curves.scan->rate);
    round_digits(curves.scan->start);
    round_digits(curves.scan->floor);
  }
  std::vector<CollectiveCurve*> collectives;
  for (auto& [kind, c] : curves.collective)
    collectives.push_back(&c);
  for (std::optional<CollectiveCurve>* c :
       {&curves.in_switch, &curves.one_shot, &curves.two_shot, &curves.exchange, &curves.exchange_low_latency, &curves.send})
    if (*c)
      collectives.push_back(&**c);
  for (CollectiveCurve* c : collectives) {
    for (Seconds* value : {&c->floor, &c->floor_per_rank, &c->step})
      round_digits(*value);
    round_digits(c->share);
    round_digits(c->few_loss);
  }
}

} // namespace

Calibration fit_calibration(const KernelTables& tables, FitRows rows) {
  Calibration calibration;
  fit_streaming(tables, rows, calibration); // first: narrow products were measured with the cast of their operand
  fit_matmul(tables, rows, calibration);
  fit_grouped(tables, rows, calibration);
  fit_attention(tables, rows, calibration);
  fit_scan(tables, rows, calibration);
  fit_collective(tables, rows, calibration);
  using C = ArchitectureCurves;
  for (const auto kind : {&C::one_shot, &C::two_shot, &C::exchange, &C::exchange_low_latency})
    carry_engine_collective(tables, kind, calibration);
  take_best_matmul(tables, calibration);
  take_attention(calibration);
  for (auto& [architecture, curves] : calibration.architectures)
    round_curves(curves);
  return calibration;
}

} // namespace orrery
