#include "models/fits/fit_calibration.hpp"
#include "models/fits/fit_least_squares.hpp"
#include "workloads/expert_tiles.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

namespace orrery {

namespace {

using GroupedRows = std::vector<const FusedMoeRow*>;

MatmulCurve grouped_curve(const std::vector<double>& p) {
  MatmulCurve curve;
  curve.rate = p[0];
  curve.tile_overhead = p[1];
  curve.edge = p[2];
  curve.memory = p[3];
  curve.exposed = p[4];
  curve.floor = Seconds{p[5]};
  curve.sustained = 0; // the largest rows show none beyond what the rate has
  return curve;
}

GroupedRows rows_of(const KernelTables& tables, FitRows rows, const MeasuredDevice& device, ExpertCurves kind, Precision precision) {
  GroupedRows own;
  for (const FusedMoeRow& row : tables.fused_moe)
    if (row.device == device.name && row.precision == precision && expert_curves(row) == kind && (rows == FitRows::all || !held_out(row)))
      own.push_back(&row);
  return own;
}

bool among_ranks(const FusedMoeRow* row) { return row->slots > row->rows; }

/// Fits a curve of products and what stands beside them, which `take` puts into `trial`.
MatmulCurve fit_rows(
    const GroupedRows& rows, const MeasuredDevice& device, Calibration& trial, const std::vector<double>& beside_start = {},
    const std::vector<Bounds>& beside_bounds = {},
    const std::function<void(ArchitectureCurves&, const double*)>& take = [](ArchitectureCurves&, const double*) {}) {
  std::vector<double> start{0.6, 150, 5, 0.7, 0.5, 6e-6};
  std::vector<Bounds> bounds{{0.05, 1}, {1, 3000}, {0.01, 400}, {0.1, 1}, {1e-3, 3}, {5e-7, 5e-5}};
  const std::size_t own = start.size();
  start.insert(start.end(), beside_start.begin(), beside_start.end());
  bounds.insert(bounds.end(), beside_bounds.begin(), beside_bounds.end());
  ArchitectureCurves& curves = trial.architectures[device.architecture];
  const Residuals residuals = [&](const std::vector<double>& p, std::vector<double>& out) {
    take(curves, p.data() + own);
    const MatmulCurve curve = grouped_curve(p);
    for (std::size_t i = 0; i < rows.size(); ++i)
      out[i] = std::log(fused_moe_time(*rows[i], device, curve, trial) / rows[i]->time);
  };
  const std::vector<double> found = fit_parameters(residuals, rows.size(), start, bounds);
  take(curves, found.data() + own);
  MatmulCurve curve = grouped_curve(found);
  curve.assumed = false;
  curve.largest_flops = 0;
  for (const FusedMoeRow* row : rows)
    curve.largest_flops = std::max(curve.largest_flops, 4 * row->rows * row->hidden * row->intermediate); // of the wider of both products
  return curve;
}

/// Tiles that other ranks' experts start in vain, known from rows without casts, then what casts by blocks reach. Devices without such
/// rows take what the one of the nearest bandwidth has, assumed.
void fit_beside(const KernelTables& tables, FitRows rows, Calibration& calibration) {
  std::map<std::string, ArchitectureCurves> measured;
  for (const auto& [name, device] : tables.devices) {
    const GroupedRows half = rows_of(tables, rows, device, &ArchitectureCurves::fused_moe, Precision::bf16);
    const GroupedRows blocks = rows_of(tables, rows, device, &ArchitectureCurves::fused_moe_blocks, Precision::fp8);
    if (std::ranges::none_of(half, among_ranks) || std::ranges::none_of(blocks, among_ranks))
      continue;
    Calibration trial = calibration;
    fit_rows(half, device, trial, {1e-9, 1e-9, 0.5}, {{1e-11, 1e-7}, {1e-11, 1e-7}, {0.05, 1}},
             [](ArchitectureCurves& curves, const double* p) {
               curves.idle_tiles = {.small = Seconds{p[0]}, .large = Seconds{p[1]}, .memory = p[2], .assumed = false};
             });
    ArchitectureCurves& found = trial.architectures[device.architecture];
    found.streaming[OpClass::block_cast] = streaming_curve(calibration, device, OpClass::cast);
    fit_rows(blocks, device, trial, {0.5}, {{0.02, 1}},
             [](ArchitectureCurves& curves, const double* p) { curves.streaming.at(OpClass::block_cast).memory = *p; });
    measured.emplace(name, found);
  }
  if (measured.empty())
    return;
  for (const auto& [name, device] : tables.devices) {
    const double bandwidth = device.bandwidth;
    const auto away = [&](const auto& entry) { return std::abs(std::log(tables.devices.at(entry.first).bandwidth / bandwidth)); };
    const ArchitectureCurves& nearest = std::ranges::min_element(measured, {}, away)->second;
    ArchitectureCurves& curves = calibration.architectures[device.architecture];
    StreamingCurve cast = streaming_curve(calibration, device, OpClass::cast);
    cast.memory = nearest.streaming.at(OpClass::block_cast).memory;
    cast.assumed = !measured.contains(name);
    curves.streaming[OpClass::block_cast] = cast;
    curves.idle_tiles = nearest.idle_tiles;
    curves.idle_tiles.assumed = cast.assumed;
  }
}

} // namespace

ExpertCurves expert_curves(const FusedMoeRow& row) {
  const double element = element_bytes(row.precision);
  if (row.weight_bytes < element)
    return &ArchitectureCurves::fused_moe_widened;
  return row.precision == Precision::fp8 && row.weight_bytes > element ? &ArchitectureCurves::fused_moe_blocks
                                                                       : &ArchitectureCurves::fused_moe;
}

double fused_moe_time(const FusedMoeRow& row, const MeasuredDevice& device, const MatmulCurve& curve, const Calibration& calibration) {
  UnitRates unit = device.rates(row.precision);
  unit.unaligned_peak = device.vector_peak;
  const double busiest = row.balanced ? 0 : 2 * row.rows / row.groups; // only whether groups differ counts
  const auto known = calibration.architectures.find(device.architecture);
  const IdleTileCurve idle = known == calibration.architectures.end() ? IdleTileCurve{} : known->second.idle_tiles;
  const auto product = [&](double n, double k) {
    const GroupedMatmul shape{.groups = row.groups,
                              .rows = row.rows,
                              .busiest = busiest,
                              .n = n,
                              .k = k,
                              .weight_bytes = row.weight_bytes,
                              .tile = row.tile,
                              .idle = idle_tiles(row.tile, row.tokens, row.other_groups(), row.slots - row.rows, n)};
    return grouped_matmul_time(shape, unit, curve, idle).time;
  };
  const auto pass = [&](OpClass op_class, double read, double written) {
    return streaming_time({.read = Bytes{read}, .written = Bytes{written}}, 1, device.rates(Precision::fp16),
                          streaming_curve(calibration, device, op_class))
        .time;
  };
  double time = product(2 * row.intermediate, row.hidden) + product(row.hidden, row.intermediate);
  const double element = 2; // activations between the kernels are in half precision
  time += 2 * streaming_curve(calibration, device, OpClass::elementwise).floor.si(); // top-k of the routing and the sorting of tokens
  time += pass(OpClass::elementwise, element * 2 * row.slots * row.intermediate, element * row.slots * row.intermediate);
  time += pass(OpClass::elementwise, element * row.slots * row.hidden, element * row.tokens * row.hidden);
  const bool blocks = expert_curves(row) == &ArchitectureCurves::fused_moe_blocks;
  if (row.precision == Precision::fp8 || row.precision == Precision::fp4)
    for (const double operand : {row.tokens * row.hidden, row.slots * row.intermediate})
      time += pass(blocks ? OpClass::block_cast : OpClass::cast, element * operand, element_bytes(row.precision) * operand);
  return time;
}

void fit_grouped(const KernelTables& tables, FitRows rows, Calibration& calibration) {
  fit_beside(tables, rows, calibration);
  for (const auto& [name, device] : tables.devices)
    for (const ExpertCurves curves :
         {&ArchitectureCurves::fused_moe, &ArchitectureCurves::fused_moe_blocks, &ArchitectureCurves::fused_moe_widened})
      for (const Precision precision : {Precision::bf16, Precision::fp8, Precision::fp4}) {
        GroupedRows own = rows_of(tables, rows, device, curves, precision);
        std::erase_if(own, among_ranks);
        if (own.empty())
          continue;
        const MatmulCurve curve = fit_rows(own, device, calibration);
        std::map<Precision, MatmulCurve>& kept = calibration.architectures[device.architecture].*curves;
        kept[precision] = curve;
        if (precision == Precision::bf16)
          kept[Precision::fp16] = curve;
      }
}

} // namespace orrery
