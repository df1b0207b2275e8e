#include "sim/engine/serving.hpp"

#include "sim/base/random.hpp"
#include "sim/engine/engine.hpp"
#include "sim/engine/serving_source.hpp"

#include <algorithm>
#include <cassert>

namespace orrery {

ServingSource::ServingSource(const RequestStream& stream, const ServingSystem& system, const ServingOptions& options)
    : stream_(stream), system_(system), options_(options), requests_(stream), autoscaler_(system.autoscaling), services_(system.services) {
  if (services_.empty())
    services_.push_back({.replicas = static_cast<std::uint32_t>(system.replicas.size())});
  desks_.resize(services_.size());
  tools_.resize(services_.size());
  for (std::size_t s = 0; s < services_.size(); ++s)
    for (std::uint32_t r = services_[s].first; r < services_[s].first + services_[s].replicas; ++r)
      if (system.replicas[r].pool == Pool::decode)
        desks_[s].decode.push_back(r);
  replicas_.reserve(system.replicas.size()); // sequences point to them
  for (std::uint32_t r = 0; r < system.replicas.size(); ++r) {
    const ServingReplica& spec = system.replicas[r];
    const std::int64_t cached = (stream.block_tokens + spec.block_tokens - 1) / spec.block_tokens;
    KvMemory& memory = spec.shares_memory_with ? *memories_[*spec.shares_memory_with]
                                               : pools_.emplace_back(KvMemory{.capacity = spec.kv_blocks,
                                                                              .block = static_cast<std::uint64_t>(spec.block_tokens),
                                                                              .cached = cached,
                                                                              .below = KvTiers(spec.tiers, cached)});
    memories_.push_back(&memory);
    replicas_.emplace_back(spec, requests_, memory);
    const bool idle = system.autoscaling.interval > Seconds{} && r >= static_cast<std::uint32_t>(system.autoscaling.least);
    power_.push_back({.state = idle ? State::off : State::on});
    first_lane_.push_back(static_cast<std::uint32_t>(lanes_.size()));
    for (std::uint32_t s = 0; s < replicas_.back().slots(); ++s)
      lanes_.push_back({.replica = r, .slot = s});
  }
  set_entries();
  last_end_.resize(replicas_.size());
  sampled_.assign(replicas_.size(), -options.sample);
  for (RequestId id = 0; id < stream.requests.size(); ++id)
    if (stream.requests[id].follows != no_request)
      followers_.emplace_back(stream.requests[id].follows, id);
  for (const Dependency& join : stream.joins)
    followers_.emplace_back(join.before, join.after);
  std::ranges::sort(followers_);
  count_joins();
}

void ServingSource::start(WorkScheduler& scheduler) {
  if (stream_.concurrency > 0)
    for (int i = 0; i < stream_.concurrency; ++i)
      admit_next(scheduler);
  else
    admit_arrivals(Seconds{});
  serve_touched(scheduler);
  wait_for_arrival(scheduler);
  if (system_.autoscaling.interval > Seconds{})
    start_timer(Event::decision, 0, system_.autoscaling.interval, scheduler);
}

void ServingSource::start_timer(Event event, std::uint64_t value, Seconds delay, WorkScheduler& scheduler) const {
  scheduler.submit({.actor = static_cast<std::uint32_t>(lanes_.size()), .tag = tag_of(event, value), .rigid = delay});
}

/// Whether there is a next request that follows none.
bool ServingSource::skip_followers() {
  while (next_ < stream_.requests.size() && stream_.requests[next_].follows != no_request)
    ++next_;
  return next_ < stream_.requests.size();
}

/// All that arrive by now: those of one moment are seen together.
void ServingSource::admit_arrivals(Seconds now) {
  for (; skip_followers() && stream_.requests[next_].arrival <= now; ++next_)
    arrive(next_, now);
}

/// The next request of a closed loop that is not refused.
void ServingSource::admit_next(WorkScheduler& scheduler) {
  while (skip_followers()) {
    const RequestId id = next_++;
    if (const Seconds pause = stream_.pause + stream_.requests[id].arrival; pause > Seconds{})
      return start_timer(Event::follower, id, pause, scheduler);
    if (arrive(id, scheduler.now()))
      return;
  }
}

void ServingSource::wait_for_arrival(WorkScheduler& scheduler) {
  if (stream_.concurrency > 0 || next_ >= stream_.requests.size())
    return;
  start_timer(Event::arrival, 0, stream_.requests[next_].arrival - scheduler.now(), scheduler);
}

bool ServingSource::arrive(RequestId id, Seconds now) {
  requests_.records[id].arrival = now;
  if (is_tool(id)) {
    ask_worker(id, now);
    return true;
  }
  const std::uint32_t r = route(id, false, now);
  const std::vector<std::uint32_t>& decode = desks_[stream_.requests[id].service].decode;
  const bool fits = replicas_[r].holds(stream_.requests[id]) && (decode.empty() || replicas_[decode.front()].holds(stream_.requests[id]));
  autoscaler_.arrived();
  if (!fits) {
    ++refused_;
    requests_.records[id].outcome = Outcome::refused;
    requests_.records[id].end = now;
    return false;
  }
  requests_.records[id].replica = r;
  replicas_[r].enqueue(id);
  touched_.push_back(r);
  return true;
}

std::uint32_t ServingSource::route(RequestId id, bool decode, Seconds now) {
  Desk& desk = desks_[stream_.requests[id].service];
  const std::vector<std::uint32_t>& candidates = decode ? desk.decode : desk.entry;
  std::size_t& turn = decode ? desk.decode_turn : desk.turn;
  const auto least = [&](auto load) { return *std::ranges::min_element(candidates, {}, load); };
  switch (system_.router) {
  case Router::round_robin:
    return candidates[turn++ % candidates.size()];
  case Router::least_requests:
    return least([&](std::uint32_t r) { return replicas_[r].waiting() + replicas_[r].running(); });
  case Router::least_tokens:
    return least([&](std::uint32_t r) { return replicas_[r].outstanding_tokens(); });
  case Router::prefix:
    for (const Lane& lane : lanes_) // the caches as they are now
      replicas_[lane.replica].settle(lane.slot, now - lane.begin);
    return least(
        [&](std::uint32_t r) { return replicas_[r].outstanding_tokens() + stream_.requests[id].input - replicas_[r].cached_tokens(id); });
  case Router::session: {
    RequestId first = id;
    while (stream_.requests[first].follows != no_request)
      first = stream_.requests[first].follows;
    // Scrambled: where all sessions have as many requests, their first ones lie at regular distances, and remainders would name few
    // replicas.
    return candidates[scramble_bits(first) % candidates.size()];
  }
  }
  return candidates.front();
}

void ServingSource::hand_over(RequestId id, std::uint32_t from, WorkScheduler& scheduler) {
  const std::uint32_t to = route(id, true, scheduler.now());
  Sequence& sequence = requests_.sequences[id];
  sequence.destination = to;
  const KvTransfer& transfer = system_.transfer;
  const std::size_t pair = std::size_t{from} * replicas_.size() + to;
  Work work{.actor = static_cast<std::uint32_t>(lanes_.size()), .tag = tag_of(Event::transfer, id)};
  if (pair < transfer.routes.size() && !transfer.routes[pair].empty()) {
    work.bytes = transfer.per_token * stream_.requests[id].input;
    work.latency = transfer.latency;
    work.route = transfer.routes[pair];
  } else {
    work.rigid = transfer.latency;
  }
  scheduler.submit(work);
}

void ServingSource::handle_ended(std::uint32_t replica, WorkScheduler& scheduler) {
  for (const RequestId id : ended_) {
    if (requests_.records[id].outcome != Outcome::served) {
      hand_over(id, replica, scheduler);
      continue;
    }
    ++served_;
    last_served_ = scheduler.now();
    autoscaler_.served(requests_.records[id].end - requests_.records[id].arrival);
    const auto first = std::ranges::lower_bound(followers_, std::pair{id, RequestId{0}});
    auto follower = first;
    for (; follower != followers_.end() && follower->first == id; ++follower)
      if (!awaited(follower->second))
        start_timer(Event::follower, follower->second, stream_.requests[follower->second].arrival, scheduler);
    if (stream_.concurrency > 0 && follower == first)
      admit_next(scheduler);
  }
  ended_.clear();
}

void ServingSource::completed(WorkId, const Work& work, WorkScheduler& scheduler) {
  if (stopped_)
    return;
  const Seconds now = scheduler.now();
  const std::uint64_t value = value_of(work.tag);
  switch (event_of(work.tag)) {
  case Event::arrival:
    admit_arrivals(now);
    break;
  case Event::follower:
    if (!arrive(static_cast<RequestId>(value), now) && stream_.concurrency > 0)
      admit_next(scheduler);
    break;
  case Event::transfer: {
    const auto id = static_cast<RequestId>(value);
    const std::uint32_t to = requests_.sequences[id].destination;
    requests_.records[id].replica = to;
    replicas_[to].enqueue(id);
    touched_.push_back(to);
    break;
  }
  case Event::decision:
    decide(scheduler);
    break;
  case Event::ready:
    power_[value].state = State::on;
    set_entries();
    break;
  case Event::tool:
    end_tool(static_cast<RequestId>(value), scheduler);
    handle_ended(0, scheduler);
    break;
  case Event::answer:
    answer(static_cast<RequestId>(value), now);
    handle_ended(0, scheduler);
    break;
  case Event::moved:
    replicas_[value].arrived();
    touched_.push_back(static_cast<std::uint32_t>(value));
    break;
  case Event::iteration: {
    const Lane& lane = lanes_[value];
    record_span(lane, now);
    replicas_[lane.replica].complete(lane.slot, now, ended_);
    for (std::uint32_t r = 0; r < replicas_.size(); ++r)
      if (memories_[r] == memories_[lane.replica]) // what one gave back another may take
        touched_.push_back(r);
    handle_ended(lane.replica, scheduler);
    break;
  }
  }
  if (options_.stop_after > 0 && served_ >= options_.stop_after)
    return abandon(scheduler);
  serve_touched(scheduler);
  if (event_of(work.tag) == Event::arrival)
    wait_for_arrival(scheduler);
}

void ServingSource::abandon(WorkScheduler& scheduler) {
  stopped_ = scheduler.now();
  for (const Lane& lane : lanes_) {
    Replica& replica = replicas_[lane.replica];
    replica.abandon(lane.slot, *stopped_ - lane.begin);
    if (replica.busy(lane.slot))
      scheduler.stop(lane.work);
  }
}

void ServingSource::serve_touched(WorkScheduler& scheduler) {
  run_tools(scheduler);
  for (std::size_t i = 0; i < touched_.size(); ++i) {
    serve(touched_[i], scheduler);
    for (const Replica* replica : requests_.released)
      touched_.push_back(static_cast<std::uint32_t>(replica - replicas_.data()));
    requests_.released.clear();
  }
  touched_.clear();
}

void ServingSource::serve(std::uint32_t replica, WorkScheduler& scheduler) {
  const Seconds now = scheduler.now();
  Replica& r = replicas_[replica];
  for (std::size_t s = 0; s < r.slots(); ++s) {
    Lane& lane = lanes_[first_lane_[replica] + s];
    Work work{.actor = first_lane_[replica] + static_cast<std::uint32_t>(s), .tag = tag_of(Event::iteration, first_lane_[replica] + s)};
    if (r.busy(s)) {
      const std::optional<Seconds> left = r.cut(s, now - lane.begin);
      if (!left)
        continue;
      scheduler.stop(lane.work);
      work.rigid = *left;
    } else {
      const std::optional<Launch> launched = r.launch(s, now, options_.skip);
      if (!launched)
        continue;
      lane.begin = now;
      Seconds& last = last_end_[replica];
      last = r.slots() == 1 ? now + launched->latency() : std::max(now + launched->latency(), last + launched->cost.occupancy);
      work.rigid = last - now;
    }
    lane.work = scheduler.submit(work);
  }
  for (const Seconds left : r.take_moves(now))
    start_timer(Event::moved, replica, left, scheduler);
  sample(replica, now);
}

void ServingSource::record_span(const Lane& lane, Seconds now) {
  if (spans_.size() == options_.spans)
    return;
  ServingSpan& span = spans_.emplace_back(replicas_[lane.replica].span(lane.slot));
  span.replica = lane.replica;
  span.slot = lane.slot;
  span.begin = lane.begin;
  span.end = now;
}

void ServingSource::sample(std::uint32_t replica, Seconds now) {
  if (options_.sample <= Seconds{} || now - sampled_[replica] < options_.sample)
    return;
  sampled_[replica] = now;
  const Replica& r = replicas_[replica];
  samples_.push_back({now, replica, r.waiting(), r.running(), r.used_blocks()});
}

ServingRun ServingSource::take() {
  const Seconds end = stopped_.value_or(last_served_);
  for (std::uint32_t r = 0; r < replicas_.size(); ++r)
    if (power_[r].state != State::off)
      replicas_[r].add_active(end - power_[r].since);
  ServingRun run{.end = end,
                 .requests = std::move(requests_.records),
                 .tools = std::move(tools_),
                 .samples = std::move(samples_),
                 .spans = std::move(spans_)};
  for (const Replica& r : replicas_)
    run.replicas.push_back(r.totals());
  for (std::size_t r = 0; r < memories_.size(); ++r)
    run.replicas[r].peak_blocks = memories_[r]->peak;
  return run;
}

ServingRun simulate_serving(const RequestStream& stream, const ServingSystem& system, const ServingOptions& options) {
  assert(!system.replicas.empty());
  ServingSource source(stream, system, options);
  Engine engine(system.transfer.network);
  engine.run(source);
  ServingRun run = source.take();
  run.events = engine.completed_count();
  return run;
}

} // namespace orrery
