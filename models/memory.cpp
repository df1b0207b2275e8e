#include "models/memory.hpp"

#include "workloads/schedule.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery {

namespace {

struct ChunkMemory {
  Bytes kept;
  Bytes working_set;
  Bytes host; ///< of what is kept outside the device
  Bytes storage;
};

ChunkMemory chunk_memory(const OpGraph& graph, const Chunk& chunk) {
  ChunkMemory memory;
  for (const BlockUse& use : chunk.blocks) {
    const Block& block = graph.blocks[static_cast<std::size_t>(use.block)];
    memory.kept += block.activations * use.count;
    memory.working_set = std::max(memory.working_set, block.working_set);
    memory.host += block.host_activations * use.count;
    memory.storage += block.storage_activations * use.count;
  }
  return memory;
}

/// The most bytes that passes in flight keep at once on a stage, whose chunks may differ: the order of a few rounds is replayed, which
/// reaches the steady state. The mix of chunks that a split schedule holds follows costs: each counts as the largest.
Bytes peak_activations(const OpGraph& graph, const std::vector<Bytes>& kept, int stage) {
  const int stages = static_cast<int>(graph.stages.size());
  const auto [least, most] = std::minmax_element(kept.begin(), kept.end());
  if (*least == *most || splits_backward(graph.schedule))
    return *most * peak_in_flight(graph.schedule, stages, graph.virtual_stages, graph.micro_batches, stage);
  const int rounds = std::min(graph.micro_batches, 3 * stages);
  Bytes held;
  Bytes peak;
  for (const Slot& slot : stage_order(graph.schedule, stages, graph.virtual_stages, rounds, stage)) {
    const Bytes bytes = kept[static_cast<std::size_t>(slot.chunk)];
    held += slot.kind == PassKind::forward ? bytes : -bytes;
    peak = std::max(peak, held);
  }
  return peak;
}

} // namespace

std::vector<MemoryFootprint> memory_footprint(const OpGraph& graph, const SoftwareProfile& software) {
  std::vector<ChunkMemory> chunks;
  for (const Chunk& chunk : graph.chunks)
    chunks.push_back(chunk_memory(graph, chunk));
  std::vector<MemoryFootprint> result;
  std::vector<Bytes> kept;
  const auto outside = [&](Bytes ChunkMemory::* where, int stage) {
    kept.clear();
    for (const int chunk : graph.stages[static_cast<std::size_t>(stage)].chunks)
      kept.push_back(chunks[static_cast<std::size_t>(chunk)].*where);
    const bool any = std::any_of(kept.begin(), kept.end(), [](Bytes bytes) { return bytes > Bytes{}; });
    return any ? peak_activations(graph, kept, stage) : Bytes{};
  };
  for (std::size_t s = 0; s < graph.stages.size(); ++s) {
    const Stage& stage = graph.stages[s];
    MemoryFootprint& memory = result.emplace_back();
    memory.parameters = stage.parameters;
    memory.gradients = stage.gradients;
    memory.optimizer = stage.optimizer;
    kept.clear();
    for (const int chunk : stage.chunks)
      kept.push_back(chunks[static_cast<std::size_t>(chunk)].kept);
    memory.activations = peak_activations(graph, kept, static_cast<int>(s));
    for (const int chunk : stage.chunks)
      memory.working_set = std::max(memory.working_set, chunks[static_cast<std::size_t>(chunk)].working_set);
    memory.buffers = 2 * (graph.boundary_forward + graph.boundary_backward);
    memory.framework = software.framework_memory;
    memory.host = stage.host;
    memory.storage = stage.storage;
    memory.host += outside(&ChunkMemory::host, static_cast<int>(s));
    memory.storage += outside(&ChunkMemory::storage, static_cast<int>(s));
    memory.fragmentation = (memory.activations + memory.working_set + memory.buffers) * software.fragmentation;
  }
  return result;
}

FullestStage fullest_stage(const std::vector<MemoryFootprint>& stages) {
  std::size_t fullest = 0;
  for (std::size_t s = 1; s < stages.size(); ++s)
    if (stages[s].total() >= stages[fullest].total())
      fullest = s;
  return {static_cast<int>(fullest), stages[fullest]};
}

std::string gigabytes(Bytes bytes) { return fmt::format("{:.1f} GB", bytes.si() / 1e9); }

} // namespace orrery
