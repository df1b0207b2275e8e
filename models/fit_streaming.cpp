#include "models/fit_calibration.hpp"
#include "models/fit_least_squares.hpp"

#include <algorithm>
#include <cmath>
#include <set>

namespace orrery {

namespace {

/// What training frameworks run. The serving kernels of vLLM (rms_norm, silu_mul, rotary) reach half of it and stay outside the fit.
const std::set<std::string> fitted_ops{"layer_norm", "softmax", "gelu", "add"};

/// Rows too large for the last-level cache, and far above the host's launch.
constexpr double large = 64e6;

/// The launch floor of kernels that were timed on the device, not from Python.
constexpr const char* device_timed = "vidur";

/// Parameters: share of the bandwidth, then one floor for each operator, since sources differ in what surrounds the kernel.
StreamingCurve fit_class(const std::vector<const StreamingRow*>& rows, const MeasuredDevice& device) {
  std::map<std::string, std::size_t> ops;
  for (const StreamingRow* row : rows)
    ops.emplace(row->op, 0);
  std::size_t next = 1;
  for (auto& [op, index] : ops)
    index = next++;
  std::vector<double> start(next, 10e-6);
  std::vector<Bounds> bounds(next, Bounds{1e-6, 1e-4});
  start[0] = 0.8;
  bounds[0] = {0.1, 1};
  const Residuals residuals = [&](const std::vector<double>& p, std::vector<double>& out) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const double bytes = (rows[i]->shape.read + rows[i]->shape.written).si();
      out[i] = std::log((p[ops.at(rows[i]->op)] + bytes / (device.bandwidth * p[0])) / rows[i]->time);
    }
  };
  StreamingCurve curve;
  curve.memory = fit_parameters(residuals, rows.size(), start, bounds)[0];
  curve.assumed = false;
  return curve;
}

/// Median time of the small device-timed rows of a class; the default where there are none.
Seconds small_time(const KernelTables& tables, const std::string& device, OpClass op_class, FitRows rows) {
  std::vector<double> times;
  for (const StreamingRow& row : tables.streaming)
    if (row.device == device && row.source == device_timed && streaming_class(row.op) == op_class &&
        (row.shape.read + row.shape.written).si() < 1e6 && (rows == FitRows::all || !held_out(row.shape)))
      times.push_back(row.time);
  if (times.empty())
    return StreamingCurve{}.floor;
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
  return Seconds{times[times.size() / 2]};
}

} // namespace

OpClass streaming_class(const std::string& op) {
  if (op == "layer_norm" || op == "rms_norm")
    return OpClass::normalization;
  return op == "softmax" ? OpClass::softmax : OpClass::elementwise;
}

void fit_streaming(const KernelTables& tables, FitRows rows, Calibration& calibration) {
  std::map<OpClass, StreamingCurve> fitted;
  std::string source;
  for (const auto& [name, device] : tables.devices)
    for (const OpClass op_class : {OpClass::normalization, OpClass::softmax, OpClass::elementwise}) {
      std::vector<const StreamingRow*> own;
      for (const StreamingRow& row : tables.streaming)
        if (row.device == name && row.source != device_timed && fitted_ops.contains(row.op) && streaming_class(row.op) == op_class &&
            (row.shape.read + row.shape.written).si() > large && (rows == FitRows::all || !held_out(row.shape)))
          own.push_back(&row);
      if (own.size() < 2)
        continue;
      StreamingCurve curve = fit_class(own, device);
      curve.floor = small_time(tables, name, op_class, rows);
      fitted[op_class] = curve;
      source = device.architecture;
    }
  // One device has such rows: the others take its shares, as assumed.
  for (auto& [architecture, curves] : calibration.architectures)
    for (auto [op_class, curve] : fitted) {
      curve.assumed = architecture != source;
      curves.streaming[op_class] = curve;
    }
}

} // namespace orrery
