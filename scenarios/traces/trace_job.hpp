// A job that replays an execution trace: which files, how its groups are meant, what its compute nodes take.
#pragma once

#include "hardware/description.hpp"
#include "sim/base/params.hpp"
#include "workloads/chakra.hpp"

#include <string>
#include <vector>

namespace orrery {

/// Ranks that a process group of the trace joins.
struct TraceGroup {
  std::string name;
  std::vector<int> ranks;
};

struct TraceJob {
  std::vector<std::string> files; ///< one per rank
  std::vector<TraceGroup> groups; ///< what is not listed joins all ranks that name it
  std::vector<int> dimensions;    ///< sizes of the grid that involved_dim speaks of, fastest first
  Precision precision = Precision::bf16;
  bool recorded = false; ///< every compute node takes its recorded time
};

const Table<TraceJob>& trace_table();

/// The files of a pattern ("rank.%d.et": 0, 1, ... as far as there are any), or the file itself; empty where there is none.
std::vector<std::string> trace_files(const std::string& pattern);

/// Reads the files, in the order of ranks: as their metadata say, else by the last number in their names, else as listed. Throws UserError
/// with what is wrong in them.
std::vector<chakra::RankTrace> read_traces(const std::vector<std::string>& files);

} // namespace orrery
