#include "models/collective_cost.hpp"
#include "models/fits/fit_calibration.hpp"
#include "models/fits/fit_least_squares.hpp"
#include "workloads/tables.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {

namespace {

constexpr int mesh_devices = 8; // of the only measured point-to-point mesh (DGX-1 with V100)

using CollectiveRows = std::vector<const CollectiveRow*>;

double wire_rate(const MeasuredDevice& device, int ranks) {
  return device.mesh ? device.scale_up * (ranks - 1.0) / (mesh_devices - 1.0) : device.scale_up;
}

const std::string custom = "custom_all_reduce";

/// The engines' exchanges with the ranks of experts.
const std::map<std::string, std::optional<CollectiveCurve> ArchitectureCurves::*> exchanges{
    {"expert_exchange", &ArchitectureCurves::exchange}, {"expert_exchange_low_latency", &ArchitectureCurves::exchange_low_latency}};

/// What a rank puts on its links for each byte of the buffer.
double row_wire_factor(const CollectiveRow& row) {
  const auto kind = row.collective();
  return kind ? wire_factor(*kind, row.ranks) : 1;
}

double wire_time(const CollectiveRow& row, const MeasuredDevice& device, double factor) {
  return factor * row.bytes / wire_rate(device, row.ranks);
}

CollectiveCurve collective_curve(const std::vector<double>& p) {
  CollectiveCurve curve;
  curve.floor = Seconds{p[0]};
  curve.step = Seconds{p[1]};
  curve.share = p[2];
  curve.floor_per_rank = Seconds{p.size() > 3 ? p[3] : 0};
  curve.few_loss = p.size() > 3 ? p[4] : 0;
  return curve;
}

/// How often the wire of a rank carries its buffer.
using WireFactor = double (*)(const CollectiveRow& row);

double once(const CollectiveRow&) { return 1; }
double all_others(const CollectiveRow& row) { return one_shot_factor(row.ranks); }

CollectiveCurve fit_curve(const CollectiveRows& rows, const MeasuredDevice& device, WireFactor factor) {
  std::vector<double> start{8e-6, 0.3e-6, 0.8};
  std::vector<Bounds> bounds{{1e-6, 1e-4}, {1e-10, 1e-5}, {0.1, 1}};
  const bool several = std::any_of(rows.begin(), rows.end(), [&](const CollectiveRow* r) { return r->ranks != rows.front()->ranks; });
  if (several) {
    start.push_back(1e-6);
    bounds.push_back({1e-8, 2e-5});
    start.push_back(0.2);
    bounds.push_back({1e-4, 1});
  }
  const Residuals residuals = [&](const std::vector<double>& p, std::vector<double>& out) {
    const CollectiveCurve curve = collective_curve(p);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const double weight = rows[i]->bytes >= 1 << 20 ? 2 : 0.5;
      out[i] = weight * std::log(collective_time(curve, rows[i]->ranks, wire_time(*rows[i], device, factor(*rows[i]))) / rows[i]->time);
    }
  };
  CollectiveCurve curve = collective_curve(fit_parameters(residuals, rows.size(), start, bounds));
  curve.assumed = false;
  return curve;
}

/// Of the source that the curves are fitted to: the first by name (aic, before vidur and vtrain); the others are compared with it.
CollectiveRows rows_of(const KernelTables& tables, const std::string& device, const std::string& kind, FitRows rows) {
  std::map<std::string, CollectiveRows> sources;
  for (const CollectiveRow& row : tables.collective)
    if (row.device == device && row.kind == kind && row.nodes == 1 && (rows == FitRows::all || !held_out(row)))
      sources[row.source].push_back(&row);
  if (sources.empty())
    return {};
  return sources.begin()->second;
}

