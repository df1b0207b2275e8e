// KV memory of prompts that later requests may share: blocks by identity, kept after use until their room is needed.
//
// What:    which leading blocks of a request are resident; references of running sequences; eviction of the least recently used.
// Source:  vLLM's automatic prefix caching: blocks are freed from the end of a sequence to its start, which stays longest.
// Units:   blocks of the request stream (RequestStream::block_tokens).
// Valid:   an identity stands for a block and all before it.
#pragma once

#include "sim/engine/kv_tiers.hpp"

#include <cstdint>
#include <list>
#include <span>
#include <unordered_map>

namespace orrery {

class PrefixCache {
public:
  using Blocks = std::span<const std::uint32_t>;

  /// Leading blocks that are resident.
  [[nodiscard]] std::size_t match(Blocks blocks) const;
  /// Of resident blocks, those that nothing refers to.
  [[nodiscard]] std::int64_t idle(Blocks blocks) const;
  /// Refers to a block. Whether it was not resident before.
  bool hold(std::uint32_t block);
  /// Gives back one reference to each, the last one first.
  void release(Blocks blocks);
  /// Whether a block is resident.
  [[nodiscard]] bool holds(std::uint32_t block) const { return entries_.contains(block); }
  /// Hands up to `count` blocks that nothing refers to down. How many.
  std::int64_t evict(std::int64_t count, KvTiers& below);

  [[nodiscard]] std::int64_t evictable() const { return static_cast<std::int64_t>(order_.size()); }

private:
  struct Entry {
    std::uint32_t references = 0;
    std::list<std::uint32_t>::iterator place; ///< in `order_` where there are no references
  };

  std::unordered_map<std::uint32_t, Entry> entries_;
  std::list<std::uint32_t> order_; ///< blocks without references, the next to go first
};

} // namespace orrery
