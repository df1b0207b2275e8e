// Replicas that are started and stopped while time runs.
#include "sim/engine/serving_source.hpp"

namespace orrery {

void ServingSource::set_entries() {
  for (std::size_t s = 0; s < services_.size(); ++s) {
    desks_[s].entry.clear();
    for (std::uint32_t r = services_[s].first; r < services_[s].first + services_[s].replicas; ++r)
      if (replicas_[r].pool() != Pool::decode && power_[r].state == State::on)
        desks_[s].entry.push_back(r);
  }
}

void ServingSource::switch_off(Seconds now) {
  for (std::uint32_t r = 0; r < replicas_.size(); ++r)
    if (power_[r].state == State::draining && replicas_[r].waiting() + replicas_[r].running() == 0) {
      power_[r].state = State::off;
      replicas_[r].add_active(now - power_[r].since);
    }
}

/// Starts the first replicas that are off or on their way out, stops the last ones that serve.
void ServingSource::decide(WorkScheduler& scheduler) {
  if (served_ + refused_ == stream_.requests.size())
    return;
  const Seconds now = scheduler.now();
  switch_off(now);
  std::uint64_t present = 0;
  for (const Replica& replica : replicas_)
    present += replica.waiting() + replica.running();
  const auto wanted = static_cast<std::uint32_t>(autoscaler_.wanted(present, static_cast<int>(replicas_.size())));
  for (std::uint32_t r = 0; r < replicas_.size(); ++r) {
    Power& power = power_[r];
    if (r < wanted && power.state == State::draining) {
      power.state = State::on;
    } else if (r < wanted && power.state == State::off) {
      power = {.state = State::starting, .since = now};
      start_timer(Event::ready, r, system_.autoscaling.start_up, scheduler);
    } else if (r >= wanted && power.state == State::on) {
      power.state = State::draining;
    }
  }
  set_entries();
  start_timer(Event::decision, 0, system_.autoscaling.interval, scheduler);
}

} // namespace orrery
