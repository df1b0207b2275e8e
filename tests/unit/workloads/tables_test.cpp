// Parameter tables of the workloads: the catalogue reads without a mistake, what is read is written back, and mistakes are named.
#include "tests/support/yaml_text.hpp"
#include "workloads/tables.hpp"

#include <catch2/catch.hpp>

namespace orrery::tables_test {
namespace {

template <class T> T read(const Table<T>& table, const std::string& text, Diagnostics& diagnostics) {
  return table.read(yaml::parse_yaml(text, "test.yaml", diagnostics), diagnostics);
}

std::string model_text(const std::string& changed = {}, const std::string& value = {}) {
  yaml::Node node = model_table().write(from_catalogue("gpt3-175b", model_table(), model_catalogue()));
  if (!changed.empty())
    node.set(changed, yaml::scalar(value));
  return yaml::to_yaml(node);
}

} // namespace

TEST_CASE("every model of the catalogue reads and has about the parameters that its name says", "[workloads][tables]") {
  const std::vector<std::string> names = model_catalogue().names();
  CHECK(names.size() >= 21);
  for (const std::string& name : names) {
    const TransformerModel model = from_catalogue(name, model_table(), model_catalogue());
    CAPTURE(name, model.parameters());
    CHECK(model.name == name);
    CHECK_FALSE(model.sources.empty());
    if (model.experts.count > 0 || model.full_attention_every > 0 || !model.pattern.empty())
      continue; // counted in tests/closed_form/model_kinds_test.cpp
    const double unit = name.back() == 't' ? 1e12 : name.back() == 'm' ? 1e6 : 1e9;
    const double said = unit * std::stod(name.substr(name.rfind('-') + 1));
    // Vendors round down: Gemma 7B has 8.5 billion, Llama 3.2 1B 1.24, Granite 3 2B 2.53; Gemma's 2B leave out the embedding.
    CHECK(model.parameters() == Approx(said).epsilon(0.27));
  }
}

TEST_CASE("every software profile reads, and is written back unchanged", "[workloads][tables]") {
  for (const std::string& name : software_catalogue().names()) {
    const SoftwareProfile profile = from_catalogue(name, software_table(), software_catalogue());
    CHECK(profile.name == name);
    const yaml::Node written = software_table().write(profile);
    Diagnostics diagnostics;
    CHECK(software_table().write(software_table().read(written, diagnostics)) == written);
    CHECK(diagnostics.empty());
  }
}

TEST_CASE("a training job and its plan read from text", "[workloads][tables]") {
  Diagnostics diagnostics;
  const TrainingJob job =
      read(training_table(), "{ model: gpt3-175b, sequence: 2048, global_batch: 1536, precision: fp16, tokens: 300e9 }", diagnostics);
  const Plan plan = read(
      plan_table(), "{ tp: 8, pp: 8, dp: 16, micro_batch: 1, schedule: interleaved, virtual_stages: 6, recompute: selective, zero: 1 }",
      diagnostics);
  INFO(diagnostics.render());
  REQUIRE(diagnostics.empty());
  CHECK(job.model.layers == 96);
  CHECK(job.tokens == 300e9);
  CHECK(job.precision == Precision::fp16);
  CHECK(plan.ranks() == 1024);
  CHECK(plan.schedule == ScheduleKind::interleaved);
  CHECK(plan.recompute == Recompute::selective);
}

TEST_CASE("an inline model starts from a catalogue entry", "[workloads][tables]") {
  Diagnostics diagnostics;
  const TrainingJob job =
      read(training_table(), "{ model: { base: gpt3-175b, name: half, layers: 48 }, sequence: 2048, global_batch: 8 }", diagnostics);
  INFO(diagnostics.render());
  REQUIRE(diagnostics.empty());
  CHECK(job.model.layers == 48);
  CHECK(job.model.hidden == 12288);
}

TEST_CASE("mistakes in a model are named", "[workloads][tables]") {
  CHECK(mistakes(model_table(), model_text()).empty());
  CHECK_THAT(mistakes(model_table(), model_text("kv_heads", "7")), Catch::Contains("kv_heads: 7 key/value heads for 96 heads"));
  CHECK_THAT(mistakes(model_table(), model_text("position", "rotary")), Catch::Contains("max_positions: 2048 without learned positions"));
  CHECK_THAT(mistakes(model_table(), model_text("max_positions", "0")), Catch::Contains("max_positions: 0 with learned positions"));
  CHECK_THAT(mistakes(model_table(), model_text("sources", "none")), Catch::Contains("sources: 'none'"));
  CHECK_THAT(
      mistakes(training_table(),
               "{ model: { base: gpt3-175b, sources: [{ figure: layer, kind: paper, reference: x }] }, sequence: 1, global_batch: 1 }"),
      Catch::Contains("model.sources.0.figure: 'layer' is no value of this model") && Catch::Contains("did you mean 'layers'?"));
  for (const char* size : {"0", "-1", "1e300", "2.5", "nan", "12k"}) {
    for (const char* key : {"layers", "hidden", "heads", "kv_heads", "head_dim", "ffn_hidden", "vocabulary"})
      CHECK_THAT(mistakes(model_table(), model_text(key, size)), Catch::Contains(std::string(key) + ": "));
  }
  CHECK_THAT(mistakes(training_table(), "{ model: gpt3-175, sequence: 1, global_batch: 1 }"), Catch::Contains("did you mean 'gpt3-175b'?"));
  CHECK_THAT(mistakes(training_table(), "{ model: ../gpt3-175b, sequence: 1, global_batch: 1 }"), Catch::Contains("no model of the name"));
  CHECK_THAT(mistakes(training_table(), "{ model: nowhere.yaml, sequence: 1, global_batch: 1 }"), Catch::Contains("no such file"));
}

TEST_CASE("mistakes in a plan are named", "[workloads][tables]") {
  CHECK_THAT(mistakes(plan_table(), "{ virtual_stages: 2 }"), Catch::Contains("write 'schedule: interleaved'"));
  CHECK_THAT(mistakes(plan_table(), "{ tp: 100000, pp: 10000, dp: 10000000 }"), Catch::Contains("at most 10000000"));
  CHECK_THAT(mistakes(plan_table(), "{ pp: 2, stage_layers: [3] }"),
             Catch::Contains("stage_layers: 1 entries; allowed: pp x virtual_stages = 2"));
  CHECK_THAT(mistakes(plan_table(), "{ recompute: fully }"), Catch::Contains("did you mean 'full'?"));
  CHECK_THAT(mistakes(plan_table(), "{ zero: 4 }"), Catch::Contains("a whole number from 0 to 3"));
  CHECK_THAT(mistakes(plan_table(), "{ tp: 0, dp: -4 }"), Catch::Contains("tp: ") && Catch::Contains("dp: "));
}

} // namespace orrery::tables_test
