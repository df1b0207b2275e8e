// How far published step times lie from predictions, by kind of run.
//
// What:    the interval around a predicted step time that another published one of its kind falls into with a chance of 88%.
// Formula: conformal prediction over measured / predicted - 1 of the n validation rows of a kind: from the 0.06 (n + 1)-th smallest to the
//          0.06 (n + 1)-th largest, rounded outwards. Kinds are what the model knows differently well: half precision with whole
//          parameters, with sharded ones, fewer bits, experts, and devices whose kernels were not measured.
// Source:  scenarios/validation/training.csv; nothing of the model was fitted to these rows. scenarios/validation/error_band.yaml keeps it.
// Error:   `orrery validate training` prints what the band holds when it is derived without the row's own group.
#pragma once

#include "scenarios/published/validate.hpp"
#include "scenarios/result.hpp"
#include "sim/base/params_codec.hpp"
#include "workloads/transformer.hpp"

#include <map>

namespace orrery {

/// Of the published steps that a band holds.
inline constexpr double band_share = 0.88;

using ErrorBands = std::map<RunKind, ErrorBand>;

RunKind run_kind(const TrainingJob& job, const Plan& plan, const Device& device);

const Choices<RunKind>& run_kind_words();

/// The kept bands. Read once.
const ErrorBand& error_band(RunKind kind);

/// The bands of scored rows, those of group `without` left out.
ErrorBands derive_error_bands(const TrainingValidation& validation, const std::string& without = {});

/// How well the bands of the other groups hold the rows of each.
struct BandScore {
  double holds = 0;      ///< share of the rows
  double half_width = 0; ///< median over the rows, relative
};
BandScore score_error_bands(const TrainingValidation& validation);

} // namespace orrery
