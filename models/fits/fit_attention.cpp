#include "models/attention_generation.hpp"
#include "models/fits/fit_calibration.hpp"
#include "models/fits/fit_least_squares.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {

namespace {

using AttentionRows = std::vector<const AttentionRow*>;

/// Do the rows tell the cost of a score from that of its products?
bool several_head_dims(const AttentionRows& rows) {
  return std::any_of(rows.begin(), rows.end(), [&](const AttentionRow* r) { return r->shape.head_dim != rows.front()->shape.head_dim; });
}

/// Parameters: rate, block overhead, memory, floor, tail, softmax (where the rows tell).
AttentionCurve prefill_from(const std::vector<double>& p) {
  AttentionCurve curve;
  curve.rate = p[0];
  curve.block_overhead = p[1];
  curve.memory = p[2];
  curve.floor = Seconds{p[3]};
  curve.tail = p[4];
  if (p.size() > 5)
    curve.softmax = p[5];
  return curve;
}

AttentionCurve fit_prefill(const AttentionRows& rows, const UnitRates& unit) {
  std::vector<double> start{0.7, 200, 0.5, 8e-6, 0.5};
  std::vector<Bounds> bounds{{0.2, 1}, {1, 4000}, {0.1, 1}, {1e-6, 5e-5}, {1e-3, 1}};
  if (several_head_dims(rows)) {
    start.push_back(16);
    bounds.push_back({0.5, 200});
  }
  const Residuals residuals = [&](const std::vector<double>& p, std::vector<double>& out) {
    const AttentionCurve curve = prefill_from(p);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const double weight = rows[i]->shape.queries >= 1024 ? 2 : 0.5;
      out[i] = weight * std::log(attention_time(rows[i]->shape, unit, curve).time / rows[i]->time);
    }
  };
  return prefill_from(fit_parameters(residuals, rows.size(), start, bounds));
}

double kept_bytes(const FusedAttention& shape, const UnitRates& unit) {
  const double width = shape.head_dim + (shape.shared_values ? 0 : shape.value_dim > 0 ? shape.value_dim : shape.head_dim);
  return shape.batch * shape.kv_heads * shape.keys * width * (shape.kept_bytes > 0 ? shape.kept_bytes : unit.element);
}

/// Rows that read the cache as an engine does: of what the last-level cache holds, a kernel that is timed over and over reads much from
/// there, an engine nothing. The smallest stay: they show the floor.
AttentionRows read_from_memory(const AttentionRows& rows, const UnitRates& unit, double last_level) {
  AttentionRows kept;
  for (const AttentionRow* row : rows)
    if (const double bytes = kept_bytes(row->shape, unit); bytes > last_level || bytes < last_level / 20)
      kept.push_back(row);
  return kept;
}

/// How rows of few queries read their cache. Iterations of large batches are made of large kernels. Those of latent attention and of a
/// cache in 8 bits say at what rate they compute, at most twice the peak of half precision.
struct Reading {
  CacheReading cache;
  Seconds floor; ///< of every kernel
  Seconds fill;  ///< as AttentionCurve::fill
};

/// `fill` = of other kernels of the device; 0 = the rows tell, and how starts hide is not asked of them as well.
Reading fit_reading(const AttentionRows& rows, const UnitRates& unit, const AttentionCurve& curve, CacheReading AttentionCurve::* reading,
                    Seconds fill) {
  constexpr double large = 100e6;
  const FusedAttention& any = rows.front()->shape;
  const double most = (any.kept_bytes > 0 ? 2 : 1) / curve.rate;
  const bool known = fill > Seconds{};
  std::vector<double> start{0.7, 3e-6, 8e-6, known ? 1 : 5e-6};
  std::vector<Bounds> bounds{{0.1, 1}, {1e-8, 5e-5}, {1e-6, 5e-5}, known ? Bounds{0.01, 3} : Bounds{1e-8, 5e-5}};
  if (any.kept_bytes > 0 || any.shared_values) {
    start.push_back(1);
    bounds.push_back({0.3, most});
  }
  if (any.shared_values) { // others have no more heads to a key than fit one tile
    start.push_back(0.1);
    bounds.push_back({1e-3, 1});
  }
  const auto from = [&](const std::vector<double>& p) {
    AttentionCurve trial = curve;
    trial.*reading = {.memory = p[0],
                      .start = Seconds{p[1]},
                      .exposed = known ? p[3] : 1,
                      .rate = p.size() > 4 ? p[4] : 1,
                      .repeated = p.size() > 5 ? p[5] : 0};
    trial.decode_floor = Seconds{p[2]};
    trial.fill = known ? fill : Seconds{p[3]};
    return trial;
  };
  const Residuals residuals = [&](const std::vector<double>& p, std::vector<double>& out) {
    const AttentionCurve trial = from(p);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const double weight = kept_bytes(rows[i]->shape, unit) > large ? 2 : 1;
      out[i] = weight * std::log(attention_time(rows[i]->shape, unit, trial).time / rows[i]->time);
    }
  };
  const AttentionCurve best = from(fit_parameters(residuals, rows.size(), start, bounds));
  return {best.*reading, best.decode_floor, best.fill};
}

