#include "workloads/expert_tiles.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {

namespace {

constexpr double scaled_block = 128; // rows and columns of a weight that share a scale
constexpr double few_tokens = 64;

} // namespace

ExpertTile default_tile(ExpertTiles rule, bool block_scaled, double tokens, double held) {
  if (rule == ExpertTiles::tuned || (rule == ExpertTiles::by_tokens && !block_scaled))
    return {};
  if (block_scaled)
    return {rule == ExpertTiles::by_tokens && tokens <= few_tokens ? 16.0 : 64.0, scaled_block};
  return tokens <= held ? ExpertTile{16, 32} : ExpertTile{64, 64};
}

IdleTiles idle_tiles(ExpertTile tile, double tokens, double experts, double rows, double n) {
  if (experts <= 0 || rows <= 0)
    return {};
  if (tile.rows == 0)
    tile = {tokens <= 32 ? 16.0 : tokens <= 96 ? 32.0 : tokens <= 512 ? 64.0 : 128.0, tokens <= few_tokens ? 64.0 : 128.0};
  const double blocks = experts * std::ceil(std::max(1.0, rows / experts) / tile.rows);
  return {.count = blocks * std::ceil(n / tile.columns), .tile_rows = tile.rows, .rows = rows};
}

} // namespace orrery
