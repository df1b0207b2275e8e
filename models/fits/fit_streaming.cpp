#include "models/fits/fit_calibration.hpp"
#include "models/fits/fit_least_squares.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <utility>

namespace orrery {

namespace {

/// What training frameworks run.
const std::set<std::string> fitted_ops{"layer_norm", "softmax", "gelu", "fp8_cast"};

/// Serving kernels of vLLM in early 2024, whose threads load one element at a time: curves of their own (ScalarKernels). Their rows also
/// carry a fit from one device to another.
const std::set<std::string> scalar_ops{"rms_norm", "silu_mul", "rotary"};

/// Rows too large for the last-level cache, and far above the host's launch.
constexpr double large_bytes = 64e6;

/// Rows that show little but a kernel's floor. Above, the cache matters little to kernels whose threads load one element at a time: what
/// they have on its way is the limit.
constexpr double small_bytes = 1e6;

/// Timed from Python, so that small rows show the host's launch instead of the kernel's floor.
constexpr const char* host_timed = "llmcompass";

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

/// Rows of these operators that are in one class and of more bytes than `above`.
std::vector<const StreamingRow*> rows_of(const KernelTables& tables, const std::string& device, const std::set<std::string>& ops,
                                         OpClass op_class, double above, FitRows rows) {
  std::vector<const StreamingRow*> own;
  for (const StreamingRow& row : tables.streaming)
    if (row.device == device && ops.contains(row.op) && streaming_class(row.op) == op_class &&
        (row.shape.read + row.shape.written).si() > above && (rows == FitRows::all || !held_out(row.shape)))
      own.push_back(&row);
  return own;
}

/// Median time of the small device-timed rows of a class, of the scalar kernels alone or of all; the default where there are none.
Seconds small_time(const KernelTables& tables, const std::string& device, OpClass op_class, FitRows rows, bool scalar = false) {
  std::vector<double> times;
  for (const StreamingRow& row : tables.streaming)
    if (row.device == device && row.source != host_timed && streaming_class(row.op) == op_class &&
        (!scalar || scalar_ops.contains(row.op)) && (row.shape.read + row.shape.written).si() < small_bytes &&
        (rows == FitRows::all || !held_out(row.shape)))
      times.push_back(row.time);
  if (times.empty())
    return StreamingCurve{}.floor;
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
  return Seconds{times[times.size() / 2]};
}

/// How much of its bandwidth `to` reaches for each that `from` reaches: median over the shapes of a class that one source ran on both.
std::optional<double> carried_share(const KernelTables& tables, const MeasuredDevice& from, const MeasuredDevice& to, OpClass op_class,
                                    FitRows rows) {
  constexpr double cached = 32e6; // below, shares say more of the caches than of the memory
  std::map<std::pair<std::string, double>, double> times;
  const auto key = [](const StreamingRow& row) { return std::pair{row.op, (row.shape.read + row.shape.written).si()}; };
  const auto counts = [&](const StreamingRow& row, const std::string& device) {
    return row.device == device && row.source != host_timed && streaming_class(row.op) == op_class && key(row).second > cached &&
           (rows == FitRows::all || !held_out(row.shape));
  };
  for (const StreamingRow& row : tables.streaming)
    if (counts(row, from.name))
      times[key(row)] = row.time;
  std::vector<double> ratios;
  for (const StreamingRow& row : tables.streaming)
    if (const auto other = times.find(key(row)); counts(row, to.name) && other != times.end())
      ratios.push_back(other->second * from.bandwidth / (row.time * to.bandwidth));
  if (ratios.empty())
    return std::nullopt;
  std::nth_element(ratios.begin(), ratios.begin() + static_cast<std::ptrdiff_t>(ratios.size() / 2), ratios.end());
  return ratios[ratios.size() / 2];
}

} // namespace

OpClass streaming_class(const std::string& op) {
  if (op == "layer_norm" || op == "rms_norm")
    return OpClass::normalization;
  if (op == "fp8_cast" || op == "fp8_scaled_cast")
    return OpClass::cast;
  return op == "softmax" ? OpClass::softmax : OpClass::elementwise;
}

bool is_scalar_kernel(const std::string& op) { return scalar_ops.contains(op); }

StreamingCurve streaming_curve(const Calibration& calibration, const MeasuredDevice& device, OpClass op_class) {
  const auto curves = calibration.architectures.find(device.architecture);
  if (curves == calibration.architectures.end())
    return assumed_streaming(op_class);
  const auto curve = curves->second.streaming.find(op_class);
  return curve == curves->second.streaming.end() ? assumed_streaming(op_class) : curve->second;
}

void fit_streaming(const KernelTables& tables, FitRows rows, Calibration& calibration) {
  struct Fitted {
    StreamingCurve curve;
    const MeasuredDevice* device = nullptr;
  };
  std::map<OpClass, Fitted> fitted;
  for (const auto& [name, device] : tables.devices)
    for (const OpClass op_class : {OpClass::normalization, OpClass::softmax, OpClass::elementwise, OpClass::cast}) {
      if (const auto scalar = rows_of(tables, name, scalar_ops, op_class, small_bytes, rows); scalar.size() >= 2) {
        StreamingCurve& curve = calibration.architectures[device.architecture].scalar_streaming[op_class];
        curve = fit_class(scalar, device);
        curve.floor = small_time(tables, name, op_class, rows, true);
      }
      const std::vector<const StreamingRow*> own = rows_of(tables, name, fitted_ops, op_class, large_bytes, rows);
      if (own.size() < 2)
        continue;
      StreamingCurve curve = fit_class(own, device);
      curve.floor = small_time(tables, name, op_class, rows);
      fitted[op_class] = {curve, &device};
    }
  // Each class was measured on one device. Another takes the share as it is, assumed; or as the serving kernels of the class differ there.
  for (const auto& [name, device] : tables.devices)
    for (const auto& [op_class, found] : fitted) {
      StreamingCurve curve = found.curve;
      if (&device != found.device) {
        const std::optional<double> carried = carried_share(tables, *found.device, device, op_class, rows);
        curve.memory = std::min(1.0, curve.memory * carried.value_or(1));
        curve.assumed = !carried;
        if (carried)
          curve.floor = small_time(tables, name, op_class, rows);
      }
      calibration.architectures[device.architecture].streaming[op_class] = curve;
    }
}

} // namespace orrery