/// The rate of backward kernels, where they were measured.
double fit_backward(const AttentionRows& rows, const UnitRates& unit, const AttentionCurve& curve) {
  const Residuals residuals = [&](const std::vector<double>& p, std::vector<double>& out) {
    AttentionCurve trial = curve;
    trial.backward_rate = p[0];
    for (std::size_t i = 0; i < rows.size(); ++i)
      out[i] = std::log(attention_time(rows[i]->shape, unit, trial).time / rows[i]->time);
  };
  return fit_parameters(residuals, rows.size(), {curve.backward_rate}, {{0.1, 1}})[0];
}

/// Rows of the fused kernel that a device has most forward rows of: generations differ by a factor of two, and are not mixed.
AttentionRows rows_of(const std::vector<AttentionRow>& table, const std::string& device, FitRows rows) {
  std::map<std::string, int> forward;
  AttentionRows own;
  for (const AttentionRow& row : table)
    if (row.device == device && row.kernel != "unfused" && (rows == FitRows::all || !held_out(row.shape))) {
      forward[row.kernel] += !row.decode && !row.shape.backward;
      own.push_back(&row);
    }
  const auto most = std::ranges::max_element(forward, {}, [](const auto& entry) { return entry.second; });
  std::erase_if(own, [&](const AttentionRow* row) { return row->kernel != most->first; });
  return own;
}

/// Curves of one table, by architecture.
std::map<std::string, AttentionCurve> fit_table(const KernelTables& tables, const std::vector<AttentionRow>& table, FitRows rows,
                                                const std::map<std::string, AttentionCurve>& known) {
  std::map<std::string, AttentionCurve> curves;
  for (const auto& [name, device] : tables.devices) {
    AttentionRows prefill;
    AttentionRows backward;
    AttentionRows decode;
    AttentionRows narrow;
    for (const AttentionRow* row : rows_of(table, name, rows))
      (row->shape.kept_bytes > 0 ? narrow : row->decode ? decode : row->shape.backward ? backward : prefill).push_back(row);
    if (prefill.empty() || decode.empty())
      continue;
    const UnitRates unit = device.rates(Precision::bf16);
    AttentionCurve curve = fit_prefill(prefill, unit);
    const auto other = known.find(device.architecture);
    const Reading wide = fit_reading(read_from_memory(decode, unit, device.cache), unit, curve, &AttentionCurve::cache,
                                     other == known.end() ? Seconds{} : other->second.fill);
    curve.cache = curve.narrow_cache = wide.cache;
    curve.decode_floor = wide.floor;
    curve.fill = wide.fill;
    if (const AttentionRows large = read_from_memory(narrow, unit, device.cache); !large.empty())
      curve.narrow_cache = fit_reading(large, unit, curve, &AttentionCurve::narrow_cache, curve.fill).cache;
    curve.kernel = generation_of(prefill.front()->kernel, device.architecture);
    curve.backward_rate = backward_over_forward(curve.kernel);
    if (!backward.empty())
      curve.backward_rate = fit_backward(backward, unit, curve);
    curve.assumed = false;
    curve.largest_keys = 0;
    for (const AttentionRow* row : prefill)
      curve.largest_keys = std::max(curve.largest_keys, row->shape.keys);
    curves[device.architecture] = curve;
  }
  return curves;
}

} // namespace

void fit_attention(const KernelTables& tables, FitRows rows, Calibration& calibration) {
  const std::map<std::string, AttentionCurve> curves = fit_table(tables, tables.attention, rows, {});
  for (const auto& [architecture, curve] : curves) {
    calibration.architectures[architecture].attention[Precision::bf16] = curve;
    calibration.architectures[architecture].attention[Precision::fp16] = curve;
  }
  for (const auto& [architecture, curve] : fit_table(tables, tables.latent_attention, rows, curves)) {
    calibration.architectures[architecture].latent_attention[Precision::bf16] = curve;
    calibration.architectures[architecture].latent_attention[Precision::fp16] = curve;
  }
}

} // namespace orrery
