// The traces of all ranks as one graph: which nodes of different ranks are parts of one collective, which send meets which receive.
//
// The k-th collective of a group on one rank, by node id, is the k-th on every other. A send and a receive meet by (source, destination,
// tag), in the order of node ids. What has no partner, collectives of one group that differ, and circles of waiting are mistakes that name
// the nodes.
#pragma once

#include "scenarios/traces/trace_job.hpp"
#include "workloads/chakra.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace orrery {

/// A node of one rank. Tasks are numbered rank by rank, in each by node id.
struct TraceTask {
  std::uint32_t rank = 0;
  std::uint32_t node = 0; ///< index into RankTrace::nodes
};

struct TraceTransfer {
  bool collective = false;
  chakra::CollectiveType type = chakra::CollectiveType::all_reduce;
  Bytes bytes;                      ///< comm_size, the largest of its members
  std::vector<std::uint32_t> tasks; ///< members by rank; a message has its send, then its receive
  std::uint32_t group = 0;          ///< of a collective
};

struct TraceGraph {
  std::vector<chakra::RankTrace> ranks;
  std::vector<TraceTask> tasks;
  std::vector<std::vector<std::uint32_t>> dependencies; ///< by task
  std::vector<TraceTransfer> transfers;
  std::vector<std::vector<int>> groups; ///< ranks, ascending

  [[nodiscard]] const chakra::Node& node(std::uint32_t task) const { return ranks[tasks[task].rank].nodes[tasks[task].node]; }
  /// "rank 3 node id 17 'all_reduce'"
  [[nodiscard]] std::string name(std::uint32_t task) const;
};

/// Throws UserError.
TraceGraph trace_graph(std::vector<chakra::RankTrace> ranks, const TraceJob& job);

} // namespace orrery
