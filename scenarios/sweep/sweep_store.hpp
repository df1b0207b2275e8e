// Where the points of a sweep are kept: an SQLite file with one row per point, made as they finish.
//
// Table `points`: point, key (fingerprint of the study and the point's values), status, message, one column per path of the study, one per
// metric, under their dotted names. Table `study`: what the rows belong to. Any SQLite client may read it, also while the sweep runs (WAL).
//
// A killed sweep leaves every committed row. A file that is no store, or is damaged, is refused and not written to. One process writes at
// a time.
#pragma once

#include "scenarios/sweep/study.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace orrery {

enum class PointStatus { ok, infeasible, error };

std::string status_word(PointStatus status);

/// A figure of a point; none where it has no such figure.
using SweepValue = std::variant<std::monostate, bool, std::int64_t, double, std::string>;

/// What is known of a point once it was run.
struct PointRow {
  std::uint64_t point = 0;
  PointStatus status = PointStatus::ok;
  std::string message; ///< the deciding inequalities, or the mistakes
  std::vector<std::pair<std::string, SweepValue>> metrics;
};

/// A row of the store, in the order of the columns that were asked for.
struct StoredRow {
  std::uint64_t point = 0;
  std::string status;
  std::string message;
  std::vector<SweepValue> values;
};

/// Which rows to read. Rows come by point; with `order_by`, rows that have that column come by its value.
struct RowQuery {
  std::vector<std::string> columns;
  std::string order_by = {};
  bool descending = false;
  std::uint64_t limit = 0; ///< 0 = all
};

class SweepStore {
public:
  /// Opens the store of a study, or makes it. `fresh` starts again, over a store of any study. Throws UserError where the file is no store,
  /// is damaged, in use, of another study, or where rows are missing and those it has come from another program.
  SweepStore(const std::string& path, const Study& study, bool fresh);
  ~SweepStore();
  SweepStore(const SweepStore&) = delete;
  SweepStore& operator=(const SweepStore&) = delete;

  /// One flag per point.
  [[nodiscard]] const std::vector<bool>& done() const;
  /// Whether its rows, then complete, come from another build or other catalogue files than this process has.
  [[nodiscard]] bool of_other_program() const;

  void add(const PointRow& row);
  /// Keeps the rows that were added, whatever happens to the process.
  void commit();
  /// To be called first in a forked process: lets go of the lock, and never touches the file.
  void leave_to_parent();

  /// Names of the metrics that any row has, in no particular order.
  [[nodiscard]] std::vector<std::string> metrics() const;
  void read(const RowQuery& query, const std::function<void(const StoredRow&)>& take) const;

private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

} // namespace orrery
