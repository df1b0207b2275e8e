#include "models/memory.hpp"

#include "models/weight_operands.hpp"
#include "workloads/schedule.hpp"
#include "workloads/split_schedule.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery {

namespace {

struct ChunkMemory {
  Bytes kept;
  Bytes operands; ///< part of it that outlives the gradient of the input where that of the weights comes later
  Bytes working_set;
  Bytes host; ///< of what is kept outside the device
  Bytes storage;
};

ChunkMemory chunk_memory(const OpGraph& graph, const Chunk& chunk) {
  ChunkMemory memory;
  for (const BlockUse& use : chunk.blocks) {
    const Block& block = graph.blocks[static_cast<std::size_t>(use.block)];
    memory.kept += block.activations * use.count;
    if (splits_backward(graph.schedule))
      memory.operands += weight_operands(block) * use.count;
    memory.working_set = std::max(memory.working_set, block.working_set);
    memory.host += block.host_activations * use.count;
    memory.storage += block.storage_activations * use.count;
  }
  return memory;
}

/// The most bytes that passes in flight keep at once on a stage, whose chunks may differ: the passes up to the end of the first steady
/// round are counted. The mix of chunks that a split schedule holds follows costs: each counts as the largest.
Bytes peak_activations(const OpGraph& graph, const std::vector<Bytes>& kept, int stage) {
  const int stages = static_cast<int>(graph.stages.size());
  const int in_flight = peak_in_flight(graph.schedule, stages, graph.virtual_stages, graph.micro_batches, stage);
  const auto [least, most] = std::minmax_element(kept.begin(), kept.end());
  if (*least == *most || splits_backward(graph.schedule))
    return *most * in_flight;
  // Micro-batches go in groups of `stages` through each chunk in turn, backwards from the last chunk on.
  const int chunks = static_cast<int>(kept.size());
  const int forwards = std::min(in_flight + stages * chunks, graph.micro_batches * chunks);
  Bytes held;
  Bytes peak;
  for (int first = 0, chunk = 0, returning = chunks - 1, returned = 0; first < forwards; first += stages) {
    for (int k = first; k < std::min(first + stages, forwards); ++k) {
      held += kept[static_cast<std::size_t>(chunk)];
      peak = std::max(peak, held);
      if (k + 1 < in_flight)
        continue;
      held -= kept[static_cast<std::size_t>(returning)];
      if (++returned % stages == 0)
        returning = (returning + chunks - 1) % chunks;
    }
    chunk = (chunk + 1) % chunks;
  }
  return peak;
}

/// The most that a stage with one chunk keeps where gradients of weights come later: micro-batches on their way through the stages behind
/// it in full, of the others what the gradients of the weights read. Their number follows the schedule's limit, which counts a pending
/// gradient at its mean share of the stages' activations.
Bytes peak_of_split(const OpGraph& graph, const std::vector<ChunkMemory>& chunks, int stage) {
  const int stages = static_cast<int>(graph.stages.size());
  const int limit = peak_in_flight(graph.schedule, stages, 1, graph.micro_batches, stage);
  const int ahead = std::min(limit, split_ahead(graph.schedule, stages, graph.micro_batches, stage));
  double share = 0;
  for (const Stage& each : graph.stages) {
    const ChunkMemory& chunk = chunks[static_cast<std::size_t>(each.chunks.front())];
    share += chunk.kept > Bytes{} ? std::min(1.0, chunk.operands / chunk.kept) / stages : 1.0 / stages;
  }
  const ChunkMemory& own = chunks[static_cast<std::size_t>(graph.stages[static_cast<std::size_t>(stage)].chunks.front())];
  const double pending = share > 0 ? std::min<double>(graph.micro_batches - ahead, (limit - ahead) / share) : 0;
  return std::min(own.kept * limit, own.kept * ahead + std::min(own.operands, own.kept) * pending);
}

} // namespace

std::vector<MemoryFootprint> memory_footprint(const OpGraph& graph, const SoftwareProfile& software) {
  std::vector<ChunkMemory> chunks;
  chunks.reserve(graph.chunks.size());
  for (const Chunk& chunk : graph.chunks)
    chunks.push_back(chunk_memory(graph, chunk));
  std::vector<MemoryFootprint> result;
  result.reserve(graph.stages.size());
  std::vector<Bytes> kept;
  kept.reserve(static_cast<std::size_t>(graph.virtual_stages));
  const auto outside = [&](Bytes ChunkMemory::* where, int stage) {
    if (std::ranges::none_of(chunks, [](Bytes bytes) { return bytes > Bytes{}; }, where))
      return Bytes{};
    kept.clear();
    for (const int chunk : graph.stages[static_cast<std::size_t>(stage)].chunks)
      kept.push_back(chunks[static_cast<std::size_t>(chunk)].*where);
    return peak_activations(graph, kept, stage);
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
    memory.activations = splits_backward(graph.schedule) && kept.size() == 1 ? peak_of_split(graph, chunks, static_cast<int>(s))
                                                                             : peak_activations(graph, kept, static_cast<int>(s));
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
