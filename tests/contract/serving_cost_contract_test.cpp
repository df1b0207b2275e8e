// What every weight format, engine profile and model of the catalogue promises about the cost of an iteration.
#include "hardware/catalogue.hpp"
#include "models/iteration_model.hpp"
#include "models/serving_memory.hpp"
#include "scenarios/data_files.hpp"
#include "workloads/tables.hpp"

#include <catch2/catch.hpp>

namespace orrery::serving_cost_contract_test {

namespace {

TransformerModel catalogue_model(const std::string& name) {
  Diagnostics diagnostics;
  const auto node = model_catalogue().find(yaml::scalar(name), diagnostics);
  diagnostics.throw_if_any();
  TransformerModel model = model_table().read(*node, diagnostics);
  diagnostics.throw_if_any();
  return model;
}

Cluster node(const char* name) { return {.node = load_node(name), .nodes = 1}; }

/// Costs that any replica has, whatever its model, format and engine.
void check_costs(ReplicaModel& model) {
  const IterationCost one = model.decode(1).at(100);
  const IterationCost longer = model.decode(1).at(10000);
  const IterationCost more = model.decode(32).at(100);
  CHECK(one.latency.si() > 0);
  CHECK(one.energy.si() > 0);
  CHECK(one.memory.si() > 0);
  CHECK(one.occupancy <= one.latency);
  CHECK(longer.latency >= one.latency);
  CHECK(longer.memory >= one.memory);
  CHECK(more.flops > one.flops);
  CHECK(more.latency < 32 * one.latency); // batching pays
  // Through either door the same, to the interpolation between contexts.
  CHECK(model.cost({}, 32, 777).latency.si() == Approx(model.decode(32).at(777).latency.si()).epsilon(0.002));
  // A prompt beside decoding costs no less than each alone.
  const PrefillChunk chunk{.tokens = 300, .past = 100};
  const IterationCost mixed = model.cost({&chunk, 1}, 32, 777);
  CHECK(mixed.flops > model.cost({&chunk, 1}, 0, 0).flops);
  CHECK(mixed.flops > model.cost({}, 32, 777).flops);
  // Asked again it is the same to the bit.
  CHECK(model.cost({&chunk, 1}, 32, 777).latency == mixed.latency);
}

} // namespace

TEST_CASE("every weight format", "[contract][serving]") {
  const SoftwareProfile software = load_software("vllm-v1-2025");
  const TransformerModel dense = catalogue_model("llama3-8b");
  const TransformerModel experts = catalogue_model("mixtral-8x7b");
  for (const char* machine : {"dgx-a100", "dgx-h100", "dgx-b200"})
    for (const WeightFormat& format : weight_formats())
      for (const TransformerModel* model : {&dense, &experts}) {
        INFO(machine << ' ' << format.name << ' ' << model->name);
        ServingJob job{.model = *model, .weights = format};
        ReplicaModel replica(node(machine), job, {.tp = 2}, software, load_calibration());
        check_costs(replica);
        // Narrower weights are fewer bytes, on the device and on the wire from it.
        ReplicaModel half(node(machine), {.model = *model}, {.tp = 2}, software, load_calibration());
        CHECK(replica.decode(1).at(10).memory <= half.decode(1).at(10).memory * 1.001);
        CHECK(find_weight_format(format.name)->weight_bytes == format.weight_bytes);
      }
  CHECK(find_weight_format("w5a7") == nullptr);
}

TEST_CASE("every engine profile", "[contract][serving]") {
  const TransformerModel model = catalogue_model("llama3-8b");
  int engines = 0;
  for (const std::string& name : software_catalogue().names()) {
    const SoftwareProfile software = load_software(name);
    if (software.serving.iteration_host.si() <= 0)
      continue;
    ++engines;
    INFO(name);
    ReplicaModel replica(node("dgx-h100"), {.model = model}, {.tp = 4}, software, load_calibration());
    check_costs(replica);
    const ServingMemory memory = serving_memory(replica.graph(), node("dgx-h100").node.device, software, {});
    CHECK(memory.kv_tokens > 100'000);
    CHECK(memory.kv_blocks * software.serving.block_tokens == memory.kv_tokens);
    CHECK(static_cast<double>(memory.kv_tokens) * memory.kv_token.si() <= memory.capacity.si());
  }
  CHECK(engines >= 7);
}

TEST_CASE("every kind of model", "[contract][serving]") {
  const SoftwareProfile software = load_software("sglang-2025");
  for (const char* name : {"gpt3-13b", "gemma2-9b", "deepseek-v2-lite", "nemotron-h-8b", "gpt-oss-20b", "qwen3-30b-a3b", "falcon-7b"}) {
    INFO(name);
    ReplicaModel replica(node("dgx-h100"), {.model = catalogue_model(name)}, {}, software, load_calibration());
    check_costs(replica);
    CHECK(serving_memory(replica.graph(), node("dgx-h100").node.device, software, {}).kv_tokens > 1000);
  }
}

TEST_CASE("groups that attend by themselves share the experts", "[contract][serving]") {
  const TransformerModel model = catalogue_model("deepseek-v3");
  const SoftwareProfile software = load_software("sglang-2025");
  const ServingJob job{.model = model, .weights = *find_weight_format("fp8_block")};
  ReplicaModel tensor(node("dgx-h200"), job, {.tp = 8, .ep = 8}, software, load_calibration());
  ReplicaModel groups(node("dgx-h200"), job, {.tp = 1, .ep = 8, .attention_dp = 8}, software, load_calibration());
  check_costs(tensor);
  check_costs(groups);
  const Device device = node("dgx-h200").node.device;
  // The latent is copied to every tensor-parallel rank, but kept once per group.
  CHECK(serving_memory(groups.graph(), device, software, {}).replica_kv_token * 8 ==
        serving_memory(tensor.graph(), device, software, {}).replica_kv_token);
  CHECK(serving_memory(groups.graph(), device, software, {}).kv_tokens >
        3 * serving_memory(tensor.graph(), device, software, {}).kv_tokens);
  // A lone long prompt keeps one group busy, not an eighth of each.
  const PrefillChunk chunk{.tokens = 4000};
  std::vector<PrefillChunk> spread(8, PrefillChunk{.tokens = 500});
  CHECK(groups.cost({&chunk, 1}, 0, 0).latency > groups.cost(spread, 0, 0).latency);
}

TEST_CASE("attention behind an index reads no more than it chose, and the small keys of all", "[contract][serving]") {
  const SoftwareProfile software = load_software("sglang-2025");
  const WeightFormat format = *find_weight_format("fp8_block");
  const auto replica = [&](const char* model) {
    return ReplicaModel(node("dgx-h200"), {.model = catalogue_model(model), .weights = format}, {.tp = 1, .ep = 8, .attention_dp = 8},
                        software, load_calibration());
  };
  ReplicaModel full = replica("deepseek-v3");
  ReplicaModel indexed = replica("deepseek-v3.2");
  check_costs(indexed);
  const Device device = node("dgx-h200").node.device;
  // One key of 128 bytes with a scale of four per token and layer, on every rank.
  const Bytes more =
      serving_memory(indexed.graph(), device, software, {}).kv_token - serving_memory(full.graph(), device, software, {}).kv_token;
  CHECK(more.si() == Approx(61 * 132));
  // The index costs where all tokens are read anyway, and pays where they are many.
  CHECK(indexed.decode(64).at(1000).latency > full.decode(64).at(1000).latency);
  CHECK(indexed.decode(64).at(64000).latency < 0.8 * full.decode(64).at(64000).latency);
  const auto growth = [](ReplicaModel& model) { return (model.decode(64).at(128000).memory - model.decode(64).at(64000).memory).si(); };
  CHECK(growth(indexed) / growth(full) == Approx(132.0 / (2 * 576)).epsilon(0.05));
  const PrefillChunk chunk{.tokens = 4096, .past = 60000};
  CHECK(indexed.cost({&chunk, 1}, 0, 0).flops < full.cost({&chunk, 1}, 0, 0).flops);
}

} // namespace orrery::serving_cost_contract_test
