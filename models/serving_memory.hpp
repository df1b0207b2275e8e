// Memory of a serving replica.
//
// What:    bytes of weights and workspace on a rank, of KV cache and state per sequence, and how much KV cache a replica has room for.
// Formula: weights: each rank's share in the job's weight format, embedding and head in half precision; absorbed latent projections are
//          kept beside the plain ones. KV: keys and values of the rank's heads, at least one (heads fewer than ranks are copied); one
//          latent for all heads; inputs of layers, where the cache keeps those, whole on every rank; of windowed layers no more than the
//          window; states of recurrent layers once per sequence in fp32. Room = memory x fraction - weights - workspace - framework, or
//          (memory - weights - workspace - framework) x fraction (TensorRT-LLM); of weights in host memory two layers lie on the device;
//          the stage with least room for its layers' keys decides. A KV cache in host memory has that share of a device's part of it,
//          less the weights there. Workspace: an iteration's widest activations (experts: top_k rows of every token that may arrive),
//          residual, hidden state, and logits in fp32. Engines that take a fraction of what is left (TensorRT-LLM) are built for a batch
//          that their cache holds (trtllm-bench sets max_batch_size so): logits of more sequences take no room.
// Source:  vLLM (determine_available_memory; fused_moe.py), TensorRT-LLM (free_gpu_memory_fraction; getWorkspaceDeviceBufferSizes).
// Units:   bytes; tokens.
// Error:   the KV cache of layers that guess is left out (one layer, or a small model's); workspace and framework are assumed to within a
// GB or two, 2% of the device.
#pragma once

#include "workloads/serving_graph.hpp"

#include <cstdint>
#include <vector>

namespace orrery {

struct ServingMemory {
  Bytes capacity;             ///< of a device, as its driver gives it
  Bytes weights;              ///< of the rank that decides
  Bytes workspace;            ///< its largest iteration
  Bytes framework;            ///< device context, libraries, communicator buffers
  Bytes room;                 ///< for its KV cache; negative where the weights do not fit
  Bytes kv_token;             ///< its KV cache per token without windows
  Bytes replica_kv_token;     ///< the same over all devices of the replica, as a transfer carries it
  std::int64_t kv_tokens = 0; ///< that the replica's KV cache holds, in sequences of the length asked for
  std::int64_t kv_blocks = 0; ///< the same in blocks of ServingTraits::block_tokens
  int sequences = 0;          ///< largest batch that the engine is built for
};

/// `limits`: the largest iteration. `typical_tokens` = length at which windows and states are shared out to tokens; 0 = very long.
struct IterationLimits {
  int sequences = 256;
  int tokens = 8192;
  double typical_tokens = 0;
  Bytes host; ///< part of the host's memory that one device has; for a KV cache that lies there
};

/// Elements that a token keeps on one rank for a layer that attends, what an index keeps apart.
double kv_width(const ServingGraph& graph, LayerKind kind);

ServingMemory serving_memory(const ServingGraph& graph, const Device& device, const SoftwareProfile& software,
                             const IterationLimits& limits);

/// Of one rank of each pipeline stage, wherever they lie.
std::vector<Bytes> stage_weights(const ServingGraph& graph);

/// What a plan cannot split, and devices that the cluster lacks. Empty = a replica can be built; whether it fits is serving_memory's
/// answer: room and kv_tokens.
std::vector<Violation> check_serving_plan(const ServingJob& job, const ServingPlan& plan, int devices);

/// Memory that a replica lacks, as an inequality; empty = it holds at least `tokens` of KV cache.
std::vector<Violation> check_serving_memory(const ServingMemory& memory, std::int64_t tokens);

/// Weights that the host memory of a node does not hold, as an inequality.
std::vector<Violation> check_host_memory(const ServingGraph& graph, const NodeType& node);

} // namespace orrery
