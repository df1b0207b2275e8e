#include "sim/engine/prefix_cache.hpp"

#include <algorithm>
#include <cassert>
#include <iterator>

namespace orrery {

std::size_t PrefixCache::match(Blocks blocks) const {
  const auto absent = std::ranges::find_if(blocks, [&](std::uint32_t block) { return !entries_.contains(block); });
  return static_cast<std::size_t>(absent - blocks.begin());
}

std::int64_t PrefixCache::idle(Blocks blocks) const {
  return std::ranges::count_if(blocks, [&](std::uint32_t block) { return entries_.at(block).references == 0; });
}

bool PrefixCache::hold(std::uint32_t block) {
  const auto [found, fresh] = entries_.try_emplace(block);
  if (!fresh && found->second.references == 0)
    order_.erase(found->second.place);
  ++found->second.references;
  return fresh;
}

void PrefixCache::release(Blocks blocks) {
  for (std::size_t i = blocks.size(); i-- > 0;) {
    Entry& entry = entries_.at(blocks[i]);
    assert(entry.references > 0);
    if (--entry.references == 0)
      entry.place = order_.insert(order_.end(), blocks[i]);
  }
}

std::int64_t PrefixCache::evict(std::int64_t count, KvTiers& below) {
  const std::int64_t gone = std::min(count, evictable());
  for (std::int64_t i = 0; i < gone; ++i) {
    entries_.erase(order_.front());
    below.put(order_.front());
    order_.pop_front();
  }
  return gone;
}

} // namespace orrery
