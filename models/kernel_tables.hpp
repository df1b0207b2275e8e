// The kernel measurements of models/calibration/kernels as values (sources.yaml there says where each comes from).
#pragma once

#include "hardware/description.hpp"
#include "models/kernel_time.hpp"
#include "sim/base/diagnostics.hpp"
#include "workloads/graph.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace orrery {

struct MatmulRow {
  std::string source;
  std::string device;
  Precision precision = Precision::bf16;
  Matmul shape;
  double time = 0; ///< seconds
};

struct AttentionRow {
  std::string source;
  std::string device;
  std::string kernel; ///< flash_attn_2, flash_attn_3, flashinfer, trtllm_mla; flash_attn and unfused of tools/measure_gpu.py
  Precision precision = Precision::bf16;
  bool decode = false;
  FusedAttention shape;
  double time = 0;
};

struct StreamingRow {
  std::string source;
  std::string device;
  std::string op; ///< layer_norm, rms_norm, softmax, gelu, silu_mul, add, rotary, fp8_cast, fp8_scaled_cast
  Streaming shape;
  double time = 0;
};

/// The routed experts of one layer on one rank: routing, both products of gated experts, their activation, the sum over a token's experts.
struct FusedMoeRow {
  std::string source;
  std::string device;
  std::string kernel; ///< triton, trtllm, marlin
  Precision precision = Precision::bf16;
  double weight_bytes = 0; ///< kept per element of an expert, scales included
  bool balanced = true;
  double tokens = 0; ///< that enter the layer
  double rows = 0;   ///< tokens of this rank's experts, each counted once per expert
  double slots = 0;  ///< the same of all ranks' experts where the kernels pass over them too, else rows
  double groups = 0; ///< experts on this rank
  double hidden = 0;
  double intermediate = 0; ///< on this rank
  ExpertTile tile;         ///< of the products where the engine's defaults set it; 0 x 0 = tuned for the shape
  double time = 0;

  /// Experts of other ranks that get tokens, where all get as many.
  [[nodiscard]] double other_groups() const { return std::min(groups * (slots / rows - 1), slots - rows); }
};

struct ScanRow {
  std::string source;
  std::string device;
  std::string kernel; ///< gated_delta
  ChunkScan shape;
  double time = 0;
};

struct CollectiveRow {
  std::string source;
  std::string device;
  std::string kind; ///< word of a collective, custom_all_reduce, expert_exchange, expert_exchange_low_latency, or send_recv
  int ranks = 2;
  int nodes = 1;
  double bytes = 0; ///< full buffer
  double time = 0;

  /// What the ranks end up with, whoever's kernels do it; nothing for a message between two.
  [[nodiscard]] std::optional<CollectiveKind> collective() const;
};

/// The fastest product that a search over shapes found.
struct BestMatmul {
  std::string device;
  std::string architecture;
  Precision precision = Precision::bf16;
  Matmul shape;
  double share = 0; ///< of the dense peak
};

/// What a measured device is, as far as the fits need it.
struct MeasuredDevice {
  std::string name;
  std::string architecture;
  double half_peak = 0; ///< FLOP/s, fp16 and bf16
  double fp8_peak = 0;
  double fp4_peak = 0;
  double vector_peak = 0; ///< fp32
  double bandwidth = 0;   ///< byte/s
  double cache = 0;       ///< bytes of the last-level cache
  int multiprocessors = 0;
  double scale_up = 0; ///< byte/s per direction
  bool in_switch_reduction = false;
  bool mesh = false; ///< point-to-point links between pairs instead of a switch

  [[nodiscard]] UnitRates rates(Precision precision) const;
};

struct KernelTables {
  std::map<std::string, MeasuredDevice> devices;
  std::vector<MatmulRow> matmul;
  std::vector<AttentionRow> attention;
  std::vector<AttentionRow> latent_attention;
  std::vector<FusedMoeRow> fused_moe;
  std::vector<StreamingRow> streaming;
  std::vector<ScanRow> scan;
  std::vector<CollectiveRow> collective;
  std::vector<BestMatmul> best_matmul;
};

/// Texts of the files, by name ("devices.csv", "matmul.csv", ...).
KernelTables parse_kernel_tables(const std::map<std::string, std::string>& files, Diagnostics& diagnostics);

/// Half of the shapes, by a hash of the shape alone (of a matrix product: of n and k): what a fit of the other half is judged by.
bool held_out(const Matmul& shape);
bool held_out(const FusedAttention& shape);
bool held_out(const FusedMoeRow& row);
bool held_out(const Streaming& shape);
bool held_out(const ChunkScan& shape);
bool held_out(const CollectiveRow& row);

} // namespace orrery
