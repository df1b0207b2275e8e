// What a scenario that cannot be read or cannot run says.
#include "tests/support/refusal.hpp"
#include "tests/support/scenarios.hpp"
#include "tests/support/temporary_folder.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>

namespace orrery::scenario_test {

namespace {

std::string file_refusal(const std::string& file) {
  return refusal_of([&] { load_scenario(file); });
}

std::string quickstart_refusal(const Overrides& overrides) {
  return refusal_of([&] { quickstart(overrides); });
}

} // namespace

TEST_CASE("values that no scenario can have are refused where they stand", "[diagnostics]") {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"jobs.0.plan.tp=0", "jobs.0.plan.tp"},
      {"jobs.0.plan.pp=-8", "jobs.0.plan.pp"},
      {"jobs.0.plan.tp=eight", "a whole number"},
      {"jobs.0.plan.tp=012", "jobs.0.plan.tp"},
      {"jobs.0.plan.sequence_parallel=no", "true or false"},
      {"jobs.0.plan.schedule=1f1c", "did you mean '1f1b'"},
      {"jobs.0.training.global_batch=0", "global_batch"},
      {"jobs.0.training.tokens=nan", "tokens"},
      {"jobs.0.training.model=gpt3-175c", "did you mean 'gpt3-175b'"},
      {"jobs.0.training.precision=fp3", "precision"},
      {"software=megatron", "software"},
      {"cluster.nodes=0", "cluster.nodes"},
      {"cluster.node=dgx-h10", "did you mean 'dgx-h100'"},
      {"power.feed=1.5", "MW"},
      {"power.feed=-1 MW", "power.feed"},
      {"power.feed=inf W", "power.feed"},
      {"reliability.checkpoint.storage=200 GB", "GB/s"},
      {"expect.step_tim.max=1 s", "did you mean 'step_time'"},
      {"jobs.5.plan.tp=1", "jobs"},
      {"nothing", "="},
  };
  for (const auto& [assignment, words] : cases) {
    CAPTURE(assignment, words);
    CHECK_THAT(quickstart_refusal({assignment}), Catch::Contains(words));
  }
}

TEST_CASE("plans that the machine or the model cannot carry are results with their inequality", "[diagnostics]") {
  const std::vector<std::pair<Overrides, std::string>> cases{
      {{"jobs.0.plan.dp=32"}, "tp x pp x dp = 8 x 8 x 32 = 2048 ranks > 1024 devices"},
      {{"jobs.0.plan.dp=8"}, "512 ranks < 1024 devices"},
      {{"jobs.0.plan.tp=16", "jobs.0.plan.dp=8", "jobs.0.training.model=llama3-8b"}, "layers 32 < pp x virtual_stages 48"},
      {{"jobs.0.training.global_batch=1000"}, "global_batch 1000 is not divisible by dp x micro_batch 16"},
      {{"jobs.0.training.global_batch=1552"}, "micro-batches per replica 97 is not divisible by pp 8"},
      {{"jobs.0.plan.tp=7"}, "attention heads 96 is not divisible by tp 7"},
      {{"jobs.0.training.sequence=4096"}, "sequence 4096 > 2048 learned positions"},
      {{"jobs.0.plan.micro_batch=12"}, "> 80.0 GB of h100-sxm-80gb"},
      {{"power.feed=10 kW"}, "MW > feed 10 kW"},
      {{"power.device_cap=50 W"}, "W > cap 50 W"},
      {{"power.device_cap=73 W"}, "power of a device that waits at its lowest clock"},
      {{"cluster.node.device=tpu-v5p", "cluster.node.scale_up.kind=switched", "jobs.0.training.precision=fp16"},
       "has no unit that computes in fp16"},
  };
  for (const auto& [overrides, words] : cases) {
    CAPTURE(overrides, words);
    const std::vector<std::string> found = estimated(quickstart(overrides)).violations;
    CAPTURE(found);
    CHECK(std::any_of(found.begin(), found.end(), [&](const std::string& text) { return text.find(words) != std::string::npos; }));
  }
}

TEST_CASE("an operator in a precision that no unit has is infeasible, not free", "[diagnostics]") {
  const TemporaryFolder folder;
  const std::string file =
      folder.write("fp4.yaml", "name: x\ncluster: { name: one, node: { base: dgx-h100, devices: 1, nics: { count: 1, bandwidth: 50 GB/s, "
                               "latency: 2 us } }, nodes: 1, fabric: { kind: single_node }, sources: [{ figure: \"*\", kind: assumed, "
                               "reference: a test }] }\nsoftware: megatron-core-2024\njobs:\n  - graph:\n      name: fp4\n      blocks:\n"
                               "        - name: one\n          forward:\n            - { name: up, precision: fp4, matmul: { m: 64, n: "
                               "64, k: 64 } }\n");
  const std::vector<std::string> found = run_scenario(load_scenario(file)).jobs.front().violations;
  REQUIRE(found.size() == 1);
  CHECK_THAT(found.front(), Catch::Contains("no unit that computes in fp4"));
}

TEST_CASE("files that are none", "[diagnostics]") {
  CHECK_THAT(file_refusal("does-not-exist.yaml"), Catch::Contains("no such file"));
  CHECK_THAT(file_refusal(std::filesystem::temp_directory_path().string()), Catch::Contains("directory"));
  const TemporaryFolder folder;
  const std::string empty = folder.write("empty.yaml", "");
  CHECK_THAT(file_refusal(empty), Catch::Contains("empty.yaml"));
  const std::string broken = folder.write("broken_config.json", "{ \"model_type\": \"gpt2\", \"n_layer\": ");
  CHECK_THAT(quickstart_refusal({"jobs.0.training.model=" + broken}), Catch::Contains("broken_config.json:1"));
  const std::string odd =
      folder.write("odd_config.json", R"({ "model_type": "gpt2", "n_layer": -4, "n_embd": "wide", "n_head": 0, "vocab_size": 1 })");
  const std::string text = quickstart_refusal({"jobs.0.training.model=" + odd});
  for (const char* key : {"n_layer", "n_embd", "n_head"})
    CHECK_THAT(text, Catch::Contains(key));
}

TEST_CASE("every mistake of a file is reported at once", "[diagnostics]") {
  const TemporaryFolder folder;
  const std::string file =
      folder.write("mistakes.yaml", "name: x\nclustr: dgx-h100-superpod\nsoftware: megatron-core-2024\njobs:\n"
                                    "  - training: { model: gpt3-175b, sequence: 2048, global_batch: 0 }\n    plan: { tp: 8, tp: 4 }\n");
  const std::string text = file_refusal(file);
  CHECK_THAT(text, Catch::Contains("6:20"));
}

} // namespace orrery::scenario_test
