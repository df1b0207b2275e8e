// Scores predictions against published measurements.
#pragma once

#include "models/kernel_curves.hpp"
#include "scenarios/result.hpp"

#include <optional>
#include <string>
#include <vector>

namespace orrery {

/// What the model knows differently well; an error band of its own each.
enum class RunKind {
  half,             ///< half precision, whole parameters
  sharded,          ///< half precision, parameters gathered for every pass
  low_precision,    ///< products in fewer bits
  experts,          ///< mixture of experts
  unmeasured_device ///< no kernel of the device's architecture was measured
};

/// One measured row and what was predicted for it.
struct ScoredRow {
  std::string group;
  std::string id;
  std::string setting;  ///< machine, model, sequence, devices and batch: rows that share them differ by their plan
  double measured = 0;  ///< s
  double predicted = 0; ///< s; 0 where refused
  double error = 0;     ///< relative, signed: predicted / measured - 1
  std::string refusal;  ///< why no prediction was made; empty = predicted
  RunKind kind = RunKind::half;
  std::string plan;                      ///< the plan taken, where the row left it open
  bool fitted = false;                   ///< the host profile was fitted on it: not scored
  std::optional<double> measured_memory; ///< bytes per device
  std::optional<double> predicted_memory;
};

struct GroupScore {
  std::string group;
  int rows = 0; ///< that count: not those fitted on
  int predicted = 0;
  double mean = 0; ///< of absolute relative errors
  double median = 0;
  double p90 = 0;
  double bias = 0; ///< mean of signed errors
};

/// Of relative errors, signed; `rows` counts those without a prediction too.
GroupScore score_errors(const std::string& group, int rows, const std::vector<double>& errors);
/// Mean over the groups that have a prediction.
GroupScore macro_average(const std::vector<GroupScore>& groups);

struct TrainingValidation {
  std::vector<ScoredRow> rows;
  std::vector<GroupScore> groups;
  GroupScore macro; ///< mean over groups
};

/// Which rows are scored, and from which kernels they are predicted.
struct ValidationScope {
  std::string file; ///< rows of the user's; empty = the project's own
  /// Architectures (Device::architecture) whose measured kernels are taken away: only rows of their devices are scored, from the curves
  /// of the nearest architecture that is left, as a device that nobody measured would be. Host constants of engines stay.
  std::vector<std::string> left_out;

  [[nodiscard]] bool holds(const Device& device) const;
  /// Throws UserError where an architecture to leave out has no measured kernels.
  [[nodiscard]] Calibration calibration() const;
};

/// Columns as in scenarios/validation/training.csv.
TrainingValidation validate_training(const ValidationScope& scope = {});

} // namespace orrery
