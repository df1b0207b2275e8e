// The device-free operator graph: what has to be computed, moved and kept, by whom and in which order. `--dump graph` writes it, and a
// scenario may load one.
#pragma once

#include "hardware/description.hpp" // Precision
#include "sim/base/units.hpp"
#include "workloads/plan.hpp"

#include <array>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace orrery {

/// What a cost is reported under, and (for streaming operators) which achievable fraction applies.
enum class OpClass {
  gemm,
  attention,
  softmax,
  normalization,
  elementwise,
  embedding,
  head,
  loss,
  optimizer,
  cast,
  block_cast,
  communication
};

/// batch x (m x k) * (k x n)
struct Matmul {
  double batch = 1;
  double m = 0;
  double n = 0;
  double k = 0;
  double result_bytes = 0; ///< moved per element of the result, which is added to what is there; 0 = written, in 16 bits at least
  double weight_bytes = 0; ///< kept per element of the k x n operand, scales included; 0 = in the operands' precision
  bool mixed = false;      ///< weights in fewer bits are multiplied as they are kept, in the operands' arithmetic, not widened first
};

/// Rows and columns of the result that one program of an experts' kernel computes; 0 x 0 = those that suit best.
struct ExpertTile {
  double rows = 0;
  double columns = 0;
};

/// Tiles over rows of other ranks' experts, which a kernel that is given the tokens of all starts in vain.
struct IdleTiles {
  double count = 0;
  double tile_rows = 0; ///< of one; those of tuned tiles too
  double rows = 0;      ///< of the result, that they fill with zeros
};

/// Products of several groups of rows with a matrix of their own each (experts): sum over g of (rows_g x k) * (k x n).
struct GroupedMatmul {
  double groups = 1;
  double rows = 0;    ///< over all groups
  double busiest = 0; ///< rows of the largest group; 0 = all alike
  double n = 0;
  double k = 0;
  bool weight_gradient = false; ///< per group (n x rows_g) * (rows_g x k) instead
  double weight_bytes = 0;      ///< kept per element of a group's k x n operand, scales included; 0 = in the operands' precision
  bool mixed = false;           ///< weights in fewer bits are multiplied as they are kept, in the operands' arithmetic
  bool block_scaled = false;    ///< both operands have a scale for each block of elements
  ExpertTile tile;              ///< as the software sets it
  IdleTiles idle;
};

/// A fused attention kernel over `batch` sequences of one rank's heads.
struct FusedAttention {
  double batch = 1;
  double heads = 0;
  double kv_heads = 0;
  double head_dim = 0;
  double value_dim = 0; ///< width of a value; 0 = head_dim (latent attention: 192 and 128)
  double window = 0;    ///< keys that a query reaches back; 0 = all
  double queries = 0;   ///< per sequence
  double keys = 0;      ///< per sequence, including the queries' own
  bool causal = true;
  bool backward = false;
  bool shared_values = false; ///< values are part of the keys (absorbed latent attention, 576 and 512 wide) and are read with them
  double kept_bytes = 0;      ///< per element of a key or value in memory, scales included; 0 = in the operator's precision

  /// Queries times keys of one sequence and head, over the full square of what the window reaches.
  [[nodiscard]] double square() const { return queries * (window > 0 && window < keys ? window : keys); }
  /// Of these, what a mask leaves.
  [[nodiscard]] double seen() const {
    if (!causal)
      return square();
    return window > 0 && window < queries ? queries * window - window * window / 2 : square() / 2;
  }
};

/// An operator that reads and writes each of its operands about once.
struct Streaming {
  Bytes read;
  Bytes written;
  Flops flops; ///< on the vector unit
};

enum class CollectiveKind { all_reduce, all_gather, reduce_scatter, all_to_all, broadcast };

/// The parallel groups of a plan.
enum class Group {
  tensor,
  context,
  data, ///< ranks that hold the same parameters: replicas and their context-parallel ranks
  pipeline,
  embedding,         ///< first and last stage
  shard,             ///< share one copy of the parameters (zero 3)
  secondary_shard,   ///< share the copy that backward passes gather from
  gradient_shard,    ///< share one copy of the gradients
  optimizer_scatter, ///< share the optimizer state of one shard of the gradients
  optimizer_gather,  ///< share the optimizer state of one shard of the parameters
  gradient_replica,  ///< hold the same shard of the optimizer state
  expert,            ///< hold the experts of one layer between them
  expert_tensor,     ///< share an expert
  expert_data        ///< hold the same experts
};
inline constexpr std::size_t group_kinds = 14;

/// What a collective runs beside.
enum class Overlap {
  none,
  next, ///< the operator listed after it
  pass  ///< everything else of its block, or, at the end of a step, the passes around it
};

/// `bytes` is the full buffer: what every rank holds before an all-reduce, or after an all-gather, or before a reduce-scatter.
struct Collective {
  CollectiveKind kind = CollectiveKind::all_reduce;
  Group group = Group::tensor;
  Bytes bytes;
  Overlap overlap = Overlap::none;
  bool in_memory = false; ///< sums are made by the memory that parts arrive in, and the producer starts them (T3)
};

/// Bytes between device memory and a tier outside it, over the device's link to its host.
struct TierTransfer {
  Tier tier = Tier::host;
  Bytes in;  ///< to the device
  Bytes out; ///< from the device
  Overlap overlap = Overlap::none;
};

