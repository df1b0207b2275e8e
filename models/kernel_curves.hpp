// Constants of the achievable-time models: what models/fits/*.cpp derives from models/calibration/kernels/*.csv, and
// models/calibration/curves.yaml keeps. Plain values.
//
// Which curve an architecture takes, in this order (DeviceRates then tell its devices apart):
//   1. its own, fitted to rows of its devices (ampere, hopper, blackwell, volta);
//   2. of products, the assumed curve with the mean share of the best product that a search found on its devices as its rate (cdna3, cdna4,
//      gaudi); fused attention then keeps the assumed ratio to products, since power and clocks bound both;
//   3. those of the nearest generation of its vendor (ada takes ampere's, cdna2 takes cdna3's), marked assumed;
//   4. tpu and trainium take gaudi's: a few large systolic arrays under a graph compiler, without the tiles and waves of a GPU;
//   5. the defaults below, marked assumed. Ascend has no table here; the published shares of its int8 products, 0.774 to 0.827 of the peak
//      of a 910C die, and of its attention, 0.654 (CloudMatrix384, arXiv 2506.12708), lie around these defaults.
#pragma once

#include "hardware/description.hpp"
#include "sim/base/units.hpp"
#include "sim/base/yaml.hpp"
#include "workloads/graph.hpp"
#include "workloads/software.hpp" // AttentionKernel

#include <map>
#include <optional>
#include <string>

