#include "models/memory.hpp"

#include "workloads/schedule.hpp"

#include <algorithm>

namespace orrery {

namespace {

struct ChunkMemory {
  Bytes kept;
  Bytes working_set;
};

ChunkMemory chunk_memory(const OpGraph& graph, const Chunk& chunk) {
  ChunkMemory memory;
  for (const BlockUse& use : chunk.blocks) {
    const Block& block = graph.blocks[static_cast<std::size_t>(use.block)];
    memory.kept += block.activations * use.count;
    memory.working_set = std::max(memory.working_set, block.working_set);
  }
  return memory;
}

/// The most bytes that the passes in flight keep at once: chunks of a stage may differ, so the order is replayed.
Bytes peak_activations(const OpGraph& graph, const std::vector<ChunkMemory>& chunks, const Stage& stage, int index) {
  const int stages = static_cast<int>(graph.stages.size());
  // In steady state the number in flight no longer grows: a few rounds of the pipeline reach the peak.
  const int rounds = graph.schedule == ScheduleKind::gpipe ? graph.micro_batches : std::min(graph.micro_batches, 4 * stages);
  Bytes held;
  Bytes peak;
  for (const Slot& slot : schedule_order(graph.schedule, stages, graph.virtual_stages, rounds, index)) {
    const Bytes kept = chunks[static_cast<std::size_t>(stage.chunks[static_cast<std::size_t>(slot.chunk)])].kept;
    held += slot.backward ? -kept : kept;
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
  const bool one_kind = graph.schedule != ScheduleKind::interleaved;
  for (std::size_t s = 0; s < graph.stages.size(); ++s) {
    const Stage& stage = graph.stages[s];
    MemoryFootprint& memory = result.emplace_back();
    memory.parameters = stage.parameters;
    memory.gradients = stage.gradients;
    memory.optimizer = stage.optimizer;
    // With one chunk per stage the peak is its in-flight count; a replay gives the same and costs more.
    const int stages = static_cast<int>(graph.stages.size());
    const int index = static_cast<int>(s);
    memory.activations = one_kind ? chunks[static_cast<std::size_t>(stage.chunks.front())].kept *
                                        peak_in_flight(graph.schedule, stages, 1, graph.micro_batches, index)
                                  : peak_activations(graph, chunks, stage, index);
    for (const int chunk : stage.chunks)
      memory.working_set = std::max(memory.working_set, chunks[static_cast<std::size_t>(chunk)].working_set);
    memory.buffers = 2 * (graph.boundary_forward + graph.boundary_backward);
    memory.framework = software.framework_memory;
    memory.fragmentation = (memory.activations + memory.working_set + memory.buffers) * software.fragmentation;
  }
  return result;
}

MemoryFootprint fullest_stage(const std::vector<MemoryFootprint>& stages) {
  return *std::max_element(stages.begin(), stages.end(),
                           [](const MemoryFootprint& a, const MemoryFootprint& b) { return a.total() < b.total(); });
}

} // namespace orrery
