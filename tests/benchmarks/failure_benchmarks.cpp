// Long runs under failures: 60 days of the Llama 3 fleet.
#include "models/failure_tables.hpp"
#include "sim/engine/failures.hpp"
#include "tests/benchmarks/rows.hpp"

#include <cmath>
#include <stdexcept>

namespace orrery::bench {

namespace {

FailureRun sixty_days() {
  Diagnostics diagnostics;
  ReliabilityOptions options;
  options.failures = read_reference(yaml::scalar("llama3-2024"), reliability_profile_table(), reliability_catalogue(), diagnostics);
  diagnostics.throw_if_any();
  options.checkpoint.storage = BytesPerSecond{200e9};
  options.detection = Seconds{120};
  options.restart = Seconds{300};
  const CheckpointState state{Bytes{5.7e12}, Bytes{4e9}, BytesPerSecond{63e9}};
  return {restart_model(options, {16384, 2048}, state), Seconds{20}, options.run_length, 1};
}

void one_run() {
  static const FailureRun run = sixty_days();
  if (simulate_failures(run).outages.empty())
    throw std::runtime_error("a run of 60 days meets failures");
}

void thousand_seeds() {
  FailureRun run = sixty_days();
  double mean = 0;
  for (run.seed = 1; run.seed <= 1000; ++run.seed)
    mean += simulate_failures(run).goodput() / 1000;
  if (std::abs(mean - goodput(run.model, run.length).goodput) > 0.003)
    throw std::runtime_error("the mean over seeds is the closed form's");
}

} // namespace

Rows failure_rows() {
  return {{"failures, 60 days on 16,384 GPUs, 18 classes", 0.010, one_run, 15},
          {"failures, 60 days on 16,384 GPUs, 1,000 seeds on one core", 15.0, thousand_seeds, 3}};
}

} // namespace orrery::bench
