#include "models/fits/fit_calibration.hpp"
#include "models/kernel_cost.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

namespace orrery {

namespace {

struct Key {
  std::string table;
  std::string device;
  std::string source;
  std::string group;
  bool operator<(const Key& other) const {
    return std::tie(table, device, source, group) < std::tie(other.table, other.device, other.source, other.group);
  }
};

using Groups = std::map<Key, std::vector<double>>;

FitError summary(const Key& key, std::vector<double> errors) {
  FitError result{.table = key.table, .device = key.device, .source = key.source, .group = key.group};
  result.rows = static_cast<int>(errors.size());
  for (const double e : errors)
    result.mean_absolute += std::abs(e) / static_cast<double>(errors.size());
  std::sort(errors.begin(), errors.end());
  result.median = errors[errors.size() / 2];
  for (double& e : errors)
    e = std::abs(e);
  std::sort(errors.begin(), errors.end());
  result.absolute_p90 = errors[errors.size() * 9 / 10];
  result.worst = errors.back();
  return result;
}

const ArchitectureCurves* curves_of(const KernelTables& tables, const Calibration& calibration, const std::string& device) {
  const auto it = calibration.architectures.find(tables.devices.at(device).architecture);
  return it == calibration.architectures.end() ? nullptr : &it->second;
}

void matmul_errors(const KernelTables& tables, const Calibration& calibration, FitRows fitted, Groups& groups) {
  for (const MatmulRow& row : tables.matmul) {
    if (fitted == FitRows::first_half && !held_out(row.shape))
      continue;
    const ArchitectureCurves* curves = curves_of(tables, calibration, row.device);
    if (curves == nullptr)
      continue;
    const bool narrow = row.precision == Precision::fp8 || row.precision == Precision::fp4;
    const std::map<Precision, MatmulCurve>& own = narrow ? curves->serving_matmul : curves->matmul;
    if (!own.contains(row.precision))
      continue;
    const MeasuredDevice& device = tables.devices.at(row.device);
    const TimeParts parts = matmul_time(row.shape, device.rates(row.precision), own.at(row.precision));
    const double error = (parts.time + quantisation_time(row, device, calibration)) / row.time - 1;
    const std::string precision = row.precision == Precision::fp8 ? "fp8" : row.precision == Precision::fp4 ? "fp4" : "half";
    const auto add = [&](const char* group) { groups[{"matmul", row.device, row.source, precision + " " + group}].push_back(error); };
    add("all");
    if (parts.flops > 10e9)
      add("> 10 GFLOP");
    if (parts.flops > 100e9)
      add("> 100 GFLOP");
  }
}

void fused_moe_errors(const KernelTables& tables, const Calibration& calibration, FitRows fitted, Groups& groups) {
  for (const FusedMoeRow& row : tables.fused_moe) {
    const ArchitectureCurves* curves = curves_of(tables, calibration, row.device);
    const ExpertCurves kind = expert_curves(row);
    if ((fitted == FitRows::first_half && !held_out(row)) || curves == nullptr || !(curves->*kind).contains(row.precision))
      continue;
    const double time = fused_moe_time(row, tables.devices.at(row.device), (curves->*kind).at(row.precision), calibration);
    const std::string precision = kind == &ArchitectureCurves::fused_moe_widened  ? "w4a16"
                                  : kind == &ArchitectureCurves::fused_moe_blocks ? "fp8 blocks"
                                  : row.precision == Precision::fp8               ? "fp8"
                                  : row.precision == Precision::fp4               ? "fp4"
                                                                                  : "half";
    const auto add = [&](const char* group) {
      groups[{"fused_moe", row.device, row.source, precision + " " + group}].push_back(time / row.time - 1);
    };
    add(row.balanced ? "balanced" : "skewed");
    if (row.rows >= 64 * row.groups)
      add("64 rows an expert and more");
    if (row.rows >= 512 * row.groups)
      add("512 rows an expert and more");
  }
}

using AttentionCurves = std::map<Precision, AttentionCurve>;

void attention_errors(const KernelTables& tables, const std::vector<AttentionRow>& rows, const std::string& table,
                      AttentionCurves ArchitectureCurves::* curves_in, const Calibration& calibration, FitRows fitted, Groups& groups) {
  for (const AttentionRow& row : rows) {
    if (row.kernel == "unfused" || (fitted == FitRows::first_half && !held_out(row.shape)))
      continue;
    const ArchitectureCurves* curves = curves_of(tables, calibration, row.device);
    if (curves == nullptr || !(curves->*curves_in).contains(row.precision))
      continue;
    const TimeParts parts =
        attention_time(row.shape, tables.devices.at(row.device).rates(row.precision), (curves->*curves_in).at(row.precision));
    const double error = parts.time / row.time - 1;
    const auto add = [&](const char* group) { groups[{table, row.device, row.source, group}].push_back(error); };
    if (row.shape.kept_bytes > 0) {
      add("decode, fp8 cache");
      continue;
    }
    add(row.decode ? "decode" : row.shape.backward ? "backward" : "prefill");
    const bool forward = !row.decode && !row.shape.backward;
    if (forward && row.shape.queries >= 512)
      add("prefill, 512 queries and more");
    if (forward && row.shape.queries >= 1024 && row.shape.queries * row.shape.batch * row.shape.heads >= 32768)
      add("prefill, training shapes");
    const double kept_dim = row.shape.shared_values ? row.shape.head_dim : 2 * row.shape.head_dim;
    if (row.decode && row.shape.batch * row.shape.kv_heads * row.shape.keys * kept_dim * 2 > 100e6)
      add("decode, cache above 100 MB");
  }
}

void streaming_errors(const KernelTables& tables, const Calibration& calibration, FitRows fitted, Groups& groups) {
  for (const StreamingRow& row : tables.streaming) {
    const double bytes = (row.shape.read + row.shape.written).si();
    // Below, most rows are in the cache, or show the host's launch.
    if ((fitted == FitRows::first_half && !held_out(row.shape)) || bytes < 128e6)
      continue;
    const ArchitectureCurves* curves = curves_of(tables, calibration, row.device);
    const OpClass op_class = streaming_class(row.op);
    if (curves == nullptr)
      continue;
    const auto& known =
        is_scalar_kernel(row.op) && curves->scalar_streaming.contains(op_class) ? curves->scalar_streaming : curves->streaming;
    if (!known.contains(op_class))
      continue;
    UnitRates unit = tables.devices.at(row.device).rates(Precision::fp16);
    unit.peak = tables.devices.at(row.device).vector_peak;
    const TimeParts parts = streaming_time(row.shape, 1, unit, known.at(op_class));
    groups[{"streaming", row.device, row.source, row.op + " above 128 MB"}].push_back(parts.time / row.time - 1);
  }
}

void scan_errors(const KernelTables& tables, const Calibration& calibration, FitRows fitted, Groups& groups) {
  for (const ScanRow& row : tables.scan) {
    const ArchitectureCurves* curves = curves_of(tables, calibration, row.device);
    if ((fitted == FitRows::first_half && !held_out(row.shape)) || curves == nullptr || !curves->scan)
      continue;
    const TimeParts parts = scan_time(row.shape, tables.devices.at(row.device).rates(Precision::bf16), *curves->scan);
    groups[{"scan", row.device, row.source, row.kernel}].push_back(parts.time / row.time - 1);
  }
}

void collective_errors(const KernelTables& tables, const Calibration& calibration, FitRows fitted, Groups& groups) {
  for (const CollectiveRow& row : tables.collective) {
    if ((fitted == FitRows::first_half && !held_out(row)) || row.nodes > 1)
      continue;
    const std::optional<double> time = predicted_time(row, tables.devices.at(row.device), calibration);
    if (!time)
      continue;
    const double error = *time / row.time - 1;
    groups[{"collective", row.device, row.source, row.kind + (row.bytes < 1 << 20 ? " below 1 MiB" : " from 1 MiB")}].push_back(error);
    if (row.bytes >= 32 << 20)
      groups[{"collective", row.device, row.source, row.kind + " from 32 MiB"}].push_back(error);
  }
}

/// The rows of `keep` (an architecture) alone, or all but them.
KernelTables part_of(const KernelTables& tables, const std::string& architecture, bool keep) {
  KernelTables part = tables;
  const auto other = [&](const std::string& device) { return (tables.devices.at(device).architecture == architecture) != keep; };
  const auto filter = [&](auto& rows) { std::erase_if(rows, [&](const auto& row) { return other(row.device); }); };
  filter(part.matmul);
  filter(part.attention);
  filter(part.latent_attention);
  filter(part.fused_moe);
  filter(part.streaming);
  filter(part.scan);
  filter(part.collective);
  std::erase_if(part.best_matmul, [&](const BestMatmul& best) { return (best.architecture == architecture) != keep; });
  if (!keep)
    std::erase_if(part.devices, [&](const auto& entry) { return entry.second.architecture == architecture; });
  return part;
}

} // namespace

std::vector<FitError> carried_errors(const KernelTables& tables) {
  std::set<std::string> architectures;
  for (const auto& [name, device] : tables.devices)
    architectures.insert(device.architecture);
  std::vector<FitError> result;
  for (const std::string& architecture : architectures) {
    Calibration calibration = fit_calibration(part_of(tables, architecture, false));
    Device device;
    device.architecture = architecture;
    const std::string source = curve_architecture(device, calibration);
    if (source.empty())
      continue;
    calibration.architectures[architecture] = calibration.architectures.at(source);
    for (FitError& error : calibration_errors(part_of(tables, architecture, true), calibration))
      result.push_back(std::move(error));
  }
  return result;
}

std::vector<FitError> calibration_errors(const KernelTables& tables, const Calibration& calibration, FitRows fitted) {
  Groups groups;
  matmul_errors(tables, calibration, fitted, groups);
  fused_moe_errors(tables, calibration, fitted, groups);
  attention_errors(tables, tables.attention, "attention", &ArchitectureCurves::attention, calibration, fitted, groups);
  attention_errors(tables, tables.latent_attention, "latent", &ArchitectureCurves::latent_attention, calibration, fitted, groups);
  streaming_errors(tables, calibration, fitted, groups);
  scan_errors(tables, calibration, fitted, groups);
  collective_errors(tables, calibration, fitted, groups);
  std::vector<FitError> result;
  for (auto& [key, errors] : groups)
    result.push_back(summary(key, std::move(errors)));
  return result;
}

} // namespace orrery
