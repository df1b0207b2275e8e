// Closed forms of the kernel times, with their constants as arguments: shared by KernelModel and by the fits.
//
// Matrix product. The output is cut into tiles; tiles are dealt to the multiprocessors in waves, the last one partly empty. A tile of a
// rows and b columns takes 2 a b (k + k0) FLOPs at rate x peak / multiprocessors, slowed by 1 + edge (1/a + 1/b - 1/256 - 1/128). Where
// there are fewer tiles than multiprocessors, k is split into parts of at least 256. The library picks the best tile, so the minimum over
// tile shapes counts. A serving engine's kernels have one shape for each range of rows instead and split nothing (TileChoice::by_rows);
// their tiles start in clusters, so that 129 rows take as many as 256. Where rows of operands are no multiple of 16 bytes, tensor
// instructions cannot load them and the product runs on the vector unit at its FP32 rate (NVIDIA, Matrix Multiplication Background User's
// Guide: tensor cores ask for that alignment); later library releases pad in registers and lose less; small tiles (`edge`) cost those lanes
// nothing. Long products lose rate to power by `sustained`. Memory: each operand once. Time = floor + sqrt(longer^2 + exposed shorter^2).
//
// Weights that are kept in fewer bits than they are multiplied in are read as they are kept and widened once for each 64 rows, 1.5 vector
// instructions a weight (a mask, a subtraction and a scaling for each pair: MARLIN, arXiv 2408.11743), beside the product: the root of the
// sum of both squares. Blocks of experts' rows then have no more than those 64.
//
// Grouped product. Matrices of experts are padded to that alignment when they are loaded. One kernel deals the tiles of all groups to the
// multiprocessors, so a group that is larger than the others costs no more than its tiles. Where groups are alike, each ends in a whole
// number of tiles; else half a tile of each is empty on average. No k is split. A group without rows reads no matrix. Weight gradients are
// groups products of their own depth; none ends before the deepest. Tiles over rows of other ranks' experts cost the device their start
// and the zeros that they write, beside the others (IdleTileCurve).
//
// Fused attention. Blocks of 128 queries of one head walk over their keys: FLOPs 4 (d + softmax) per score, d the mean width of keys and
// values, plus k0 keys per block; a causal block skips the keys beyond its own queries, a window those out of its reach. Blocks are dealt
// to the multiprocessors as these come free, the uneven ones of causal attention too: at the end they are idle for `tail` of the longest
// block, which is little where many follow one another. With few queries, the heads that share keys are packed into blocks of 16 rows, one
// block for each sequence and head of keys, and the start of a block (queries, page table, first tile) is work of its multiprocessor beside
// the reading: floor + sqrt(longer^2 + exposed shorter^2). Memory: queries, keys, values, outputs once. Few queries read the cache by
// curves of their own, one for what is kept in fewer bits (cache, narrow_cache), which say too at what share of the rate of prompts they
// compute, and how much of the cache each further block of 16 rows reads again: on Blackwell half, where 32 heads share latent keys, and
// from 64 rows on, for which there are larger blocks, nothing. Backward: 2.5 times the FLOPs (five products for two). Kernels of few
// queries reach the memory's full rate only after a while (the pipeline of their loads fills): t + t fill / (t + fill) for what takes t at
// that rate. The fill is the device's, fitted to plain heads, and the same for narrow caches and latent attention.
//
// Chunked scan. Every head of a sequence is a chain of chunks that one multiprocessor works off in a kernel, in waves where there are more
// chains than multiprocessors: floor + ceil(chains / multiprocessors) (start + chunks x FLOPs of a chunk / (rate x peak /
// multiprocessors)).
//
// Streaming. kernels x floor + bytes / (bandwidth x share), or the FLOPs at the vector unit's peak if they take longer; engines of 2023 and
// 2024 with a share of their own for kernels whose threads load one element at a time (ScalarKernels).
#pragma once

#include "models/kernel_curves.hpp"
#include "sim/base/units.hpp"
#include "workloads/graph.hpp"

namespace orrery {

/// FLOPs beyond which a product lasts long enough to be slowed by power.
inline constexpr double sustained_from = 3e11;
/// How many times tenfold of that a product is.
double tenfolds_of(double flops);

/// What a compute unit offers an operator of one precision.
struct UnitRates {
  double peak = 0;            ///< FLOP/s
  double unaligned_peak = 0;  ///< FLOP/s where rows of operands are no multiple of 16 bytes; 0 = the same
  double bandwidth = 0;       ///< byte/s
  double multiprocessors = 1; ///< over which tiles are dealt; 1 = a plain roofline
  double element = 2;         ///< bytes of one operand element
};

struct TimeParts {
  double compute = 0; ///< seconds
  double memory = 0;
  double floor = 0;
  double time = 0;     ///< of the whole operator
  double flops = 0;    ///< useful FLOPs
  double bytes = 0;    ///< memory traffic
  double tenfolds = 0; ///< of a product, tenfolds_of(flops)
};

/// Keys that a query reaches at most.
double reached_keys(const FusedAttention& shape);

TimeParts matmul_time(const Matmul& shape, const UnitRates& unit, const MatmulCurve& curve);
TimeParts grouped_matmul_time(const GroupedMatmul& shape, const UnitRates& unit, const MatmulCurve& curve, const IdleTileCurve& idle = {});
TimeParts attention_time(const FusedAttention& shape, const UnitRates& unit, const AttentionCurve& curve);
TimeParts scan_time(const ChunkScan& shape, const UnitRates& unit, const ScanCurve& curve);
TimeParts streaming_time(const Streaming& shape, int kernels, const UnitRates& unit, const StreamingCurve& curve);

} // namespace orrery
