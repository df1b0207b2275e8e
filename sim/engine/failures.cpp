#include "sim/engine/failures.hpp"

#include "sim/engine/engine.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

namespace orrery {

namespace {

constexpr Seconds never{std::numeric_limits<double>::infinity()};

Seconds whole_steps(Seconds interval, Seconds step) {
  return step.si() > 0.0 && interval.si() > 0.0 ? std::max(1.0, std::round(interval / step)) * step : interval;
}

} // namespace

FailureSource::FailureSource(FailureRun run, std::uint32_t actor) : run_(std::move(run)), actor_(actor) {
  totals_.interval = whole_steps(run_.model.interval, run_.step_time);
  for (const FailureMode& mode : run_.model.modes) {
    streams_.emplace_back(run_.seed, "failures/" + mode.name);
    next_.push_back(mode.rate.si() > 0.0 ? Seconds{streams_.back().exponential(1.0 / mode.rate.si())} : never);
  }
}

void FailureSource::start(WorkScheduler& scheduler) {
  enter(State::training, never);
  wait(scheduler);
}

void FailureSource::completed(WorkId /*id*/, const Work& /*work*/, WorkScheduler& scheduler) {
  const std::size_t mode = next_mode();
  const Seconds failure = mode < next_.size() ? next_[mode] : never;
  if (std::min(failure, end_) >= run_.length) {
    account(run_.length - begin_, false);
    return;
  }
  if (failure <= end_) {
    fail(mode, account(failure - begin_, true));
  } else {
    account(end_ - begin_, false);
    begin_ = end_;
    if (state_ == State::detecting) {
      enter(State::restarting, run_.model.restart);
    } else {
      enter(State::training, never);
    }
  }
  wait(scheduler);
}

void FailureSource::enter(State state, Seconds length) {
  state_ = state;
  end_ = begin_ + length;
}

/// Waits for whatever comes first: a failure, the end of the state, the end of the run.
void FailureSource::wait(WorkScheduler& scheduler) {
  const std::size_t mode = next_mode();
  Seconds until = std::min(end_, run_.length);
  if (mode < next_.size()) {
    until = std::min(until, next_[mode]);
  }
  Work work;
  work.actor = actor_;
  work.tag = static_cast<std::uint64_t>(state_);
  work.rigid = until - begin_;
  scheduler.submit(work);
}

std::size_t FailureSource::next_mode() const {
  return static_cast<std::size_t>(std::min_element(next_.begin(), next_.end()) - next_.begin());
}

void FailureSource::fail(std::size_t mode, Seconds lost) {
  begin_ = next_[mode];
  totals_.outages.push_back({begin_, mode, lost, Seconds{}});
  next_[mode] += Seconds{streams_[mode].exponential(1.0 / run_.model.modes[mode].rate.si())};
  enter(State::detecting, run_.model.modes[mode].detection);
}

/// Books `elapsed` time of the present state; returns what of it a failure makes worthless.
Seconds FailureSource::account(Seconds elapsed, bool failed) {
  if (state_ == State::training) {
    return account_training(elapsed, failed);
  }
  (state_ == State::detecting ? totals_.detection : totals_.restart) += elapsed;
  totals_.outages.back().down += elapsed;
  return Seconds{};
}

/// `elapsed` since training went on from a checkpoint: whole periods of interval and stall, then a part of one.
Seconds FailureSource::account_training(Seconds elapsed, bool failed) {
  const Seconds stall = run_.model.stall;
  const Seconds period = totals_.interval + stall;
  if (totals_.interval.si() <= 0.0) { // nothing is ever between two checkpoints
    totals_.useful += elapsed;
    return Seconds{};
  }
  const double kept = std::max(0.0, std::floor((elapsed - run_.model.persist) / period));
  totals_.checkpoints += static_cast<std::uint64_t>(kept);
  if (failed) {
    const Seconds lost = elapsed - kept * period;
    totals_.useful += kept * totals_.interval;
    totals_.checkpoint += kept * stall;
    totals_.lost += lost;
    return lost;
  }
  // The end of the run loses nothing.
  const double periods = std::floor(elapsed / period);
  const Seconds part = elapsed - periods * period;
  const Seconds worked = std::min(part, totals_.interval);
  totals_.useful += periods * totals_.interval + worked;
  totals_.checkpoint += periods * stall + (part - worked);
  return Seconds{};
}

FailureTotals simulate_failures(const FailureRun& run) {
  FailureSource source(run, 0);
  Engine engine;
  engine.run(source);
  return source.totals();
}

} // namespace orrery
