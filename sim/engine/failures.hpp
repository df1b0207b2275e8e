// A long run under failures as events: training, detection, restart, rollback. The closed form of its mean is models/reliability.hpp.
//
// Between two failures steps and checkpoints advance in closed form, so a run costs a few events per failure and none per step.
#pragma once

#include "models/reliability.hpp"
#include "sim/base/random.hpp"
#include "sim/base/work.hpp"

#include <cstdint>
#include <vector>

namespace orrery {

struct FailureRun {
  RestartModel model;
  Seconds step_time; ///< checkpoints fall between steps; 0 = anywhere
  Seconds length;    ///< wall time
  std::uint64_t seed = 1;
};

/// A failure and what it cost.
struct Outage {
  Seconds at;
  std::size_t mode = 0; ///< index into RestartModel::modes
  Seconds lost;         ///< work and stalls since the last kept checkpoint; 0 for a failure that meets a run already down
  Seconds down;         ///< until training went on, or until the next failure or the end of the run
};

/// Where the wall time went.
struct FailureTotals {
  Seconds interval; ///< work between two checkpoints: whole steps
  Seconds useful;
  Seconds checkpoint;
  Seconds lost;
  Seconds detection;
  Seconds restart;
  std::uint64_t checkpoints = 0; ///< kept
  std::vector<Outage> outages;

  [[nodiscard]] Seconds total() const { return useful + checkpoint + lost + detection + restart; }
  [[nodiscard]] double goodput() const { return useful / total(); }
};

/// Runs one training run for FailureRun::length, then stops. Each class of failures draws from its own stream, so another policy on the
/// same seed meets the same failures.
class FailureSource : public WorkSource {
public:
  FailureSource(FailureRun run, std::uint32_t actor);
  void start(WorkScheduler& scheduler) override;
  void completed(WorkId id, const Work& work, WorkScheduler& scheduler) override;

  [[nodiscard]] const FailureTotals& totals() const { return totals_; }

private:
  enum class State { training, detecting, restarting };

  void enter(State state, Seconds length);
  void wait(WorkScheduler& scheduler);
  void fail(std::size_t mode, Seconds lost);
  Seconds account(Seconds elapsed, bool failed);
  Seconds account_training(Seconds elapsed, bool failed);
  [[nodiscard]] std::size_t next_mode() const;

  FailureRun run_;
  std::uint32_t actor_ = 0;
  FailureTotals totals_;
  std::vector<RandomStream> streams_; ///< by mode
  std::vector<Seconds> next_;         ///< next failure by mode; times count from the run's start
  State state_ = State::training;
  Seconds begin_; ///< of the state
  Seconds end_;   ///< of the state if nothing fails
};

/// The same run with nothing else on the clock.
[[nodiscard]] FailureTotals simulate_failures(const FailureRun& run);

} // namespace orrery
