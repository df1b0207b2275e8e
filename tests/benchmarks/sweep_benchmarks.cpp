#include "scenarios/sweep/sweep.hpp"
#include "sim/base/diagnostics.hpp"
#include "tests/benchmarks/rows.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tools/reports/sweep_metrics.hpp"

#include <algorithm>
#include <stdexcept>

namespace orrery::bench {

namespace {

constexpr const char* plans = "name: plans\nscenario: quickstart\naxes:\n"
                              "  - grid: { jobs.0.plan.micro_batch: [1, 2, 4, 8], jobs.0.plan.recompute: [none, full] }\n"
                              "  - random: { count: 1250, draw: { reliability.checkpoint.storage: { log: [10 GB/s, 1 TB/s] } } }\n";
constexpr const char* machines = "name: machines\nscenario: quickstart\naxes:\n"
                                 "  - grid: { jobs.0.plan.micro_batch: [1, 2, 4, 8], jobs.0.plan.recompute: [none, full] }\n"
                                 "  - random: { count: 1250, draw: { cluster.fabric.oversubscription: { uniform: [1, 4] } } }\n";
constexpr const char* simulated = "name: plans\nscenario: quickstart\nmethod: simulate\naxes:\n"
                                  "  - grid: { jobs.0.plan.micro_batch: [1, 2], jobs.0.plan.recompute: [none, full] }\n"
                                  "  - random: { count: 25, draw: { cluster.fabric.oversubscription: { uniform: [1, 4] } } }\n";

/// All points of a study into a new store, reading of the study included.
void sweep(const std::string& text, int workers) {
  const TemporaryFolder folder;
  const Study study = load_study(folder.write("study.yaml", text));
  SweepStore store(folder.file("study.sqlite"), study, true);
  if (!run_sweep(study, store, {.workers = workers, .metrics_of = sweep_metrics}).empty())
    throw std::runtime_error("no point is lost");
}

} // namespace

Rows sweep_rows() {
  return {{"sweep of 10,000 estimated plans of the quickstart, one worker", 240, [] { sweep(plans, 1); }, 3},
          {"sweep of 10,000 estimated plans of the quickstart, two workers", 120, [] { sweep(plans, 2); }, 3},
          {"sweep of 10,000 estimated machines under the quickstart, two workers", 120, [] { sweep(machines, 2); }, 3},
          {"sweep of 100 simulated plans of the quickstart, two workers", 1.2, [] { sweep(simulated, 2); }, 3}};
}

} // namespace orrery::bench
