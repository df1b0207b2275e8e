// Paged KV memory of a replica, or of replicas that share devices: blocks in use, and those kept for prompts that start alike.
#pragma once

#include "sim/engine/prefix_cache.hpp"

#include <algorithm>
#include <cstdint>

namespace orrery {

class Replica;

struct KvMemory {
  std::int64_t capacity = 0; ///< blocks
  std::uint64_t block = 16;  ///< tokens
  std::int64_t cached = 1;   ///< blocks of a block of the prefix cache
  std::int64_t used = 0;     ///< blocks, those of the cache included
  std::int64_t peak = 0;
  int replicas = 0;           ///< that use it
  Replica* prefill = nullptr; ///< of these, the one that computes prompts for the others
  Replica* decode = nullptr;  ///< the other one, where parts of the devices move between them
  PrefixCache cache;
  KvTiers below;

  [[nodiscard]] std::int64_t blocks(std::uint64_t tokens) const { return static_cast<std::int64_t>((tokens + block - 1) / block); }
  /// Blocks that no sequence holds.
  [[nodiscard]] std::int64_t room() const { return capacity - used + cache.evictable() * cached; }
  /// Takes blocks, from the cache where none is free.
  void charge(std::int64_t count) {
    used += count;
    if (const std::int64_t beyond = used - capacity; beyond > 0)
      used -= cache.evict((beyond + cached - 1) / cached, below) * cached;
    peak = std::max(peak, used);
  }
};

} // namespace orrery
