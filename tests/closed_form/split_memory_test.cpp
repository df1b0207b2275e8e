// Activations that a stage keeps at its peak, against orders counted pass by pass.
#include "hardware/catalogue.hpp"
#include "models/memory.hpp"
#include "scenarios/data_files.hpp"
#include "workloads/schedule.hpp"
#include "workloads/transformer.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

namespace orrery::split_memory_test {

namespace {

TrainingJob job_of(int batch) {
  TransformerModel model{.name = "24 layers", .layers = 24, .hidden = 2048, .heads = 16, .kv_heads = 16, .head_dim = 128};
  model.ffn_hidden = 4 * model.hidden;
  model.vocabulary = 128000;
  return {.model = model, .sequence = 1024, .global_batch = batch, .precision = Precision::fp16};
}

Bytes kept_by(const OpGraph& graph, int stage, int chunk) {
  Bytes kept;
  const int index = graph.stages[static_cast<std::size_t>(stage)].chunks[static_cast<std::size_t>(chunk)];
  for (const BlockUse& use : graph.chunks[static_cast<std::size_t>(index)].blocks)
    kept += graph.blocks[static_cast<std::size_t>(use.block)].activations * use.count;
  return kept;
}

} // namespace

TEST_CASE("interleaved chunks that differ are held as their order holds them", "[closed_form][memory]") {
  const int virtual_stages = GENERATE(2, 3);
  const int micro_batches = 4 * GENERATE(1, 2, 5);
  const Plan plan{.pp = 4, .schedule = ScheduleKind::interleaved, .virtual_stages = virtual_stages};
  const SoftwareProfile software = load_software("megatron-2023");
  const OpGraph graph = build_training_graph(job_of(micro_batches), plan, software);
  const std::vector<MemoryFootprint> memory = memory_footprint(graph, software);
  for (int stage = 0; stage < plan.pp; ++stage) {
    Bytes held;
    Bytes peak;
    for (const Slot& slot : stage_order(plan.schedule, plan.pp, virtual_stages, micro_batches, stage)) {
      const Bytes kept = kept_by(graph, stage, slot.chunk);
      held += slot.kind == PassKind::forward ? kept : -kept;
      peak = std::max(peak, held);
    }
    CAPTURE(stage, virtual_stages, micro_batches);
    CHECK(memory[static_cast<std::size_t>(stage)].activations.si() == Approx(peak.si()).epsilon(1e-9));
  }
}

TEST_CASE("the last stage of a split schedule keeps logits of few micro-batches", "[closed_form][memory]") {
  const ScheduleKind kind = GENERATE(ScheduleKind::zb_1p, ScheduleKind::zb_2p);
  const Plan plan{.pp = 8, .schedule = kind};
  const SoftwareProfile software = load_software("megatron-2023");
  const OpGraph graph = build_training_graph(job_of(64), plan, software);
  const std::vector<MemoryFootprint> memory = memory_footprint(graph, software);
  const int limit = kind == ScheduleKind::zb_2p ? 16 : 8;
  // Stages alike keep what the limit says, the last one less than as many of its own micro-batches.
  CHECK(memory[3].activations.si() == Approx((kept_by(graph, 3, 0) * limit).si()).epsilon(0.05));
  CHECK(memory[3].activations <= kept_by(graph, 3, 0) * limit);
  CHECK(memory[7].activations < 0.9 * (kept_by(graph, 7, 0) * limit));
  CHECK(memory[7].activations > kept_by(graph, 7, 0));
}

} // namespace orrery::split_memory_test
