#include "sim/engine/kv_tiers.hpp"

#include <algorithm>

namespace orrery {

Seconds KvTier::moved(std::int64_t count, Seconds block) const {
  if (count == 0)
    return {};
  const std::int64_t copies = (count + unit - 1) / unit;
  return latency + std::max(static_cast<double>(count) * block, static_cast<double>(copies) * copy);
}

KvTiers::KvTiers(std::span<const KvTier> tiers, std::int64_t cached) : cached_(cached) {
  for (const KvTier& tier : tiers)
    levels_.push_back({.capacity = tier.blocks});
}

std::optional<std::size_t> KvTiers::find(std::uint32_t block) const {
  const auto found = places_.find(block);
  return found == places_.end() ? std::nullopt : std::optional(found->second.level);
}

void KvTiers::push_down(std::size_t level) {
  const std::uint32_t block = levels_[level].order.front();
  levels_[level].order.pop_front();
  places_.erase(block);
  insert(block, level + 1);
}

void KvTiers::insert(std::uint32_t block, std::size_t level) {
  for (; level < levels_.size(); ++level) {
    Level& here = levels_[level];
    while (full(here, cached_) && !here.order.empty())
      push_down(level);
    if (full(here, cached_))
      continue; // sequences hold all of it
    places_[block] = {.level = level, .entry = here.order.insert(here.order.end(), block)};
    return;
  }
}

void KvTiers::put(std::uint32_t block) {
  if (levels_.empty())
    return;
  if (const auto found = places_.find(block); found == places_.end())
    insert(block, 0);
  else
    touch(block); // its copy is there
}

void KvTiers::touch(std::uint32_t block) {
  const Place& place = places_.at(block);
  std::list<std::uint32_t>& order = levels_[place.level].order;
  order.splice(order.end(), order, place.entry);
}

bool KvTiers::take(std::int64_t count) {
  if (levels_.empty())
    return false;
  Level& first = levels_.front();
  if (first.sequences + count > first.capacity)
    return false;
  while (full(first, count))
    push_down(0);
  first.sequences += count;
  peak_ = std::max(peak_, first.sequences);
  return true;
}

} // namespace orrery