/// Buffers from which on the engines sum up by parts: vLLM's limits (csrc/custom_all_reduce.cuh), by number of ranks. Two ranks read one
/// another's buffer whatever its size.
bool by_parts(const CollectiveRow& row) {
  constexpr double kib = 1024;
  return row.ranks > 2 && row.bytes >= (row.ranks <= 4 ? 512 * kib : 256 * kib);
}

void fit_custom(const KernelTables& tables, const std::string& name, const MeasuredDevice& device, FitRows rows,
                ArchitectureCurves& curves) {
  CollectiveRows own;
  for (const CollectiveRow& row : tables.collective)
    if (row.device == name && row.kind == custom && row.source == "aic-vllm" && (rows == FitRows::all || !held_out(row)))
      own.push_back(&row);
  if (own.empty())
    return;
  const auto middle = std::stable_partition(own.begin(), own.end(), [](const CollectiveRow* r) { return !by_parts(*r); });
  curves.one_shot = fit_curve(CollectiveRows(own.begin(), middle), device, all_others);
  curves.two_shot = fit_curve(CollectiveRows(middle, own.end()), device, row_wire_factor);
}

} // namespace

std::optional<double> predicted_time(const CollectiveRow& row, const MeasuredDevice& device, const Calibration& calibration) {
  const auto found = calibration.architectures.find(device.architecture);
  if (found == calibration.architectures.end())
    return std::nullopt;
  const ArchitectureCurves& curves = found->second;
  const auto time = [&](const CollectiveCurve& curve, double factor) {
    return collective_time(curve, row.ranks, wire_time(row, device, factor));
  };
  const double own = row_wire_factor(row);
  if (row.kind == custom)
    return curves.one_shot ? std::optional(std::min(time(*curves.one_shot, all_others(row)), time(*curves.two_shot, own))) : std::nullopt;
  if (row.kind == "send_recv")
    return curves.send ? std::optional(time(*curves.send, own)) : std::nullopt;
  if (const auto exchange = exchanges.find(row.kind); exchange != exchanges.end())
    return curves.*exchange->second ? std::optional(time(*(curves.*exchange->second), own)) : std::nullopt;
  const auto curve = curves.collective.find(row.collective().value());
  if (curve == curves.collective.end())
    return std::nullopt;
  const double ring = time(curve->second, own);
  if (row.kind != "all_reduce" || !device.in_switch_reduction || !curves.in_switch)
    return ring;
  return std::min(ring, time(*curves.in_switch, 1));
}

void fit_collective(const KernelTables& tables, FitRows rows, Calibration& calibration) {
  for (const auto& [name, device] : tables.devices) {
    ArchitectureCurves& curves = calibration.architectures[device.architecture];
    for (const auto& [kind_name, kind] : collective_words()) {
      CollectiveRows own = rows_of(tables, name, kind_name, rows);
      if (own.empty())
        continue;
      // On a mesh of pairs with one link or two, only the whole node uses all links.
      if (device.mesh)
        std::erase_if(own, [](const CollectiveRow* r) { return r->ranks != mesh_devices; });
      // The library reduces in the switch where all eight devices of the node take part.
      if (kind == CollectiveKind::all_reduce && device.in_switch_reduction) {
        const auto middle = std::stable_partition(own.begin(), own.end(), [](const CollectiveRow* r) { return r->ranks < 8; });
        curves.in_switch = fit_curve(CollectiveRows(middle, own.end()), device, once);
        own.erase(middle, own.end());
      }
      curves.collective[kind] = fit_curve(own, device, row_wire_factor);
    }
    for (const auto& [kind_name, curve] : exchanges)
      if (const CollectiveRows own = rows_of(tables, name, kind_name, rows); !own.empty())
        curves.*curve = fit_curve(own, device, row_wire_factor);
    if (const CollectiveRows send = rows_of(tables, name, "send_recv", rows); !send.empty())
      curves.send = fit_curve(send, device, row_wire_factor);
    fit_custom(tables, name, device, rows, curves);
  }
}

} // namespace orrery
