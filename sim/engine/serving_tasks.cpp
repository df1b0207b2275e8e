// Tasks of several stages: tools on workers of their own, stages that wait for several others.
#include "sim/engine/serving_source.hpp"

#include <algorithm>

namespace orrery {

void ServingSource::count_joins() {
  if (stream_.joins.empty())
    return;
  missing_.resize(stream_.requests.size());
  for (const auto& [before, after] : followers_)
    ++missing_[after];
}

/// One of those that it waits for has ended. Whether others have not.
bool ServingSource::awaited(RequestId follower) { return !missing_.empty() && --missing_[follower] > 0; }

void ServingSource::ask_worker(RequestId id, Seconds now) {
  const std::uint16_t service = stream_.requests[id].service;
  Desk& desk = desks_[service];
  if (services_[service].workers > 0 && desk.running >= services_[service].workers)
    return desk.queue.push_back(id);
  ++desk.running;
  tools_[service].most = std::max(tools_[service].most, desk.running);
  requests_.records[id].scheduled = now;
  granted_.push_back(id);
}

void ServingSource::run_tools(WorkScheduler& scheduler) {
  for (const RequestId id : granted_)
    start_timer(Event::tool, id, stream_.tool_times[id], scheduler);
  granted_.clear();
}

void ServingSource::end_tool(RequestId id, WorkScheduler& scheduler) {
  const Seconds now = scheduler.now();
  const std::uint16_t service = stream_.requests[id].service;
  Desk& desk = desks_[service];
  --desk.running;
  tools_[service].busy += stream_.tool_times[id];
  if (!desk.queue.empty()) {
    const RequestId next = desk.queue.front();
    desk.queue.pop_front();
    ask_worker(next, now);
  }
  if (services_[service].latency > Seconds{})
    return start_timer(Event::answer, id, services_[service].latency, scheduler);
  answer(id, now);
}

void ServingSource::answer(RequestId id, Seconds now) {
  RequestRecord& record = requests_.records[id];
  record.first_token = record.end = now;
  record.outcome = Outcome::served;
  ended_.push_back(id);
}

} // namespace orrery
