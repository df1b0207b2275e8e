// Runs the points of a study that its store lacks, on forked processes: an engine lives once per process, and a point that brings its
// process down takes nothing with it. Only the parent writes to the store. What a point gives depends on the point alone, so the store's
// rows are the same for any number of processes.
#pragma once

#include "scenarios/sweep/study.hpp"
#include "scenarios/sweep/sweep_store.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace orrery {

struct SweepProgress {
  std::uint64_t done = 0;  ///< rows in the store
  std::uint64_t total = 0; ///< points of the study
};

struct SweepOptions {
  int workers = 1;
  /// The figures of a result to keep, by name.
  std::function<std::vector<std::pair<std::string, SweepValue>>(const Result&)> metrics_of;
  /// Called a few times per second, and at the end.
  std::function<void(const SweepProgress&)> progress = [](const SweepProgress&) {};
};

/// A point that could not be run to its end, twice. It has no row, and is run again when the sweep is.
struct LostPoint {
  std::uint64_t point = 0;
  std::string why; ///< "ended by signal 11", or what the internal error says
};

/// The points that were lost to internal errors.
std::vector<LostPoint> run_sweep(const Study& study, SweepStore& store, const SweepOptions& options);

/// One point, in this process. Mistakes in its values are a row, too.
PointRow run_point(const Study& study, std::uint64_t point, const SweepOptions& options);

} // namespace orrery
