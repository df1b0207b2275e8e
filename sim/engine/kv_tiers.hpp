// Memory below a replica's device memory (host, CXL, NVMe): KV blocks that the prefix cache evicts, and preempted sequences.
//
// What:    which evicted blocks lie in which tier, the room that sequences take in the first one, and how long blocks take on their way.
// Formula: n blocks take latency + max(n x time of a block, copies x host time of one), a copy moving `unit` blocks that lie side by side.
//          A block that is evicted goes to the first tier; the least recently used of a full tier goes to the next, from the last it is
//          lost. What comes up leaves a copy behind. Sequences push cached blocks out.
// Source:  vLLM (swap_blocks: a copy for each block and layer), FastSwitch (arXiv 2411.18424; groups of blocks), CachedAttention (arXiv
//          2403.19708; host memory above drives), Mooncake (arXiv 2407.00079).
// Units:   SI; blocks of the replica's paged memory, over all its devices.
// Valid:   links that carry both directions at once; what is evicted goes down beside iterations and is never what is short.
#pragma once

#include "sim/base/units.hpp"

#include <cstdint>
#include <list>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

namespace orrery {

struct KvTier {
  std::int64_t blocks = 0; ///< that it holds for the replica
  Seconds read;            ///< of a block on its way up
  Seconds write;           ///< and down
  Seconds latency;         ///< of a transfer
  Seconds copy;            ///< host time that starts one copy
  int unit = 1;            ///< blocks that a copy moves

  [[nodiscard]] Seconds up(std::int64_t count) const { return moved(count, read); }
  [[nodiscard]] Seconds down(std::int64_t count) const { return moved(count, write); }

private:
  [[nodiscard]] Seconds moved(std::int64_t count, Seconds block) const;
};

/// What lies in the tiers of a replica.
class KvTiers {
public:
  KvTiers() = default;
  /// `cached` = blocks of a block of the prefix cache.
  KvTiers(std::span<const KvTier> tiers, std::int64_t cached);

  /// The tier that holds a block of the prefix cache.
  [[nodiscard]] std::optional<std::size_t> find(std::uint32_t block) const;
  /// A block was evicted from device memory.
  void put(std::uint32_t block);
  /// A block was read: it becomes the last to go.
  void touch(std::uint32_t block);
  /// Room in the first tier for `count` blocks of a sequence. Whether it was there.
  bool take(std::int64_t count);
  void give(std::int64_t count) { levels_.front().sequences -= count; }
  /// Most blocks that sequences had in the first tier.
  [[nodiscard]] std::int64_t peak() const { return peak_; }

private:
  struct Level {
    std::int64_t capacity = 0;
    std::int64_t sequences = 0;
    std::list<std::uint32_t> order; ///< cached blocks, the next to go first
  };
  struct Place {
    std::size_t level = 0;
    std::list<std::uint32_t>::iterator entry;
  };

  [[nodiscard]] bool full(const Level& level, std::int64_t more) const {
    return level.sequences + static_cast<std::int64_t>(level.order.size()) * cached_ + more > level.capacity;
  }
  void insert(std::uint32_t block, std::size_t level);
  void push_down(std::size_t level);

  std::vector<Level> levels_;
  std::unordered_map<std::uint32_t, Place> places_;
  std::int64_t cached_ = 1;
  std::int64_t peak_ = 0;
};

} // namespace orrery
