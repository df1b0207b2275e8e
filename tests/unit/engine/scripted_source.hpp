// A work source for tests: submits a fixed list at given times and notes what completes when.
#pragma once

#include "sim/base/work.hpp"

#include <functional>
#include <utility>
#include <vector>

namespace orrery::testing {

inline constexpr std::uint32_t alarm_actor = 1000;

class ScriptedSource final : public WorkSource {
public:
  struct Done {
    std::uint64_t tag;
    double time;
  };

  /// Submits `work` at `time`.
  void at(double time, Work work) {
    at(time, [work](WorkScheduler& scheduler) { scheduler.submit(work); });
  }
  void at(double time, std::function<void(WorkScheduler&)> action) { actions_.emplace_back(time, std::move(action)); }

  void start(WorkScheduler& scheduler) override {
    for (std::size_t i = 0; i < actions_.size(); ++i)
      if (actions_[i].first == 0)
        actions_[i].second(scheduler);
      else
        scheduler.submit({.actor = alarm_actor, .tag = i, .rigid = Seconds{actions_[i].first}});
  }

  void completed(WorkId /*id*/, const Work& work, WorkScheduler& scheduler) override {
    if (work.actor == alarm_actor)
      actions_[work.tag].second(scheduler);
    else
      done.push_back({work.tag, scheduler.now().si()});
  }

  [[nodiscard]] double time_of(std::uint64_t tag) const {
    for (const Done& one : done)
      if (one.tag == tag)
        return one.time;
    return -1;
  }

  std::vector<Done> done;

private:
  std::vector<std::pair<double, std::function<void(WorkScheduler&)>>> actions_;
};

inline Work span(std::uint64_t tag, double stretchable, double rigid = 0, std::uint32_t actor = 0) {
  return {.actor = actor, .tag = tag, .stretchable = Seconds{stretchable}, .rigid = Seconds{rigid}};
}

inline Work flow(std::uint64_t tag, double bytes, std::vector<LinkLoad> route, double latency = 0) {
  return {.tag = tag, .bytes = Bytes{bytes}, .latency = Seconds{latency}, .route = std::move(route)};
}

} // namespace orrery::testing
