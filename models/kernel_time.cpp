#include "models/kernel_time.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

namespace orrery {

namespace {

struct Tile {
  double rows;
  double columns;
  double per_row = 1 / rows; // exact: all sizes are powers of two
  double per_column = 1 / columns;

  /// Operand elements read for each product.
  [[nodiscard]] constexpr double perimeter() const { return per_row + per_column; }
};

// Tile shapes of the vendor libraries, larger first. Products of few rows have tiles of few rows.
constexpr std::array<Tile, 9> library_tiles{
    {{256, 128}, {128, 256}, {128, 128}, {128, 64}, {64, 128}, {64, 64}, {32, 64}, {16, 128}, {64, 16}}};

constexpr double query_block = 128;
constexpr double few_queries = 16;
constexpr double wide_tile = 64;           // of packed queries, where they are no fewer
constexpr double smallest_split = 256;     // elements of k that one part of a split product keeps
constexpr std::int64_t row_alignment = 16; // bytes
constexpr double half_bytes = 2;           // results of narrower operands are in half precision
constexpr double widening_rows = 64;       // of a tile that shares a widened weight
constexpr double tensor_memory_rows = 64;  // of a tile that multiplies there, on Blackwell
constexpr double widening_flops = 3;       // slots of the vector unit: 1.5 instructions of two FLOPs

/// std::ceil without a call; shapes are far below 2^63.
double ceiling(double x) {
  const auto whole = static_cast<double>(static_cast<std::int64_t>(x));
  return whole + (whole < x ? 1 : 0);
}

double ceil_div(double a, double b) { return ceiling(a / b); }

/// A little longer than the longer: by sqrt(1 + exposed) where both are equal, by nothing where one is much the shorter.
double overlapped(double a, double b, double exposed) {
  const double longer = std::max(a, b);
  const double shorter = std::min(a, b);
  return std::sqrt(longer * longer + exposed * shorter * shorter);
}

bool misaligned(double elements, double element) { return static_cast<std::int64_t>(elements * element) % row_alignment != 0; }

double slowdown_of(const Tile& tile, const MatmulCurve& curve) {
  return 1 + curve.edge * (tile.perimeter() - library_tiles.front().perimeter());
}

/// A tile and how many of them, down and across, start together as a cluster, whether the matrix reaches that far or not.
struct ClusteredTile {
  Tile tile;
  double down = 1;
  double across = 1;
};

/// sm90_fp8_config_* of vLLM (csrc/quantization/w8a8/cutlass/c3x/scaled_mm_sm90_fp8_dispatch.cuh); of few rows the operands change places.
ClusteredTile tile_by_rows(const Matmul& shape) {
  if (const bool narrow = shape.n <= 1280; shape.m <= 16 || (shape.m <= 64 && narrow))
    return {{16, 64}, 1, !narrow ? 1.0 : shape.m <= 16 ? 2.0 : 4.0};
  if (shape.m <= 64)
    return {{64, 64}};
  if (shape.m <= 128)
    return {{64, 128}, 2};
  return {shape.m >= 8192 && shape.k >= 6144 ? Tile{256, 128} : Tile{128, 128}, 2};
}

double clustered_flops(const Matmul& shape, double multiprocessors, const MatmulCurve& curve) {
  const auto [tile, down, across] = tile_by_rows(shape);
  const double count =
      shape.batch * down * ceil_div(ceiling(shape.m * tile.per_row), down) * across * ceil_div(ceiling(shape.n * tile.per_column), across);
  return 2 * multiprocessors * ceil_div(count, multiprocessors) * tile.rows * tile.columns * (shape.k + curve.tile_overhead) *
         slowdown_of(tile, curve);
}

/// Time of all tiles in units of "FLOPs at the rate of the largest tile, the whole device busy".
double tiled_flops(const Matmul& shape, double multiprocessors, const MatmulCurve& curve) {
  if (curve.tiles == TileChoice::by_rows)
    return clustered_flops(shape, multiprocessors, curve);
  double best = std::numeric_limits<double>::infinity();
  const double share = 1 / multiprocessors;
  constexpr double rounding = 1e-7; // far below the share of one multiprocessor
  const double deepest = std::max(1.0, shape.k * (1 / smallest_split));
  // Of tiles that fill the matrix and leave no multiprocessor idle, whatever their shape.
  const double ideal = shape.batch * shape.m * shape.n * (shape.k + curve.tile_overhead) * share * (1 - 2 * rounding);
  for (const Tile& tile : library_tiles) {
    const double slowdown = slowdown_of(tile, curve);
    if (ideal * slowdown >= best) // smaller tiles are slower still
      break;
    const double count = shape.batch * ceiling(shape.m * tile.per_row) * ceiling(shape.n * tile.per_column);
    double waves = 1;
    double depth = shape.k;
    if (count <= multiprocessors)
      depth /= std::min(static_cast<double>(static_cast<std::int64_t>(multiprocessors / count)), deepest);
    else
      waves = ceiling(count * share - rounding);
    best = std::min(best, waves * tile.rows * tile.columns * (depth + curve.tile_overhead) * slowdown);
  }
  return 2 * best * multiprocessors;
}

/// The same of a grouped product.
double grouped_flops(const GroupedMatmul& shape, bool widened, double multiprocessors, const MatmulCurve& curve) {
  const bool gradient = shape.weight_gradient;
  const double mean = shape.rows / shape.groups;
  const bool alike = shape.busiest <= mean * 1.001;
  const double depth = gradient ? mean : shape.k;
  const double m = gradient ? shape.n : mean;
  const double n = gradient ? shape.k : shape.n;
  const auto work = [&](const Tile& tile) {
    const double slowdown = slowdown_of(tile, curve);
    const double down = m * tile.per_row;
    const double per_group = gradient || alike ? ceiling(down) : std::max(1.0, down + 0.5);
    const double count = std::min(shape.groups, shape.rows) * per_group * ceiling(n * tile.per_column);
    const double waves = std::max(count / multiprocessors, 1.0);
    const double whole = alike ? ceiling(waves - 1e-7) : waves + 0.5 * (count > multiprocessors ? 1 : 0);
    const double deepest = gradient ? std::max(whole * (depth + curve.tile_overhead), shape.busiest + curve.tile_overhead)
                                    : whole * (depth + curve.tile_overhead);
    return 2 * tile.rows * tile.columns * deepest * slowdown * multiprocessors;
  };
  if (shape.tile.rows > 0 && shape.tile.columns > 0)
    return work({shape.tile.rows, shape.tile.columns});
  double best = std::numeric_limits<double>::infinity();
  for (const Tile& tile : library_tiles)
    if (!widened || tile.rows <= widening_rows)
      best = std::min(best, work(tile));
  return best;
}

/// Seconds in which the vector lanes widen weights that are kept in fewer bits than they are multiplied in, once for each block of rows.
double widening_time(double elements, double rows, double weight_bytes, bool mixed, const UnitRates& unit) {
  if (mixed || weight_bytes == 0 || weight_bytes >= unit.element || unit.unaligned_peak <= 0)
    return 0;
  return elements * ceil_div(rows, widening_rows) * widening_flops / unit.unaligned_peak;
}

/// What the main loop of a product runs at.
double product_rate(const UnitRates& unit, const MatmulCurve& curve, bool slow, double tenfolds) {
  return (slow && unit.unaligned_peak > 0 ? unit.unaligned_peak : unit.peak) * curve.rate / (1 + curve.sustained * tenfolds);
}

/// Fills in the times of a product of known FLOPs, bytes and widening (as TimeParts::compute); `computed` = FLOPs with what its tiles
/// waste.
void time_product(TimeParts& parts, double computed, bool slow, const UnitRates& unit, const MatmulCurve& curve) {
  const double widening = parts.compute;
  parts.tenfolds = tenfolds_of(parts.flops);
  parts.compute = computed / product_rate(unit, curve, slow, parts.tenfolds);
  if (widening > 0)
    parts.compute = overlapped(parts.compute, widening, 1);
  parts.memory = parts.bytes / (unit.bandwidth * curve.memory);
  parts.floor = curve.floor.si();
  parts.time = parts.floor + overlapped(parts.compute, parts.memory, curve.exposed);
}

/// Keys that a query sees, on average over the queries.
double mean_keys(const FusedAttention& shape) {
  const double reach = reached_keys(shape);
  if (!shape.causal)
    return reach;
  const double first = shape.keys - shape.queries + 1; // seen by the first query; the last one sees all
  if (reach <= first)
    return reach;
  const double growing = reach - first; // queries that see less than the window
  return (growing * (first + reach - 1) / 2 + (shape.queries - growing) * reach) / shape.queries;
}

/// What reading loses before the memory runs at its full rate: as long again where it is short, `fill` where it is long.
double filling(double steady, Seconds fill) { return fill > Seconds{} ? steady * fill.si() / (steady + fill.si()) : 0; }

} // namespace

double tenfolds_of(double flops) { return flops > sustained_from ? std::log10(flops / sustained_from) : 0; }

double reached_keys(const FusedAttention& shape) { return shape.window > 0 ? std::min(shape.window, shape.keys) : shape.keys; }

TimeParts matmul_time(const Matmul& shape, const UnitRates& unit, const MatmulCurve& curve) {
  TimeParts parts;
  parts.flops = 2 * shape.batch * shape.m * shape.n * shape.k;
  const double result = shape.result_bytes > 0 ? shape.result_bytes : std::max(half_bytes, unit.element);
  const double weight = shape.weight_bytes > 0 ? shape.weight_bytes : unit.element;
  parts.bytes = shape.batch * (unit.element * shape.m * shape.k + weight * shape.k * shape.n + result * shape.m * shape.n);
  const bool slow = misaligned(shape.k, unit.element) || misaligned(shape.n, unit.element);
  parts.compute = widening_time(shape.batch * shape.k * shape.n, shape.m, shape.weight_bytes, shape.mixed, unit);
  MatmulCurve tiled = curve;
  if (slow && unit.unaligned_peak > 0)
    tiled.edge = 0; // what the vector lanes compute, small tiles bring in soon enough
  time_product(parts, unit.multiprocessors > 1 ? tiled_flops(shape, unit.multiprocessors, tiled) : parts.flops, slow, unit, curve);
  return parts;
}

TimeParts grouped_matmul_time(const GroupedMatmul& shape, const UnitRates& unit, const MatmulCurve& curve, const IdleTileCurve& idle) {
  TimeParts parts;
  parts.flops = 2 * shape.rows * shape.n * shape.k;
  const double weight = shape.weight_bytes > 0 ? shape.weight_bytes : unit.element;
  const bool widened = weight < unit.element && !shape.mixed;
  const double groups = std::min(shape.groups, shape.rows);
  parts.bytes = shape.rows * (unit.element * shape.k + std::max(half_bytes, unit.element) * shape.n) + weight * groups * shape.n * shape.k;
  parts.compute = widening_time(groups * shape.k * shape.n, shape.rows / groups, shape.weight_bytes, shape.mixed, unit);
  time_product(parts, unit.multiprocessors > 1 ? grouped_flops(shape, widened, unit.multiprocessors, curve) : parts.flops, false, unit,
               curve);
  if (shape.idle.count > 0) {
    const double zeros = half_bytes * shape.idle.rows * shape.n;
    const double start = (shape.idle.tile_rows < tensor_memory_rows ? idle.small : idle.large).si();
    const double time = shape.idle.count * start + zeros / (unit.bandwidth * idle.memory);
    parts.bytes += zeros;
    parts.floor += time;
    parts.time += time;
  }
  return parts;
}

TimeParts attention_time(const FusedAttention& shape, const UnitRates& unit, const AttentionCurve& curve) {
  TimeParts parts;
  const double value_dim = shape.value_dim > 0 ? shape.value_dim : shape.head_dim;
  const double width = (shape.head_dim + value_dim) / 2;
  const double seen = mean_keys(shape);
  const double heads = shape.batch * shape.heads;
  const double factor = shape.backward ? 2.5 : 1;
  parts.flops = factor * 4 * heads * shape.queries * seen * width;
  // Kernels for few queries pack the heads that share keys into one small block; the others pad to whole blocks.
  const bool decode = shape.queries < few_queries;
  const double packed = shape.queries * shape.heads / shape.kv_heads;
  const double rows = decode ? few_queries * ceil_div(packed, few_queries) : std::min(query_block, shape.queries);
  const double blocks = decode ? shape.batch * shape.kv_heads : heads * ceil_div(shape.queries, rows);
  // A causal block walks over whole tiles of keys, half of the last one in vain.
  const double keys = decode ? seen : std::min(shape.keys, seen + rows / 2);
  const auto block_flops = [&](double walked) {
    return 4 * (rows * walked + (decode ? 0 : query_block * curve.block_overhead)) * (width + curve.softmax);
  };
  const double held = shape.kept_bytes > 0 ? shape.kept_bytes : unit.element;
  const CacheReading& reading = held < unit.element ? curve.narrow_cache : curve.cache;
  const double rate = unit.peak * curve.rate * (decode ? reading.rate : shape.backward ? curve.backward_rate : 1);
  if (unit.multiprocessors > 1 && decode) // the keys of a sequence are split over idle multiprocessors
    parts.compute = factor * std::max(blocks, 1.0) * block_flops(keys) / rate;
  else if (unit.multiprocessors > 1) {
    // Causal blocks are uneven: the last ones leave the multiprocessors that had one idle.
    const double even = blocks / unit.multiprocessors;
    const double block = block_flops(keys);
    const double end = curve.tail * block_flops(reached_keys(shape)) * std::min(1.0, even);
    parts.compute = factor * unit.multiprocessors * std::max(block, even * block + end) / rate;
  } else
    parts.compute = parts.flops * (1 + curve.softmax / width) / rate;
  const double queries = heads * shape.queries * (shape.head_dim + value_dim);
  const double kept =
      shape.batch * shape.kv_heads * (decode ? seen : shape.keys) * (shape.head_dim + (shape.shared_values ? 0 : value_dim));
  parts.bytes = (shape.backward ? 2 : 1) * (unit.element * queries + held * kept);
  if (decode) {
    const double tiles = packed < wide_tile ? ceil_div(packed, few_queries) : 1;
    const double walks = 1 + reading.repeated * (tiles - 1);
    const double steady = (unit.element * queries / curve.memory + held * kept * walks / reading.memory) / unit.bandwidth;
    parts.memory = steady + filling(steady, curve.fill);
  } else
    parts.memory = parts.bytes / (unit.bandwidth * curve.memory);
  parts.floor = decode ? curve.decode_floor.si() : curve.floor.si();
  const double starts = decode && unit.multiprocessors > 1 ? blocks / unit.multiprocessors * reading.start.si() : 0;
  parts.time = parts.floor + overlapped(std::max(parts.compute, parts.memory), starts, reading.exposed);
  return parts;
}

TimeParts scan_time(const ChunkScan& shape, const UnitRates& unit, const ScanCurve& curve) {
  TimeParts parts;
  const double chains = shape.sequences * shape.heads;
  const double chunks = std::ceil(shape.tokens / shape.chunk);
  parts.flops = shape.passes() * chains * shape.tokens * shape.flops;
  parts.bytes = shape.passes() * chains * shape.tokens * shape.bytes;
  // Chains of which many multiprocessors have none cannot be divided; without multiprocessors they fill the unit.
  const double waves = unit.multiprocessors > 1 ? ceil_div(chains, unit.multiprocessors) : chains;
  const double link = shape.chunk * shape.flops / (unit.peak * curve.rate / unit.multiprocessors);
  const double start = unit.multiprocessors > 1 ? curve.start.si() : 0;
  parts.compute = shape.passes() * waves * (start + chunks * link);
  parts.memory = parts.bytes / unit.bandwidth;
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
