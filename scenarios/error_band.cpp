#include "scenarios/error_band.hpp"

#include "models/kernel_cost.hpp"
#include "scenarios/data_files.hpp"
#include "sim/base/params.hpp"
#include "sim/base/percentile.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

namespace orrery {

namespace {

struct BandFile {
  RunKind kind = RunKind::half;
  double low = 0;
  double high = 0;
  std::string basis;
};

struct BandsFile {
  std::vector<BandFile> bands;
};

const Table<BandsFile>& bands_table() {
  static const Table<BandFile> band = Table<BandFile>("band", "Spread of published step times around predictions, of one kind of run.")
                                          .choice("kind", &BandFile::kind, run_kind_words(), {.required = true})
                                          .number("low", &BandFile::low, {.min = -1, .required = true})
                                          .number("high", &BandFile::high, {.min = -1, .required = true})
                                          .text("basis", &BandFile::basis, {.required = true});
  static const Table<BandsFile> table =
      Table<BandsFile>("error_bands", "Spread of published step times around predictions.").list("bands", &BandsFile::bands, band);
  return table;
}

ErrorBands read_bands() {
  Diagnostics diagnostics;
  const BandsFile file = bands_table().read(yaml::read_yaml_file(data_file("scenarios/validation/error_band.yaml")), diagnostics);
  diagnostics.throw_if_any();
  ErrorBands bands;
  for (const BandFile& band : file.bands)
    bands[band.kind] = {.low = band.low, .high = band.high, .basis = band.basis};
  return bands;
}

bool counts(const ScoredRow& row) { return !row.fitted && row.refusal.empty(); }

/// Between which another value of their kind falls with a chance of band_share at least: each place among the n sorted ones, before and
/// after them is as likely (conformal prediction).
std::pair<double, double> held_between(const std::vector<double>& sorted) {
  const auto outside = static_cast<std::size_t>((1 - band_share) / 2 * static_cast<double>(sorted.size() + 1));
  const std::size_t first = std::max<std::size_t>(outside, 1) - 1;
  return {sorted[first], sorted[sorted.size() - 1 - first]};
}

} // namespace

const Choices<RunKind>& run_kind_words() {
  static const Choices<RunKind> words = {{"half", RunKind::half},
                                         {"sharded", RunKind::sharded},
                                         {"low_precision", RunKind::low_precision},
                                         {"experts", RunKind::experts},
                                         {"unmeasured_device", RunKind::unmeasured_device}};
  return words;
}

RunKind run_kind(const TrainingJob& job, const Plan& plan, const Device& device) {
  if (curve_architecture(device, load_calibration()) != device.architecture)
    return RunKind::unmeasured_device;
  if (job.model.experts.count > 0)
    return RunKind::experts;
  if (job.recipe != Recipe::none)
    return RunKind::low_precision;
  return plan.zero == 3 ? RunKind::sharded : RunKind::half;
}

const ErrorBand& error_band(RunKind kind) {
  static const ErrorBands bands = read_bands();
  static const ErrorBand none;
  const auto found = bands.find(kind);
  return found == bands.end() ? none : found->second;
}

ErrorBands derive_error_bands(const TrainingValidation& validation, const std::string& without) {
  std::map<RunKind, std::vector<double>> ratios;
  std::map<RunKind, std::set<std::string>> groups;
  for (const ScoredRow& row : validation.rows)
    if (counts(row) && row.group != without) {
      ratios[row.kind].push_back(row.measured / row.predicted - 1);
      groups[row.kind].insert(row.group);
    }
  ErrorBands bands;
  for (auto& [kind, values] : ratios) {
    std::sort(values.begin(), values.end());
    const auto [low, high] = held_between(values);
    bands[kind] = {.low = low,
                   .high = high,
                   .basis = fmt::format("{:.0f}% of {} published steps in {} groups, none fitted on", 100 * band_share, values.size(),
                                        groups[kind].size())};
  }
  return bands;
}

BandScore score_error_bands(const TrainingValidation& validation) {
  std::map<std::string, ErrorBands> bands;
  double rows = 0;
  double held = 0;
  std::vector<double> widths;
  for (const ScoredRow& row : validation.rows) {
    if (!counts(row))
      continue;
    const auto [found, fresh] = bands.try_emplace(row.group);
    if (fresh)
      found->second = derive_error_bands(validation, row.group);
    ++rows;
    const auto band = found->second.find(row.kind);
    if (band == found->second.end())
      continue;
    const double ratio = row.measured / row.predicted - 1;
    held += ratio >= band->second.low && ratio <= band->second.high ? 1 : 0;
    widths.push_back((band->second.high - band->second.low) / 2);
  }
  return {.holds = rows > 0 ? held / rows : 0, .half_width = widths.empty() ? 0 : percentile(widths, 0.5)};
}

} // namespace orrery
