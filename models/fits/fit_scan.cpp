#include "models/fits/fit_calibration.hpp"
#include "models/fits/fit_least_squares.hpp"

#include <cmath>

namespace orrery {

namespace {

/// Parameters: rate, start of a wave, floor.
ScanCurve curve_of(const std::vector<double>& p) {
  return {.rate = p[0], .start = Seconds{p[1]}, .floor = Seconds{p[2]}, .assumed = false};
}

} // namespace

void fit_scan(const KernelTables& tables, FitRows rows, Calibration& calibration) {
  for (const auto& [name, device] : tables.devices) {
    std::vector<const ScanRow*> own;
    for (const ScanRow& row : tables.scan)
      if (row.device == name && (rows == FitRows::all || !held_out(row.shape)))
        own.push_back(&row);
    if (own.size() < 3)
      continue;
    const UnitRates unit = device.rates(Precision::bf16);
    const Residuals residuals = [&](const std::vector<double>& p, std::vector<double>& out) {
      for (std::size_t i = 0; i < own.size(); ++i)
        out[i] = std::log(scan_time(own[i]->shape, unit, curve_of(p)).time / own[i]->time);
    };
    const ScanCurve assumed;
    const std::vector<double> found = fit_parameters(residuals, own.size(), {assumed.rate, assumed.start.si(), assumed.floor.si()},
                                                     {{0.05, 1}, {1e-7, 1e-4}, {1e-7, 1e-4}});
    calibration.architectures[device.architecture].scan = curve_of(found);
  }
}

} // namespace orrery
