#include "models/fits/fit_calibration.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace orrery {

namespace {

/// Four digits are more than any of the constants is worth, and keep the file the same across compilers.
void round_digits(double& value) {
  if (value <= 0)
    return;
  const double unit = std::pow(10.0, std::floor(std::log10(value)) - 3);
  value = unit < 1 ? std::round(value / unit) / std::round(1 / unit) : std::round(value / unit) * unit;
}

/// The share of the peak that the curves of an architecture stand for: that of the best product found on the device whose kernels were
/// measured, else the mean over its devices. Precondition: a search was made.
double curve_share(const KernelTables& tables, const std::string& architecture, Precision precision) {
  double sum = 0;
  int count = 0;
  for (const BestMatmul& best : tables.best_matmul) {
    if (best.architecture != architecture || best.precision != precision)
      continue;
    if (tables.devices.contains(best.device))
      return best.share;
    sum += best.share;
    ++count;
  }
  return sum / count;
}

/// Architectures of which only best products are known: the assumed curve with the share that stands for them as its rate.
void take_best_matmul(const KernelTables& tables, Calibration& calibration) {
  for (const BestMatmul& best : tables.best_matmul) {
    const bool measured = std::ranges::any_of(tables.devices, [&](const auto& d) { return d.second.architecture == best.architecture; });
    if (measured)
      continue;
    MatmulCurve curve;
    curve.rate = std::min(1.0, curve_share(tables, best.architecture, best.precision));
    curve.sustained = 0; // the search found its best among large products
    calibration.architectures[best.architecture].matmul[best.precision] = curve;
  }
}

/// What searches found on each device, over what its architecture's curves stand for; in a precision without a search as in the other.
void take_device_rates(const KernelTables& tables, Calibration& calibration) {
  std::map<std::string, std::array<double, 2>> devices; // half, narrow; 0 = not searched
  for (const BestMatmul& best : tables.best_matmul) {
    double rate = best.share / curve_share(tables, best.architecture, best.precision);
    round_digits(rate);
    devices[best.device][best.precision == Precision::bf16 ? 0 : 1] = rate;
  }
  for (const auto& [name, found] : devices) {
    const auto [half, narrow] = found;
    const DeviceRates rates{.half = half > 0 ? half : narrow, .narrow = narrow > 0 ? narrow : half};
    if (rates.half != 1 || rates.narrow != 1)
      calibration.devices[name] = rates;
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
      for (double* value : {&c.rate, &c.softmax, &c.block_overhead, &c.tail, &c.memory})
        round_digits(*value);
      for (CacheReading* reading : {&c.cache, &c.narrow_cache}) {
        round_digits(reading->memory);
        round_digits(reading->start);
        round_digits(reading->exposed);
        round_digits(reading->repeated);
        round_digits(reading->rate);
      }
      round_digits(c.floor);
      round_digits(c.decode_floor);
      round_digits(c.fill);
    }
  for (auto* streaming : {&curves.streaming, &curves.scalar_streaming})
    for (auto& [op_class, c] : *streaming) {
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
  take_device_rates(tables, calibration);
  take_attention(calibration);
  for (auto& [architecture, curves] : calibration.architectures)
    round_curves(curves);
  return calibration;
}

} // namespace orrery
