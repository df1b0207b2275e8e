// Caches of layer inputs: room by their width, products that make keys and values again.
#include "hardware/catalogue.hpp"
#include "models/iteration_model.hpp"
#include "models/serving_memory.hpp"
#include "scenarios/data_files.hpp"
#include "tests/unit/models/serving_models.hpp"

#include <catch2/catch.hpp>

namespace orrery::rematerialisation_test {

namespace {

constexpr int layers = 32;
constexpr double hidden = 4096;
constexpr double keys = 8 * 128; // width of all key heads

ReplicaModel replica(KvContent kept, Precision kv = Precision::bf16, int tp = 1) {
  return ReplicaModel({.node = load_node("dgx-h100"), .nodes = 1}, {.model = llama(layers, 4096), .kv = kv, .kept = kept}, {.tp = tp},
                      load_software("vllm-v1-2025"), load_calibration());
}

ServingMemory memory_of(const ReplicaModel& model) {
  return serving_memory(model.graph(), load_node("dgx-h100").device, load_software("vllm-v1-2025"), {});
}

} // namespace

TEST_CASE("a cache of inputs is as wide as the model, on every rank", "[closed_form][serving]") {
  CHECK(memory_of(replica(KvContent::keys_values)).kv_token.si() == Approx(layers * 2 * keys * 2));
  CHECK(memory_of(replica(KvContent::inputs)).kv_token.si() == Approx(layers * hidden * 2));
  CHECK(memory_of(replica(KvContent::inputs, Precision::fp4)).kv_token.si() == Approx(layers * hidden * 0.5));
  CHECK(memory_of(replica(KvContent::keys_values, Precision::bf16, 4)).kv_token.si() == Approx(layers * 2 * keys * 2 / 4));
  CHECK(memory_of(replica(KvContent::inputs, Precision::bf16, 4)).kv_token.si() == Approx(layers * hidden * 2));
}

TEST_CASE("decoding makes the keys and values of all tokens before again", "[closed_form][serving]") {
  constexpr int sequences = 4;
  constexpr double context = 8193; // the last token's own keys are at hand
  ReplicaModel plain = replica(KvContent::keys_values);
  ReplicaModel again = replica(KvContent::inputs);
  const IterationCost a = plain.cost({}, sequences, context);
  const IterationCost b = again.cost({}, sequences, context);
  CHECK((b.flops - a.flops).si() == Approx(layers * 2 * sequences * (context - 1) * hidden * 2 * keys).epsilon(0.01));
  CHECK(b.memory > a.memory);
  CHECK(b.latency > a.latency);
  ReplicaModel narrow = replica(KvContent::inputs, Precision::fp4);
  CHECK(narrow.cost({}, sequences, context).memory < b.memory);
}

TEST_CASE("a prompt behind others makes theirs again, a prompt from its start none", "[closed_form][serving]") {
  ReplicaModel plain = replica(KvContent::keys_values);
  ReplicaModel again = replica(KvContent::inputs);
  const auto more = [&](PrefillChunk chunk) { return (again.cost({&chunk, 1}, 0, 0).flops - plain.cost({&chunk, 1}, 0, 0).flops).si(); };
  const double again_for_past = layers * 2 * 2048 * hidden * 2 * keys;
  CHECK(more({.tokens = 512}) < 1e-4 * again_for_past); // the write to the cache
  CHECK(more({.tokens = 512, .past = 2048}) == Approx(again_for_past).epsilon(1e-3));
}

} // namespace orrery::rematerialisation_test
