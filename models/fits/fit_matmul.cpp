#include "models/fits/fit_calibration.hpp"
#include "models/fits/fit_least_squares.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

namespace orrery {

namespace {

double row_flops(const Matmul& shape) { return 2 * shape.batch * shape.m * shape.n * shape.k; }

double row_weight(const Matmul& shape) {
  const double flops = row_flops(shape);
  return flops > 10e9 ? 3 : flops > 1e9 ? 1 : 0.5;
}

MatmulCurve product_curve(const std::vector<double>& p, const MatmulCurve& base) {
  MatmulCurve curve = base;
  curve.rate = p[0];
  curve.tile_overhead = p[1];
  curve.edge = p[2];
  curve.sustained = p[3];
  curve.memory = p[4];
  curve.exposed = p[5];
  curve.floor = Seconds{p[6]};
  return curve;
}

/// Measured rows of one device and precision from one source.
struct Source {
  std::vector<const MatmulRow*> rows;
  std::vector<double> around; ///< seconds that were measured beside each product
};

MatmulCurve fit_shape(const Source& source, const UnitRates& unit, TileChoice tiles) {
  const std::vector<const MatmulRow*>& rows = source.rows;
  const MatmulCurve base{.tiles = tiles};
  const std::vector<double> start{0.85, 150, 10, 0.03, 0.8, 0.4, 3e-6};
  const std::vector<Bounds> bounds{{0.2, 1}, {1, 3000}, {0.01, 200}, {1e-4, 0.3}, {0.3, 1}, {1e-3, 3}, {5e-7, 3e-5}};
  const Residuals residuals = [&](const std::vector<double>& p, std::vector<double>& out) {
    const MatmulCurve curve = product_curve(p, base);
    for (std::size_t i = 0; i < rows.size(); ++i)
      out[i] = row_weight(rows[i]->shape) * std::log((matmul_time(rows[i]->shape, unit, curve).time + source.around[i]) / rows[i]->time);
  };
  MatmulCurve curve = product_curve(fit_parameters(residuals, rows.size(), start, bounds), base);
  curve.assumed = false;
  curve.largest_flops = 0;
  for (const MatmulRow* row : rows)
    curve.largest_flops = std::max(curve.largest_flops, row_flops(row->shape));
  return curve;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : 0.5 * (values[half - 1] + values[half]);
}

/// The fastest product that a search found on a measured device; nothing where there was none.
const BestMatmul* searched(const KernelTables& tables, const MeasuredDevice& device, Precision precision) {
  const auto found = std::ranges::find_if(
      tables.best_matmul, [&](const BestMatmul& best) { return best.device == device.name && best.precision == precision; });
  return found == tables.best_matmul.end() ? nullptr : &*found;
}

/// log(measured / predicted) of that product.
double search_shift(const BestMatmul& best, const UnitRates& unit, const MatmulCurve& curve) {
  const TimeParts parts = matmul_time(best.shape, unit, curve);
  return std::log(parts.flops / (parts.time * unit.peak * best.share));
}

/// How deep the searches went.
constexpr double searched_depth = 16384;

/// A search tries large products too, many times over and with random operands: none that it could try is faster than what it found.
double bounded_rate(const BestMatmul& best, const MatmulCurve& curve) {
  return std::min(curve.rate, best.share * (1 + curve.tile_overhead / searched_depth));
}

/// The vendor's library in a narrow precision, where a serving engine's kernels have `curve`: the tiles of the same library in half
/// precision, which start and end in the same time.
MatmulCurve library_curve(const KernelTables& tables, const MeasuredDevice& device, Precision precision, MatmulCurve curve,
                          const std::map<Precision, MatmulCurve>& library) {
  const auto half = library.find(Precision::bf16);
  curve.assumed = true; // until a search says more
  curve.tiles = TileChoice::best;
  if (half == library.end())
    return curve;
  MatmulCurve shaped = half->second;
  shaped.largest_flops = curve.largest_flops;
  shaped.tile_overhead *= device.rates(precision).peak / device.rates(Precision::bf16).peak;
  const BestMatmul* found = searched(tables, device, precision);
  const BestMatmul* above = searched(tables, device, Precision::bf16);
  if (!found || !above)
    return curve;
  shaped.rate /=
      std::exp(search_shift(*found, device.rates(precision), shaped) - search_shift(*above, device.rates(Precision::bf16), half->second));
  shaped.rate = bounded_rate(*found, shaped);
  return shaped;
}

/// Mean over sources of the median log(measured / predicted) over large, compute-bound products.
double source_shift(const std::map<std::string, Source>& sources, const UnitRates& unit, const MatmulCurve& curve) {
  double sum = 0;
  int count = 0;
  for (const auto& [name, source] : sources) {
    std::vector<double> errors;
    for (std::size_t i = 0; i < source.rows.size(); ++i) {
      const TimeParts parts = matmul_time(source.rows[i]->shape, unit, curve);
      if (parts.flops > 100e9 && parts.compute > 3 * parts.memory)
        errors.push_back(std::log((source.rows[i]->time - source.around[i]) / parts.time));
    }
    if (errors.size() < 3)
      continue;
    sum += median(errors);
    ++count;
  }
  return count > 0 ? sum / count : 0;
}

std::map<std::string, Source> sources_of(const KernelTables& tables, const MeasuredDevice& device, Precision precision, FitRows rows,
                                         const Calibration& calibration) {
  std::map<std::string, Source> sources;
  for (const MatmulRow& row : tables.matmul) {
    // Half-precision formats run at one rate: sources in fp16 and in bf16 count together.
    const Precision own = row.precision == Precision::fp16 ? Precision::bf16 : row.precision;
    if (row.device != device.name || own != precision || (rows == FitRows::first_half && held_out(row.shape)))
      continue;
    Source& source = sources[row.source];
    source.rows.push_back(&row);
    source.around.push_back(quantisation_time(row, device, calibration));
  }
  return sources;
}

} // namespace

double quantisation_time(const MatmulRow& row, const MeasuredDevice& device, const Calibration& calibration) {
  const bool fp8 = row.precision == Precision::fp8;
  if (row.source != "aic" || (!fp8 && row.precision != Precision::fp4))
    return 0;
  // fp8 finds the largest value of each row first, in a pass that the cache serves where the operand fits; fp4 takes a scale per tensor
  // from outside and writes one byte of scale for 16 elements.
  const double elements = row.shape.batch * row.shape.m * row.shape.k;
  const double passes = fp8 && 2 * elements > device.cache ? 2 : 1;
  const Streaming cast{.read = Bytes{passes * 2 * elements}, .written = Bytes{(fp8 ? 1.0 : 0.5 + 1.0 / 16) * elements}};
  return streaming_time(cast, 1, device.rates(Precision::fp16), streaming_curve(calibration, device, OpClass::cast)).time;
}

void fit_matmul(const KernelTables& tables, FitRows rows, Calibration& calibration) {
  for (const auto& [name, device] : tables.devices)
    for (const Precision precision : {Precision::bf16, Precision::fp8, Precision::fp4}) {
      const std::map<std::string, Source> sources = sources_of(tables, device, precision, rows, calibration);
      if (sources.empty())
        continue;
      const auto largest = std::max_element(sources.begin(), sources.end(),
                                            [](const auto& a, const auto& b) { return a.second.rows.size() < b.second.rows.size(); });
      const UnitRates unit = device.rates(precision);
      // Of the measured engines' FP8 kernels, those on Hopper are CUTLASS's with a shape by rows; on Blackwell they are tuned (FlashInfer).
      const bool by_rows = device.architecture == "hopper" && precision == Precision::fp8;
      MatmulCurve curve = fit_shape(largest->second, unit, by_rows ? TileChoice::by_rows : TileChoice::best);
      curve.rate = std::min(1.0, curve.rate / std::exp(source_shift(sources, unit, curve)));
      ArchitectureCurves& curves = calibration.architectures[device.architecture];
      if (precision == Precision::bf16) {
        if (const BestMatmul* best = searched(tables, device, precision))
          curve.rate = bounded_rate(*best, curve);
        curves.matmul[Precision::bf16] = curve;
        curves.matmul[Precision::fp16] = curve;
      } else {
        curves.serving_matmul[precision] = curve;
        curves.matmul[precision] = library_curve(tables, device, precision, curve, curves.matmul);
      }
    }
}

} // namespace orrery
