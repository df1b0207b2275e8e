// Fits of the achievable-time models to the kernel measurements that the project holds. Pure: tables in, constants out.
//
// What:    every constant of models/kernel_curves.hpp that a table determines; the others keep their assumed defaults.
// Formula: least smoothed absolute error in the logarithm of time (models/fits/fit_least_squares.hpp), products above 10 GFLOP counting
// three times.
//          The shape of a curve comes from the largest source of a device. Sources of one device differ by 5 to 15% in large products
//          (library generation, operand values and so clocks), so the rate is then moved to the mean of the sources' medians, each source
//          counting once, and no higher than the best product that a search found on the device. Below 16 bits the rows are a serving
//          engine's own kernels; the vendor's library takes the shape of its products in half precision, whose tiles start and end in the
//          same time, and the rate of the searches for the best product, less what those find above the curve in half precision.
// Source:  models/calibration/kernels. Never end-to-end measurements.
#pragma once

#include "models/kernel_curves.hpp"
#include "models/kernel_tables.hpp"

#include <optional>
#include <string>
#include <vector>

namespace orrery {

enum class FitRows { all, first_half }; ///< first_half = the rows that held_out() leaves

Calibration fit_calibration(const KernelTables& tables, FitRows rows = FitRows::all);

/// Errors of a calibration on one group of rows: predicted / measured - 1.
struct FitError {
  std::string table;
  std::string device;
  std::string source;
  std::string group;
  int rows = 0;
  double mean_absolute = 0;
  double median = 0; ///< signed
  double absolute_p90 = 0;
  double worst = 0; ///< absolute
  bool operator==(const FitError&) const = default;
};

/// Groups in a fixed order. With FitRows::first_half, only the rows that the fit of the first half did not see.
std::vector<FitError> calibration_errors(const KernelTables& tables, const Calibration& calibration, FitRows fitted = FitRows::all);

/// Errors on each device of the curves that it would take if nothing of its architecture had been measured: those of the nearest other
/// generation. What a prediction for an unmeasured architecture may be off by.
std::vector<FitError> carried_errors(const KernelTables& tables);

/// The class whose curve a measured streaming operator belongs to.
OpClass streaming_class(const std::string& op);
/// Whether a measured streaming operator is of kernels whose threads load one element at a time.
bool is_scalar_kernel(const std::string& op);

/// The curve of a class of streaming operators; the assumed one where nothing was fitted.
StreamingCurve streaming_curve(const Calibration& calibration, const MeasuredDevice& device, OpClass op_class);

/// What a matrix product was measured with, in seconds: the quantisation of its left operand where the source timed a linear layer of a
/// serving engine in a narrow precision, nothing elsewhere.
double quantisation_time(const MatmulRow& row, const MeasuredDevice& device, const Calibration& calibration);

/// The curves that measured experts belong to.
using ExpertCurves = std::map<Precision, MatmulCurve> ArchitectureCurves::*;
ExpertCurves expert_curves(const FusedMoeRow& row);

/// Time of the measured experts of one rank, with what surrounds the two products.
double fused_moe_time(const FusedMoeRow& row, const MeasuredDevice& device, const MatmulCurve& curve, const Calibration& calibration);

/// Time of a measured collective inside one node; nothing where its architecture has no curve of the kind.
std::optional<double> predicted_time(const CollectiveRow& row, const MeasuredDevice& device, const Calibration& calibration);

/// Fits that fit_calibration is made of.
void fit_matmul(const KernelTables& tables, FitRows rows, Calibration& calibration);
void fit_attention(const KernelTables& tables, FitRows rows, Calibration& calibration);
void fit_grouped(const KernelTables& tables, FitRows rows, Calibration& calibration);
void fit_streaming(const KernelTables& tables, FitRows rows, Calibration& calibration);
void fit_scan(const KernelTables& tables, FitRows rows, Calibration& calibration);
void fit_collective(const KernelTables& tables, FitRows rows, Calibration& calibration);

} // namespace orrery
