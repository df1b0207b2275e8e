// An operator graph as its file says it: by names, with what may be left out as optional. Between workloads/graph_tables.cpp and its table.
#pragma once

#include "sim/base/params.hpp"
#include "workloads/graph.hpp"

#include <optional>
#include <string>
#include <vector>

namespace orrery {

struct OperatorFile {
  std::string name;
  std::optional<OpClass> op_class;    ///< by default that of its shape
  std::optional<Precision> precision; ///< by default the graph's
  std::optional<Matmul> matmul;
  std::optional<GroupedMatmul> grouped;
  std::optional<FusedAttention> attention;
  std::optional<Streaming> stream;
  std::optional<Collective> collective;
  std::optional<TierTransfer> transfer;
  std::optional<TierUpdate> update;
  std::optional<ChunkScan> scan;
  int kernels = 1;
  bool recomputed = false;
  bool weight_gradient = false;
};

struct BlockFile {
  std::string name;
  std::vector<OperatorFile> forward;
  std::vector<OperatorFile> backward;
  Bytes activations;
  Bytes host_activations;
  Bytes storage_activations;
  Bytes working_set;
  double parameters = 0;
  double expert_parameters = 0;
};

struct BlockUseFile {
  std::string block;
  int count = 1;
};

struct ChunkFile {
  std::string name;
  std::vector<BlockUseFile> blocks;
};

struct StageFile {
  std::vector<std::string> chunks;
  std::vector<OperatorFile> step;
  std::optional<Bytes> parameters; ///< by default the blocks' in the graph's precision
  Bytes gradients;
  Bytes optimizer;
  Bytes host;
  Bytes storage;
};

struct GroupFile {
  int size = 1;
  std::optional<int> stride; ///< by default tensor inside data inside pipeline
};

struct GraphFile {
  std::string name;
  Precision precision = Precision::bf16;
  std::map<Group, GroupFile> groups;
  ScheduleKind schedule = ScheduleKind::one_f_one_b;
  int micro_batches = 1;
  int virtual_stages = 1;
  int skip_stages = 0;
  bool overlap_p2p = false;
  Bytes boundary_forward;
  Bytes boundary_backward;
  std::vector<BlockFile> blocks;
  std::vector<ChunkFile> chunks;  ///< empty = one, with every block once
  std::vector<StageFile> stages;  ///< empty = one, with the only chunk
  std::optional<StepFlops> flops; ///< by default what the operators add up to
  std::optional<double> tokens;
  std::optional<double> sequences;
};

const Table<OperatorFile>& operator_table();
const Table<GraphFile>& graph_file_table();

// Figures of a graph.
NumberOptions positive(std::string help, bool required = true);
QuantityOptions<Bytes> size_in_bytes(std::string help);
QuantityOptions<Flops> flop_count(std::string help);

/// The class that an operator of this shape has unless it says otherwise.
OpClass standard_class(const OperatorFile& op);

/// Groups in full: sizes as given, strides as given or by the rule tensor inside data inside pipeline.
GroupShapes groups_of(const GraphFile& file);

} // namespace orrery