/// A state that runs along sequences and is updated chunk by chunk: every head of a sequence is a chain of its own.
struct ChunkScan {
  double sequences = 1;
  double heads = 0;
  double tokens = 0; ///< per sequence
  double chunk = 64; ///< tokens of one link of the chain
  double flops = 0;  ///< of one token and head, forward
  double bytes = 0;  ///< moved for one token and head, forward
  bool backward = false;

  [[nodiscard]] double passes() const { return backward ? 2 : 1; } ///< each product of the forward pass has two behind it
};

/// Element-wise update of states that lie on a tier, by the host's processors, by the device that brings them in and back, or by both.
struct TierUpdate {
  Tier tier = Tier::host;
  UpdatePlace place = UpdatePlace::host;
  double device_share = 0; ///< of a split update; 0 = the share that ends first
  Bytes states;            ///< read and written
  Bytes gradients;         ///< read where the states lie
  Bytes parameters;        ///< written, in the working precision
  Tier parameters_tier = Tier::device;
  Flops flops;
  int beside_forward = 0; ///< passes of every chunk of the stage in whose shadow it runs
  int beside_backward = 0;
  bool serial = false; ///< each part of the way waits for the one before
  Bytes rescaled;      ///< gradients that the host's processors read and write in a pass of its own first
};

struct Operator {
  std::string name;
  OpClass op_class = OpClass::gemm;
  Precision precision = Precision::bf16;
  std::variant<Matmul, GroupedMatmul, FusedAttention, Streaming, Collective, TierTransfer, TierUpdate, ChunkScan> shape;
  int kernels = 1;              ///< device kernels launched by the host; 0 = they start on a second stream while others run
  bool recomputed = false;      ///< part of a backward pass that repeats forward work
  bool weight_gradient = false; ///< only the optimizer waits for it: a split backward pass runs it later
};

/// Operators that repeat as a unit (a layer, the embedding, the head), for one micro-batch on one rank.
struct Block {
  std::string name;
  std::vector<Operator> forward;
  std::vector<Operator> backward; ///< with the recomputed forward operators first
  Bytes activations;              ///< kept from forward to backward, per micro-batch and rank
  Bytes host_activations;         ///< the same in host memory
  Bytes storage_activations;      ///< the same on drives
  Bytes working_set;              ///< live at once at the peak inside the block, beyond what is kept
  double parameters = 0;          ///< elements held by one rank, experts apart
  double expert_parameters = 0;   ///< elements of experts held by one rank
  bool frozen = false;            ///< runs forward alone; nothing of it is trained
  double frozen_parameters = 0;   ///< of `parameters`, elements that have no gradient
  double packed_parameters = 0;   ///< of these, elements that are held in fewer bits

  [[nodiscard]] double trained_parameters() const { return parameters - frozen_parameters; }
  [[nodiscard]] double trained_experts() const { return frozen ? 0 : expert_parameters; }
};

struct BlockUse {
  int block = 0;
  int count = 1;
};

/// What one pipeline stage holds of the model between two communications: one entry per virtual stage.
struct Chunk {
  std::vector<BlockUse> blocks;
};

struct Stage {
  std::vector<int> chunks; ///< indices into OpGraph::chunks, by virtual stage
  int step = -1;           ///< index into OpGraph::steps; negative = nothing
  Bytes parameters;        ///< per rank, in the working precision
  Bytes gradients;
  Bytes optimizer; ///< master weights and moments after sharding
  Bytes host;      ///< of all these, what lies in host memory instead
  Bytes storage;   ///< of all these, what lies on drives instead
};

/// Ranks base + i * stride, i < size.
struct GroupShape {
  int size = 1;
  int stride = 1;

  friend bool operator==(const GroupShape&, const GroupShape&) = default;
};

/// The shape of every parallel group.
class GroupShapes {
public:
  GroupShape& operator[](Group group) { return shapes_[static_cast<std::size_t>(group)]; }
  [[nodiscard]] const GroupShape& at(Group group) const { return shapes_[static_cast<std::size_t>(group)]; }

private:
  std::array<GroupShape, group_kinds> shapes_{};
};

/// FLOPs of one step over all ranks, under the field's conventions.
struct StepFlops {
  Flops full_attention; ///< model FLOPs, attention counted over the full square
  Flops causal;         ///< model FLOPs, attention counted over the causal half
  Flops executed;       ///< hardware FLOPs: full attention where the kernel computes it, plus recomputation
};

struct OpGraph {
  std::string name;
  Precision precision = Precision::bf16;
  GroupShapes groups;
  ScheduleKind schedule = ScheduleKind::one_f_one_b;
  int micro_batches = 1;
  int virtual_stages = 1;
  int skip_stages = 0; ///< that each micro-batch leaves out (SkipPipe)
  bool overlap_p2p = false;
  Bytes boundary_forward;  ///< sent by each rank to the next chunk after a forward pass
  Bytes boundary_backward; ///< sent by each rank to the previous chunk after a backward pass
  std::vector<Block> blocks;
  std::vector<Chunk> chunks;
  std::vector<std::vector<Operator>> steps; ///< once per step after the last backward pass: gradient reduction, optimizer, parameter gather
  std::vector<Stage> stages;
  StepFlops flops;
  double tokens = 0;    ///< per step
  double sequences = 0; ///< per step

  [[nodiscard]] int ranks() const;
  /// Micro-batches that each chunk of a stage sees in a step.
  [[nodiscard]] int micro_batches_of(std::size_t stage) const;
  /// What a stage runs once per step.
  [[nodiscard]] std::span<const Operator> step_of(const Stage& stage) const {
    return stage.step < 0 ? std::span<const Operator>{} : steps[static_cast<std::size_t>(stage.step)];
  }
};

} // namespace orrery
