// What a user decides about a training run: batch, parallel degrees, schedule, recomputation.
#pragma once

#include "sim/base/units.hpp"

#include <string>
#include <vector>

namespace orrery {

enum class ScheduleKind { gpipe, one_f_one_b, interleaved, skip_pipe, zb_1p, zb_2p, zb_v, dualpipe };
enum class Recompute { none, selective, full };

/// Parts of a layer that selective recomputation may name.
enum class Module { norms, qkv, attention, projection, ffn_up, activation, ffn_down };

/// How the keys and values of other ranks reach a rank that holds a part of the sequence.
enum class ContextParallel {
  ring,       ///< point to point, one part at a time beside the attention of the part before (zigzag order: equal causal work)
  all_gather, ///< before the attention
  ulysses     ///< all-to-all from sequence shards to head shards and back
};

/// Dimensions of the rank grid.
enum class RankAxis { tensor, context, data, pipeline };

/// What elements of sharded states travel as between the ranks that share them.
enum class Wire {
  plain, ///< the precision that they are kept or reduced in
  int8,  ///< blocks of integers with a scale each
  int4
};

/// Where bytes lie: in the device's own memory, in its node's, on its node's drives.
enum class Tier { device, host, storage };

/// Who updates states that do not lie on the device.
enum class UpdatePlace {
  device, ///< states are brought there and back (ZeRO-Infinity's bounce)
  host,   ///< the node's processors (ZeRO-Offload)
  split   ///< a share of the subgroups on the device, the others on the host meanwhile (Deep Optimizer States)
};

/// What an offloaded update runs beside.
enum class UpdateOverlap {
  none,
  backward, ///< the last backward pass: each layer is updated as its gradients arrive (Fuyou)
  next_step ///< the passes of the next step, which use parameters that are one step old (delayed parameter update of ZeRO-Offload)
};

/// What lies outside device memory between its uses.
struct Offload {
  Tier parameters = Tier::device;
  Tier optimizer = Tier::device; ///< with the gradients
  Tier activations = Tier::device;
  UpdatePlace update = UpdatePlace::host;
  double device_share = 0; ///< of a split update; 0 = the share that ends first
  UpdateOverlap overlap = UpdateOverlap::none;
  bool serial = false; ///< a subgroup is read, updated and written back before the next (DeepSpeed without pipelined reads and writes)

  [[nodiscard]] bool any() const { return parameters != Tier::device || optimizer != Tier::device || activations != Tier::device; }

  friend bool operator==(const Offload&, const Offload&) = default;
};

/// Parallelism plan of a training job. Ranks = tp * cp * dp * pp.
struct Plan {
  int tp = 1;
  int cp = 1; ///< ranks that share a sequence
  int pp = 1;
  int dp = 1;
  int ep = 1;  ///< ranks over which experts are spread, inside the dp x cp x tp ranks of a stage
  int etp = 0; ///< tensor-parallel degree of an expert; 0 = tp
  std::vector<RankAxis> order{RankAxis::tensor, RankAxis::context, RankAxis::data, RankAxis::pipeline}; ///< fastest first
  ContextParallel context = ContextParallel::ring;
  bool attention_servers = false; ///< attention of unequal documents is spread evenly over all ranks (core attention disaggregation)
  int micro_batch = 1;            ///< sequences per micro-batch and replica
  ScheduleKind schedule = ScheduleKind::one_f_one_b;
  int virtual_stages = 1;        ///< model chunks per pipeline stage (interleaved)
  int skip_stages = 0;           ///< stages between the first and the last that each micro-batch leaves out (SkipPipe)
  std::vector<int> stage_layers; ///< layers per chunk in pipeline order (pp * virtual_stages entries); empty = as even as possible
  Recompute recompute = Recompute::none;
  int recompute_layers = 0;              ///< layers of a chunk that are computed again, the first ones; 0 = all
  std::vector<Module> recompute_modules; ///< what selective recomputation computes again; empty = the attention core
  bool sequence_parallel = false;
  int zero = 0;                        ///< states sharded over dp x cp: 1 optimizer, 2 gradients too, 3 parameters too (FSDP)
  int shard = 0;                       ///< replicas that share one copy of the sharded states (HSDP); 0 = all dp x cp of them
  int shard_parameters = 0;            ///< the same for parameters alone (zero 3); 0 = shard
  int shard_gradients = 0;             ///< the same for gradients alone (zero 2 and 3); 0 = shard
  int secondary_shard = 0;             ///< zero 3: backward passes gather from a second copy inside this many neighbours (ZeRO++); 0 = none
  Wire quantize_weights = Wire::plain; ///< zero 3: of the gathers of parameters (ZeRO++)
  Wire quantize_gradients = Wire::plain; ///< zero 2 and 3: of the scatters of gradients (ZeRO++)
  bool overlap_grad_reduce = false;      ///< gradient reduction in the shadow of the last micro-batch's backward pass
  bool overlap_param_gather = false;     ///< ZeRO-1 parameter gather in the shadow of the next forward pass
  bool overlap_p2p = false;              ///< pipeline sends do not hold up the compute stream
  Offload offload;

  [[nodiscard]] int ranks() const { return tp * cp * dp * pp; }
  [[nodiscard]] int expert_tensor() const { return etp > 0 ? etp : tp; }
  friend bool operator==(const Plan&, const Plan&) = default;
};

} // namespace orrery