namespace orrery {

/// How a product gets its tiles.
enum class TileChoice {
  best,   ///< a library that tries shapes and splits of k
  by_rows ///< vLLM's CUTLASS kernels on Hopper: one shape for a range of rows, no split (models/kernel_time.hpp)
};

/// Matrix products.
struct MatmulCurve {
  TileChoice tiles = TileChoice::best;
  double rate = 0.80;          ///< share of the unit's peak inside the main loop of the largest tile
  double tile_overhead = 150;  ///< start and end of a tile, in elements of k
  double edge = 10;            ///< loss of a small tile (models/kernel_time.hpp)
  double sustained = 0.05;     ///< loss of rate for each tenfold of work beyond 300 GFLOP, to power
  double memory = 0.80;        ///< share of the memory bandwidth
  double exposed = 0.4;        ///< how badly compute and memory time hide each other
  Seconds floor{4e-6};         ///< added to every kernel
  double largest_flops = 1e15; ///< the largest product that was fitted
  bool assumed = true;
};

/// How a kernel of few queries reads the KV cache.
struct CacheReading {
  double memory = 0.70; ///< share of the memory bandwidth
  Seconds start{3e-6};  ///< of a block (one sequence, one head of keys) on its multiprocessor
  double exposed = 1;   ///< how badly reading and starts hide each other
  double rate = 1;      ///< of arithmetic, over that of prompts: more where what is kept in 8 bits is multiplied so
  double repeated = 0;  ///< share of the reading that each further tile of queries repeats, where several share the keys
};

/// Fused (FlashAttention class) kernels, of the generation that was measured (models/attention_generation.hpp turns one into another).
struct AttentionCurve {
  AttentionKernel kernel = AttentionKernel::flash;
  double rate = 0.64;          ///< share of the matrix peak in the main loop, softmax apart
  double softmax = 16;         ///< time of the softmax of one score, in elements of the head dimension
  double block_overhead = 300; ///< start and end of a block of queries, in keys
  double tail = 0.5;           ///< idle end of a kernel of uneven blocks on a multiprocessor, in its longest block
  double backward_rate = 0.86; ///< backward over forward FLOP rate; assumed, by generation (models/attention_generation.hpp)
  double memory = 0.70;        ///< share of the memory bandwidth
  Seconds floor{8e-6};         ///< added to every kernel
  CacheReading cache;          ///< where a sequence has few queries
  CacheReading narrow_cache;   ///< the same where the cache is kept in fewer bits than computed in
  Seconds decode_floor{10e-6}; ///< added to every kernel of few queries
  Seconds fill;                ///< what their reading loses before the memory runs at its full rate
  double largest_keys = 16384;
  bool assumed = true;
};

/// Tiles of an experts' kernel that find their rows belong to another rank. Those of 64 rows and more multiply in tensor memory on
/// Blackwell, which they claim and give back all the same.
struct IdleTileCurve {
  Seconds small{1e-9};  ///< of the whole device for each of fewer than 64 rows
  Seconds large{1e-9};  ///< the same of more
  double memory = 0.80; ///< share of the memory bandwidth at which they write zeros
  bool assumed = true;
};

/// Operators that pass over their operands once.
struct StreamingCurve {
  double memory = 0.80; ///< share of the memory bandwidth over large operands
  Seconds floor{3e-6};  ///< added to every kernel
  bool assumed = true;
};

/// Scans of a state along sequences.
struct ScanCurve {
  double rate = 0.4;   ///< share of a multiprocessor's matrix peak along a chain
  Seconds start{7e-6}; ///< of a wave of chains
  Seconds floor{4e-6}; ///< added to every kernel
  bool assumed = true;
};

/// The assumed curve of a class of which no kernel was measured: gathers and scatters of rows (embedding) and several dependent passes
/// (loss) lie below plain elementwise passes.
constexpr StreamingCurve assumed_streaming(OpClass op_class) {
  StreamingCurve curve;
  if (op_class == OpClass::embedding)
    curve.memory = 0.5;
  if (op_class == OpClass::loss)
    curve.memory = 0.7;
  if (op_class == OpClass::softmax || op_class == OpClass::block_cast)
    curve.memory = 0.5;
  return curve;
}

/// One kind of collective of n ranks inside a scale-up domain: floor + (n - 2) floor_per_rank + 2 sqrt((n - 1) step x wire) + wire / share,
/// where wire = bytes on the wire of one rank / its wire rate.
struct CollectiveCurve {
  Seconds floor{8e-6};
  Seconds floor_per_rank{1e-6};
  Seconds step{0.2e-6};  ///< start-up of one pipelined piece on one hop
  double share = 0.80;   ///< of the wire rate, large messages, many ranks
  double few_loss = 0.3; ///< n ranks reach share x (1 - few_loss / n)
  bool assumed = true;
};

/// Everything known of one architecture.
struct ArchitectureCurves {
  std::map<Precision, MatmulCurve> matmul;         ///< the vendor's library
  std::map<Precision, MatmulCurve> serving_matmul; ///< the serving engines' own, below 16 bits
  std::map<Precision, AttentionCurve> attention;
  std::map<Precision, AttentionCurve> latent_attention; ///< keys wider than values; its decoding reads one latent for all heads
  std::map<Precision, MatmulCurve> fused_moe;           ///< grouped products of the serving engines' expert kernels
  std::map<Precision, MatmulCurve> fused_moe_blocks;    ///< the same, operands with a scale for each block of elements
  /// The same of integer experts that Triton widens (vLLM's moe_wna16). No profile runs it: engines that can, widen them by Marlin, of
  /// which no table is known (models/kernel_time.hpp has the arithmetic).
  std::map<Precision, MatmulCurve> fused_moe_widened;
  IdleTileCurve idle_tiles;
  std::map<OpClass, StreamingCurve> streaming;
  std::map<OpClass, StreamingCurve> scalar_streaming; ///< of kernels whose threads load one element at a time (ScalarKernels)
  std::optional<ScanCurve> scan;
  std::map<CollectiveKind, CollectiveCurve> collective;
  std::optional<CollectiveCurve> in_switch;            ///< all-reduce in the switch; its wire carries the buffer once
  std::optional<CollectiveCurve> one_shot;             ///< serving engines' all-reduce: every rank reads all others' buffers
  std::optional<CollectiveCurve> two_shot;             ///< the same: every rank sums its part, then all gather
  std::optional<CollectiveCurve> exchange;             ///< tokens to the ranks of their experts or back, one copy for each rank (DeepEP)
  std::optional<CollectiveCurve> exchange_low_latency; ///< the same of few tokens, one copy for each expert
  std::optional<CollectiveCurve> send;                 ///< point to point
};

/// Between scale-up domains.
struct NetworkCurve {
  double share = 0.92;      ///< of the NIC rate, large messages
  double send_share = 0.72; ///< the same of a single message: 35.9 GB/s between two DGX H100 (Vidur), if their NICs are 400 Gb/s
  Seconds floor{8e-6};      ///< software and copies of one message or collective
  Seconds step{6e-6};       ///< each hop of a ring or tree, beyond the wires and switches
  bool assumed = true;
};

/// Arithmetic of a device over what the curves of its architecture stand for: power and clocks differ where the silicon is the same.
struct DeviceRates {
  double half = 1;   ///< 16 bits and more
  double narrow = 1; ///< fewer
};

struct Calibration {
  std::map<std::string, ArchitectureCurves> architectures; ///< by Device::architecture
  std::map<std::string, DeviceRates> devices;              ///< by Device::name, of what searches were made on
  NetworkCurve network;
};

/// curves.yaml; the writer gives what the reader reads back equal.
Calibration read_calibration(const yaml::Node& node, Diagnostics& diagnostics);
yaml::Node write_calibration(const Calibration& calibration);

} // namespace orrery
