// KV blocks on their way between device memory and the tiers below it.
#include "sim/engine/replica.hpp"

#include <algorithm>
#include <cassert>

namespace orrery {

/// Leading blocks of a prompt that are in device memory or come up sooner than they are computed, and the time that takes.
std::size_t Replica::worth_fetching(RequestId id, Seconds& time) const {
  const PrefixCache::Blocks all = prefix(id, request(id).input);
  const auto block_tokens = static_cast<std::size_t>(requests_->stream->block_tokens);
  const std::size_t resident = memory_->cache.match(all);
  const std::size_t most = request(id).input - 1;
  std::vector<std::int64_t> counts(spec_.tiers.size());
  std::size_t best = resident;
  Seconds gain;
  for (std::size_t n = resident; n < all.size() && !spec_.tiers.empty();) {
    const std::optional<std::size_t> tier = memory_->below.find(all[n]);
    const bool here = memory_->cache.holds(all[n]);
    if (!tier && !here)
      break;
    for (; n < all.size() && memory_->cache.holds(all[n]) == here && (here || memory_->below.find(all[n]) == tier); ++n)
      if (!here)
        counts[*tier] += memory_->cached;
    Seconds fetching;
    for (std::size_t t = 0; t < counts.size(); ++t)
      fetching += spec_.tiers[t].up(counts[t]);
    const auto past = static_cast<std::uint32_t>(std::min(resident * block_tokens, most));
    const auto tokens = static_cast<std::uint32_t>(std::min(n * block_tokens, most)) - past;
    if (tokens == 0)
      break;
    const PrefillChunk chunk{.tokens = tokens, .past = past, .last = false};
    const Seconds saved = spec_.model->cost({&chunk, 1}, 0, 0).latency - fetching;
    if (saved > gain) {
      gain = saved;
      best = n;
      time = fetching;
    }
  }
  return best;
}

/// Refers to what is there of a prompt. The time until it is in device memory.
Seconds Replica::reuse_prompt(RequestId id) {
  Sequence& s = sequence(id);
  Seconds time;
  const PrefixCache::Blocks found = prefix(id, request(id).input).first(worth_fetching(id, time));
  const auto block_tokens = static_cast<std::size_t>(requests_->stream->block_tokens);
  std::int64_t fetched = 0;
  for (const std::uint32_t block : found) {
    if (memory_->cache.hold(block)) {
      fetched += memory_->cached;
      const std::size_t tier = *memory_->below.find(block);
      totals_.tier_tokens[tier] += block_tokens;
      memory_->below.touch(block);
    }
    ++s.shared;
  }
  memory_->charge(fetched);
  s.computed = static_cast<std::uint32_t>(std::min<std::size_t>(found.size() * block_tokens, request(id).input - 1));
  totals_.cached_tokens += s.computed;
  return time;
}

/// The time until a sequence that lies in host memory is back.
Seconds Replica::bring_back(RequestId id) {
  const auto found = requests_->paused.find(id);
  if (found == requests_->paused.end() || !found->second.swapped)
    return {};
  Paused& paused = found->second;
  paused.swapped = false;
  const std::uint32_t tokens = sequence(id).prompt;
  const std::int64_t blocks = memory_->blocks(tokens);
  totals_.swapped_in += static_cast<std::uint64_t>(blocks);
  if (spec_.moves.keep_copies)
    paused.valid = static_cast<std::int64_t>(tokens / memory_->block); // the last one grows
  else
    drop_copies(paused);
  return spec_.tiers.front().up(blocks);
}

void Replica::drop_copies(Paused& paused) {
  if (paused.held > 0)
    memory_->below.give(paused.held);
  paused.held = paused.valid = 0;
}

/// Takes room in host memory, from copies of those that run where there is none. Whether it was there.
bool Replica::swap_out(const Slot& slot, Paused& paused, std::int64_t blocks) {
  if (!spec_.moves.swap || spec_.tiers.empty())
    return false;
  auto next = slot.admitted.begin();
  while (!memory_->below.take(blocks - paused.held)) {
    next = std::find_if(next, slot.admitted.end(), [&](const Member& member) {
      const auto found = requests_->paused.find(member.id);
      return lives(member) && found != requests_->paused.end() && found->second.held > 0;
    });
    if (next == slot.admitted.end()) {
      drop_copies(paused);
      return false;
    }
    drop_copies(requests_->paused.at(next->id));
  }
  const std::int64_t valid = std::min(paused.valid, blocks);
  totals_.swapped_out += static_cast<std::uint64_t>(blocks - valid);
  totals_.reused += static_cast<std::uint64_t>(valid);
  if (!overlaps())
    moving_ += spec_.tiers.front().down(blocks - valid);
  paused.held = paused.valid = blocks; // until it is back
  paused.swapped = true;
  return true;
}

void Replica::wait_for_blocks(Slot& slot, RequestId id, Seconds time, Seconds now) {
  way_up_ = std::max(way_up_, now) + time;
  booked_.push_back(way_up_);
  coming_.push_back({static_cast<std::size_t>(&slot - slots_.data()), {id, sequence(id).admission}});
  ++slot.coming;
}

std::vector<Seconds> Replica::take_moves(Seconds now) {
  std::vector<Seconds> left;
  for (const Seconds time : booked_)
    left.push_back(time - now);
  booked_.clear();
  return left;
}

void Replica::arrived() {
  assert(!coming_.empty());
  const Coming first = coming_.front();
  coming_.pop_front();
  if (lives(first.member)) // else it was preempted on its way
    slots_[first.slot].arrived.push_back(first.member.id);
}

void Replica::receive(Slot& slot) {
  for (const RequestId id : slot.arrived) {
    --slot.coming;
    begin(slot, id);
  }
  slot.arrived.clear();
}

} // namespace orrery
