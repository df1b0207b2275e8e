#include "models/fit_calibration.hpp"
#include "models/fit_least_squares.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {

namespace {

double row_flops(const Matmul& shape) { return 2 * shape.batch * shape.m * shape.n * shape.k; }

double row_weight(const Matmul& shape) {
  const double flops = row_flops(shape);
  return flops > 10e9 ? 3 : flops > 1e9 ? 1 : 0.5;
}

MatmulCurve curve_from(const std::vector<double>& p, const MatmulCurve& base) {
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

MatmulCurve fit_shape(const std::vector<const MatmulRow*>& rows, const UnitRates& unit) {
  const MatmulCurve base;
  const std::vector<double> start{0.85, 150, 10, 0.03, 0.8, 0.4, 3e-6};
  const std::vector<Bounds> bounds{{0.2, 1}, {1, 3000}, {0.01, 200}, {1e-4, 0.3}, {0.3, 1}, {1e-3, 3}, {5e-7, 3e-5}};
  const Residuals residuals = [&](const std::vector<double>& p, std::vector<double>& out) {
    const MatmulCurve curve = curve_from(p, base);
    for (std::size_t i = 0; i < rows.size(); ++i)
      out[i] = row_weight(rows[i]->shape) * std::log(matmul_time(rows[i]->shape, unit, curve).time / rows[i]->time);
  };
  MatmulCurve curve = curve_from(fit_parameters(residuals, rows.size(), start, bounds), base);
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

/// Mean over sources of the median log(measured / predicted) over large, compute-bound products.
double source_shift(const std::map<std::string, std::vector<const MatmulRow*>>& sources, const UnitRates& unit, const MatmulCurve& curve) {
  double sum = 0;
  int count = 0;
  for (const auto& [source, rows] : sources) {
    std::vector<double> errors;
    for (const MatmulRow* row : rows) {
      const TimeParts parts = matmul_time(row->shape, unit, curve);
      if (parts.flops > 100e9 && parts.compute > 3 * parts.memory)
        errors.push_back(std::log(row->time / parts.time));
    }
    if (errors.size() < 3)
      continue;
    sum += median(errors);
    ++count;
  }
  return count > 0 ? sum / count : 0;
}

} // namespace

void fit_matmul(const KernelTables& tables, FitRows rows, Calibration& calibration) {
  for (const auto& [name, device] : tables.devices) {
    // Half-precision formats run at one rate: sources in fp16 and in bf16 count together.
    for (const Precision precision : {Precision::bf16, Precision::fp8, Precision::fp4}) {
      std::map<std::string, std::vector<const MatmulRow*>> sources;
      for (const MatmulRow& row : tables.matmul) {
        const Precision own = row.precision == Precision::fp16 ? Precision::bf16 : row.precision;
        if (row.device == name && own == precision && (rows == FitRows::all || !held_out(row.shape)))
          sources[row.source].push_back(&row);
      }
      if (sources.empty())
        continue;
      const auto largest =
          std::max_element(sources.begin(), sources.end(), [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
      const UnitRates unit = device.rates(precision);
      MatmulCurve curve = fit_shape(largest->second, unit);
      curve.rate = std::min(1.0, curve.rate / std::exp(source_shift(sources, unit, curve)));
      ArchitectureCurves& curves = calibration.architectures[device.architecture];
      curves.matmul[precision] = curve;
      if (precision == Precision::bf16)
        curves.matmul[Precision::fp16] = curve;
    }
  }
}

} // namespace orrery
