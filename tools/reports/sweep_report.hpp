// The answer of `orrery sweep`, read from its store: a table of the best points, CSV or JSON of all.
#pragma once

#include "scenarios/sweep/sweep_store.hpp"
#include "tools/reports/text.hpp"

#include <cstddef>
#include <ostream>
#include <string>
#include <vector>

namespace orrery {

struct SweepView {
  std::vector<std::string> metrics; ///< to show; empty = all, and in the table the telling ones
  std::string sort;                 ///< empty = tokens per second
  bool worst = false;               ///< first
  std::size_t top = 10;
};

/// Column headers for paths: as many of their last parts as tell them apart ("tp" for "jobs.0.plan.tp").
std::vector<std::string> short_names(const std::vector<std::string>& paths);

void write_sweep_text(std::ostream& out, const Study& study, const SweepStore& store, const SweepView& view, const Style& style);
void write_sweep_csv(std::ostream& out, const Study& study, const SweepStore& store, const SweepView& view);
void write_sweep_json(std::ostream& out, const Study& study, const SweepStore& store, const SweepView& view);

} // namespace orrery
