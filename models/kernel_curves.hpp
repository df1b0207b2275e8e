// Constants of the achievable-time models: what models/fit_*.cpp derives from models/calibration/kernels/*.csv, and
// models/calibration/curves.yaml keeps. Plain values. The defaults are the assumed curves of an architecture and a vendor of which nothing
// was measured.
#pragma once

#include "hardware/description.hpp"
#include "sim/base/units.hpp"
#include "workloads/graph.hpp"

#include <map>
#include <optional>
#include <string>

namespace orrery {

/// Matrix products.
struct MatmulCurve {
  double rate = 0.80;         ///< share of the unit's peak inside the main loop of the largest tile
  double tile_overhead = 150; ///< start and end of a tile, in elements of k
  double edge = 25;           ///< loss of a small tile: its rate is rate / (1 + edge (1/rows + 1/columns))
  double memory = 0.80;       ///< share of the memory bandwidth
  double cache = 3.0;         ///< bandwidth of the last-level cache, in memory bandwidths
  double exposed = 0.3;       ///< part of the shorter of compute and memory time that the longer does not hide
  Seconds floor{3e-6};        ///< added to every kernel
  double misaligned = 0.6;    ///< rate factor where a row of an operand is no multiple of 16 bytes; assumed
  Flops largest{1e15};        ///< the largest product that was fitted
  bool assumed = true;
};

/// Fused (FlashAttention class) kernels.
struct AttentionCurve {
  double rate = 0.60;          ///< share of the matrix peak in the main loop, softmax apart
  double softmax = 24;         ///< time of the softmax of one score, in elements of the head dimension
  double block_overhead = 150; ///< start and end of a block of queries, in keys
  double backward_rate = 0.80; ///< backward over forward FLOP rate; assumed (FlashAttention-2, arXiv 2307.08691, fig. 4 to 6)
  double memory = 0.70;        ///< share of the memory bandwidth
  Seconds floor{8e-6};         ///< added to every kernel
  double largest_keys = 131072;
  bool assumed = true;
};

/// Operators that pass over their operands once.
struct StreamingCurve {
  double memory = 0.80; ///< share of the memory bandwidth over large operands
  Seconds floor{3e-6};  ///< added to every kernel
  bool assumed = true;
};

/// One kind of collective of n ranks inside a scale-up domain: floor + (n - 2) floor_per_rank + 2 sqrt((n - 1) step x wire) + wire / share,
/// where wire = bytes on the wire of one rank / its wire rate.
struct CollectiveCurve {
  Seconds floor{8e-6};
  Seconds floor_per_rank{1e-6};
  Seconds step{0.2e-6}; ///< start-up of one pipelined piece on one hop
  double share = 0.78;  ///< of the wire rate, large messages
  bool assumed = true;
};

/// Everything known of one architecture.
struct ArchitectureCurves {
  std::map<Precision, MatmulCurve> matmul;
  std::map<Precision, AttentionCurve> attention;
  std::map<OpClass, StreamingCurve> streaming;
  std::map<CollectiveKind, CollectiveCurve> collective;
  std::optional<CollectiveCurve> in_switch; ///< all-reduce in the switch; its wire carries the buffer once
  std::optional<CollectiveCurve> send;      ///< point to point
};

/// Between scale-up domains.
struct NetworkCurve {
  double share = 0.92;  ///< of the NIC rate, large messages
  Seconds floor{12e-6}; ///< software and copies of one message or collective
  Seconds step{6e-6};   ///< each hop of a ring or tree, beyond the wires and switches
  bool assumed = true;
};

struct Calibration {
  std::map<std::string, ArchitectureCurves> architectures; ///< by Device::architecture
  NetworkCurve network;
};

} // namespace orrery
