#include "models/kernel_time.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace orrery {

namespace {

struct Tile {
  double rows;
  double columns;
};

// Tile shapes of the vendor libraries, larger first. Products of few rows have tiles of few rows.
constexpr std::array<Tile, 9> tiles{{{256, 128}, {128, 256}, {128, 128}, {128, 64}, {64, 128}, {64, 64}, {32, 64}, {16, 128}, {64, 16}}};

constexpr double row_alignment = 16; // bytes, NVIDIA Matrix Multiplication Background guide

double ceil_div(double a, double b) { return std::ceil(a / b); }

/// Longer + exposed x shorter.
double overlapped(double a, double b, double exposed) { return std::max(a, b) + exposed * std::min(a, b); }

bool misaligned(double elements, double element) { return std::fmod(elements * element, row_alignment) != 0; }

/// Time of all tiles in units of "FLOPs at the full rate of the device".
double tiled_flops(const Matmul& shape, double multiprocessors, const MatmulCurve& curve) {
  double best = std::numeric_limits<double>::infinity();
  for (const Tile tile : tiles) {
    const double count = shape.batch * ceil_div(shape.m, tile.rows) * ceil_div(shape.n, tile.columns);
    const double split = std::clamp(std::floor(multiprocessors / count), 1.0, std::max(1.0, shape.k / 256));
    const double waves = std::ceil(count * split / multiprocessors);
    const double depth = shape.k / split + curve.tile_overhead;
    const double slowdown = 1 + curve.edge * (1 / tile.rows + 1 / tile.columns);
    best = std::min(best, waves * 2 * tile.rows * tile.columns * depth * slowdown);
  }
  return best * multiprocessors;
}

} // namespace

TimeParts matmul_time(const Matmul& shape, const UnitRates& unit, const MatmulCurve& curve) {
  TimeParts parts;
  parts.flops = 2 * shape.batch * shape.m * shape.n * shape.k;
  parts.bytes = unit.element * shape.batch * (shape.m * shape.k + shape.k * shape.n + shape.m * shape.n);
  const bool slow = misaligned(shape.k, unit.element) || misaligned(shape.n, unit.element);
  const double rate = unit.peak * curve.rate * (slow ? curve.misaligned : 1);
  parts.compute = (unit.multiprocessors > 1 ? tiled_flops(shape, unit.multiprocessors, curve) : parts.flops) / rate;
  const double resident = unit.cache > 0 ? std::max(0.0, 1 - parts.bytes / unit.cache) : 0;
  parts.memory = parts.bytes / unit.bandwidth * ((1 - resident) / curve.memory + resident / curve.cache);
  parts.floor = curve.floor.si();
  parts.time = parts.floor + overlapped(parts.compute, parts.memory, curve.exposed);
  return parts;
}

TimeParts attention_time(const FusedAttention& shape, const UnitRates& unit, const AttentionCurve& curve) {
  constexpr double block = 128;   // queries
  constexpr double smallest = 16; // rows of the smallest matrix instruction
  TimeParts parts;
  const double mean_keys = shape.causal ? shape.keys - (shape.queries - 1) / 2 : shape.keys;
  const double heads = shape.batch * shape.heads;
  const double factor = shape.backward ? 2.5 : 1;
  parts.flops = factor * 4 * heads * shape.queries * mean_keys * shape.head_dim;
  const double rows = shape.queries >= block ? block : std::max(smallest, shape.queries);
  const double blocks = heads * ceil_div(shape.queries, rows);
  // A causal block reads whole tiles of keys, half of the last one in vain.
  const double keys = std::min(shape.keys, mean_keys + rows / 2) + curve.block_overhead;
  const double block_flops = 4 * rows * keys * (shape.head_dim + curve.softmax);
  const double rate = unit.peak * curve.rate * (shape.backward ? curve.backward_rate : 1);
  parts.compute = factor * std::max(blocks, unit.multiprocessors) * block_flops / rate;
  const double queries = heads * shape.queries * shape.head_dim;
  const double kept = 2 * shape.batch * shape.kv_heads * shape.keys * shape.head_dim;
  parts.bytes = unit.element * (shape.backward ? 4 * queries + 2 * kept : 2 * queries + kept);
  parts.memory = parts.bytes / (unit.bandwidth * curve.memory);
  parts.floor = curve.floor.si();
  parts.time = parts.floor + std::max(parts.compute, parts.memory);
  return parts;
}

TimeParts streaming_time(const Streaming& shape, int kernels, const UnitRates& unit, const StreamingCurve& curve) {
  TimeParts parts;
  parts.flops = shape.flops.si();
  parts.bytes = (shape.read + shape.written).si();
  parts.compute = unit.peak > 0 ? parts.flops / unit.peak : 0;
  parts.memory = parts.bytes / (unit.bandwidth * curve.memory);
  parts.floor = kernels * curve.floor.si();
  parts.time = parts.floor + std::max(parts.compute, parts.memory);
  return parts;
}

} // namespace orrery
