// The operator graph as YAML: written by `--dump graph`, and loadable as a workload by who has no transformer to build it from.
//
//   name: mlp                                    # one device, one chunk and one stage unless groups, chunks and stages say otherwise
//   micro_batches: 4
//   blocks:
//     - name: mlp
//       forward:
//         - { name: up, matmul: { m: 4096, n: 16384, k: 4096 } }
//         - { name: act, stream: { read: 134 MB, written: 134 MB } }
//       activations: 268 MB
#pragma once

#include "sim/base/params_shape.hpp"
#include "workloads/graph.hpp"

namespace orrery {

/// Keys of a graph file, for help and schema.
const TableInfo& graph_table();

/// A graph that the engine can run: names resolved, defaults filled in, schedule and groups consistent. After mistakes the result is
/// incomplete.
OpGraph read_graph(const yaml::Node& node, Diagnostics& diagnostics, const std::string& path = {});

/// Reads back to an equal graph. Names of blocks have to differ.
yaml::Node write_graph(const OpGraph& graph);

} // namespace orrery
