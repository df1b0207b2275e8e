// Chakra execution traces (MLCommons): what one rank did, as nodes with dependencies. One file per rank: a sequence of protobuf messages,
// each behind its length, GlobalMetadata first.
//
// Attributes that are read, under the names that Chakra's converters and generators write: is_cpu_op, num_ops, tensor_size, comm_type,
// comm_size, involved_dim, pg_name, comm_src, comm_dst, comm_tag; rank of the metadata. Others are passed over. The schema has one unit
// of time, the microsecond.
#pragma once

#include "sim/base/diagnostics.hpp"
#include "sim/base/units.hpp"
#include "sim/base/yaml.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace orrery::chakra {

enum class NodeKind { metadata, memory_load, memory_store, compute, send, receive, collective };

enum class CollectiveType { all_reduce, reduce, all_gather, gather, scatter, broadcast, all_to_all, reduce_scatter, barrier };

struct Node {
  std::uint64_t id = 0;
  std::string name;
  NodeKind kind = NodeKind::metadata;
  std::vector<std::uint64_t> dependencies; ///< ids: control and data, ascending, each once
  Seconds start;
  Seconds duration; ///< as recorded; 0 = not recorded
  bool on_host = false;
  Flops operations; ///< num_ops; 0 = not given
  Bytes tensor;     ///< tensor_size: what a compute node reads and writes, what a memory node moves
  Bytes message;    ///< comm_size: what every rank puts into a collective, or the whole of a message
  CollectiveType collective = CollectiveType::all_reduce;
  std::string group;              ///< pg_name; empty = not given
  std::vector<bool> dimensions;   ///< involved_dim
  std::optional<int> source;      ///< of a send or receive; by default the rank itself
  std::optional<int> destination; ///< likewise
  std::int64_t tag = 0;
};

struct RankTrace {
  std::string file;
  std::string version;
  std::optional<int> rank; ///< as the metadata say it
  std::vector<Node> nodes; ///< by id
};

/// Reads the bytes of one file. Mistakes name the node by its position, its id and the byte at which it begins; after a message that cannot
/// be read nothing follows. At most `most_mistakes` are reported.
RankTrace parse(std::string_view bytes, const std::string& file, Diagnostics& diagnostics);

inline constexpr int most_mistakes = 20;

/// "COMP_NODE", "ALL_REDUCE": the words of the schema.
std::string kind_word(NodeKind kind);
std::string collective_word(CollectiveType type);

/// The trace as a person reads it.
yaml::Node readable(const RankTrace& trace);

} // namespace orrery::chakra
