// Who goes before whom, and who has to go.
#include "sim/base/random.hpp"
#include "sim/engine/replica.hpp"

#include <algorithm>
#include <tuple>

namespace orrery {

/// `slot` = where it runs; nothing = it waits.
Replica::Rank Replica::rank(const Slot* slot, RequestId id) const {
  if (spec_.fairness->order == Fairness::Order::random)
    return {scramble_bits((drawing_ + 1) * 0x9e3779b97f4a7c15U + scramble_bits(id + 1)), id};
  const Sequence& s = sequence(id);
  const double since = s.decoding ? static_cast<double>(slot->clock - s.joined) * spec_.tokens_per_iteration : 0;
  return {s.produced + static_cast<std::uint64_t>(since), id};
}

/// Behind all that are not longer, less what they have waited for.
std::deque<RequestId>::iterator Replica::place_by_length(std::deque<RequestId>& queue, RequestId id) const {
  const auto weight = [&](RequestId r) { return sequence(r).prompt + *spec_.policy.aging * requests_->records[r].arrival.si(); };
  auto place = queue.end();
  while (place != queue.begin() && weight(*std::prev(place)) > weight(id))
    --place;
  return place;
}

/// `first` = before all of its level, where no drawing says otherwise.
void Replica::queue_again(RequestId id, bool first) {
  std::deque<RequestId>& queue = queue_of(id);
  ++waiting_count_;
  if (spec_.fairness)
    queue.insert(std::ranges::lower_bound(queue, rank(nullptr, id), {}, [this](RequestId other) { return rank(nullptr, other); }), id);
  else if (first)
    queue.push_front(id);
  else if (spec_.policy.aging)
    queue.insert(place_by_length(queue, id), id);
  else
    queue.push_back(id);
}

/// Draws priorities again where their time has come, and lets those that run follow them.
void Replica::draw_priorities(Slot& slot) {
  if (!spec_.fairness || is_static())
    return;
  const std::uint64_t drawing = totals_.iterations / static_cast<std::uint64_t>(spec_.fairness->every);
  if (drawing != drawing_) {
    drawing_ = drawing;
    for (std::deque<RequestId>& level : waiting_)
      std::ranges::sort(level, {}, [this](RequestId id) { return rank(nullptr, id); });
  }
  if (slot.drawing == drawing)
    return;
  slot.drawing = drawing;
  for (const RequestId id : outranked(slot))
    preempt(slot, id);
}

/// Those that run and have no place where memory and the batch are dealt out in the order of ranks.
std::vector<RequestId> Replica::outranked(const Slot& slot) const {
  struct Candidate {
    std::size_t level;
    Rank rank;
    std::int64_t blocks;
    bool runs;
  };
  const std::int64_t next = grows() ? 1 : 0;
  std::vector<Candidate> line;
  std::int64_t room = memory_->room();
  for (const Member& member : slot.admitted)
    if (lives(member)) {
      const std::int64_t held = held_blocks(slot, member.id);
      room += held;
      line.push_back({level_of(member.id), rank(&slot, member.id), held + next, true});
    }
  const auto most = static_cast<std::size_t>(spec_.policy.max_sequences);
  for (std::size_t level = 0; level < waiting_.size(); ++level)
    for (std::size_t i = 0; i < std::min(most, waiting_[level].size()); ++i)
      line.push_back({level, rank(nullptr, waiting_[level][i]), total_blocks(waiting_[level][i]) + next, false});
  std::ranges::sort(line, {}, [](const Candidate& c) { return std::pair{c.level, c.rank}; });
  std::vector<RequestId> gone;
  std::size_t places = most;
  bool admits = true; // nobody who waits overtakes another
  for (const Candidate& c : line) {
    const bool fits = places > 0 && c.blocks <= room && (c.runs || admits);
    if (fits) {
      --places;
      room -= c.blocks;
    } else if (c.runs) {
      gone.push_back(c.rank.second);
    } else {
      admits = false;
    }
  }
  return gone;
}

RequestId Replica::last_in_line(const Slot& slot) const {
  if (!spec_.fairness)
    return slot.admitted.back().id;
  const auto place = [&](const Member& member) {
    const bool here = lives(member); // those that left come first
    return std::tuple{here, here ? level_of(member.id) : 0, here ? rank(&slot, member.id) : Rank{}};
  };
  return std::ranges::max_element(slot.admitted, {}, place)->id;
}

/// When the user got the last token.
Seconds Replica::last_token(RequestId id) const {
  const auto found = requests_->paused.find(id);
  return found == requests_->paused.end() ? requests_->records[id].first_token : found->second.last_token;
}

void Replica::preempt(Slot& slot, RequestId id) {
  Sequence& s = sequence(id);
  const bool complete = s.decoding;
  const bool on_its_way = !s.decoding && s.computed == s.prompt;
  Seconds last = last_token(id);
  if (s.decoding && s.joined != slot.clock)
    last = slot.tokens_at;
  else if (s.decoding) {
    const std::uint16_t service_class = request(id).service_class;
    --std::ranges::find_if(slot.newcomers, [&](const Newcomers& n) {
        return n.last_token == last && n.service_class == service_class && n.count > 0;
      })->count;
    std::erase(slot.unmeasured, id);
  } else if (std::erase(slot.prefilling, id) == 0) {
    --slot.coming; // its blocks come up for nothing
  }
  leave(slot, id);
  Paused& paused = requests_->paused[id];
  paused.last_token = last;
  const std::uint32_t kept = complete ? request(id).input + s.produced - 1 : s.prompt;
  const bool swaps = (complete || on_its_way) && swap_out(slot, paused, memory_->blocks(kept));
  s.prompt = swaps ? kept : request(id).input + s.produced;
  s.computed = swaps ? kept : 0;
  ++requests_->records[id].preemptions;
  ++totals_.preemptions;
  // Prompts that are computed again are computed where prompts are, if that is on the same devices.
  Replica& home = memory_->prefill != nullptr && !swaps ? *memory_->prefill : *this;
  home.queue_again(id, true);
  const std::uint64_t tokens = std::uint64_t{request(id).input} + request(id).output;
  outstanding_ -= tokens;
  home.outstanding_ += tokens;
  requests_->released.push_back(&home);
}

/// Preempts until the next iteration's growth fits. Whether it had to.
bool Replica::make_room(Slot& slot) {
  bool preempted = false;
  while (slot.batch > 0 && growth_at(slot, slot.clock) > memory_->room()) {
    preempt(slot, last_in_line(slot));
    preempted = true;
  }
  return preempted;
}

} // namespace orrery
