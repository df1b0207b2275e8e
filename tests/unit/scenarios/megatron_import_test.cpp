// Megatron-LM commands as scenarios.
#include "scenarios/imports/megatron_import.hpp"
#include "scenarios/scenario_tables.hpp"
#include "sim/base/diagnostics.hpp"
#include "tests/support/refusal.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

namespace orrery::megatron_import_test {

namespace {

constexpr const char* gpt3 = "torchrun --nproc_per_node 8 --nnodes=128 pretrain_gpt.py --num-layers 96 --hidden-size 12288 "
                             "--num-attention-heads 96 --seq-length 2048 --micro-batch-size 1 --global-batch-size 1536 --bf16 "
                             "--tensor-model-parallel-size 8 --pipeline-model-parallel-size 8 ";
constexpr const char* small = "pretrain_gpt.py --num-layers 8 --hidden-size 1024 --num-attention-heads 16 --seq-length 1024 "
                              "--micro-batch-size 2 --bf16 ";

ImportedScenario imported(const std::string& command, ImportOptions options = {.machine = {.node = "dgx-h100"}}) {
  return import_megatron(launch_command(command, "--num-layers"), options);
}

Scenario scenario_of(const ImportedScenario& imported) {
  Diagnostics diagnostics;
  Scenario scenario = scenario_table().read(imported.scenario, diagnostics);
  diagnostics.throw_if_any();
  return scenario;
}

std::string refusal(const std::string& command, const ImportOptions& options = {.machine = {.node = "dgx-h100"}}) {
  return refusal_of([&] { imported(command, options); });
}

} // namespace

TEST_CASE("a command becomes the model, plan and machine that it names", "[import]") {
  const ImportedScenario import = imported(std::string(gpt3) + "--num-layers-per-virtual-pipeline-stage 2 --sequence-parallel "
                                                               "--use-distributed-optimizer --overlap-grad-reduce --recompute-activations "
                                                               "--train-iters 1000 --lr 1e-4 --data-path 0.3 a 0.7 b");
  const Scenario scenario = scenario_of(import);
  REQUIRE(scenario.jobs.size() == 1);
  const TrainingJob& job = *scenario.jobs.front().job;
  const Plan& plan = scenario.jobs.front().plan;
  CHECK(scenario.cluster.devices() == 1024);
  CHECK(job.model.layers == 96);
  CHECK(job.model.ffn_hidden == 4 * 12288);
  CHECK(job.model.vocabulary == 51200); // 50,257 in steps of 128 x 8
  CHECK(job.model.parameters() == Approx(175e9).epsilon(0.01));
  CHECK(job.global_batch == 1536);
  CHECK(job.tokens == 1000.0 * 1536 * 2048);
  CHECK(plan.tp == 8);
  CHECK(plan.pp == 8);
  CHECK(plan.dp == 16);
  CHECK(plan.virtual_stages == 6);
  CHECK(plan.schedule == ScheduleKind::interleaved);
  CHECK(plan.overlap_p2p);
  CHECK(plan.recompute == Recompute::selective);
  CHECK(plan.zero == 1);
  CHECK(plan.overlap_grad_reduce);
  CHECK_FALSE(plan.overlap_param_gather);
  CHECK(check_plan(job, plan, scenario.cluster.devices()).empty());
  CHECK(import.ignored.at("files and data") == std::vector<std::string>{"--data-path"});
}

TEST_CASE("defaults of Megatron are those of the import", "[import]") {
  const Scenario plain = scenario_of(imported(small));
  CHECK(plain.jobs.front().plan.dp == 8);
  CHECK(plain.jobs.front().job->global_batch == 16); // one micro-batch per replica
  CHECK(plain.software.hidden_dropout);
  CHECK(plain.software.gradient == Precision::fp32);
  const Scenario llama = scenario_of(imported(std::string(small) + "--swiglu --group-query-attention --num-query-groups 4 --normalization "
                                                                   "RMSNorm --position-embedding-type rope --hidden-dropout 0 "
                                                                   "--attention-dropout 0 --disable-bias-linear --vocab-size 1000 "
                                                                   "--make-vocab-size-divisible-by 64 --tokenizer-type NullTokenizer"));
  const TransformerModel& model = llama.jobs.front().job->model;
  CHECK(model.ffn_hidden == 2688); // 8/3 x 1,024 in steps of 64
  CHECK(model.kv_heads == 4);
  CHECK(model.norm == NormKind::rms_norm);
  CHECK(model.position == PositionKind::rotary);
  CHECK(model.max_positions == 0);
  CHECK_FALSE(model.biases);
  CHECK(model.vocabulary == 1024);
  CHECK_FALSE(llama.software.hidden_dropout);
  CHECK(scenario_of(imported(std::string(small) + "--transformer-impl local")).software.attention == AttentionKernel::unfused);
}

TEST_CASE("uneven pipelines keep all layers", "[import]") {
  const auto layers = [](const std::string& more) {
    return scenario_of(imported(std::string(small) + "--pipeline-model-parallel-size 2 " + more)).jobs.front().plan.stage_layers;
  };
  CHECK(layers("").empty());
  CHECK(layers("--decoder-first-pipeline-num-layers 3") == std::vector<int>{3, 5});
  CHECK(layers("--decoder-last-pipeline-num-layers 2") == std::vector<int>{6, 2});
  CHECK(layers("--account-for-embedding-in-pipeline-split --account-for-loss-in-pipeline-split") == std::vector<int>{4, 4});
  CHECK_THAT(refusal(std::string(small) + "--pipeline-model-parallel-size 2 --account-for-loss-in-pipeline-split"),
             Catch::Contains("8 layers do not divide into 2 chunks"));
  CHECK(layers("--num-virtual-stages-per-pipeline-rank 2 --decoder-first-pipeline-num-layers 2") == std::vector<int>{1, 3, 1, 3});
}

TEST_CASE("what a scenario does not say is refused by name", "[import]") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"--tp-comm-overlap", "--tp-comm-overlap: it changes how work is laid out"},
      {"--frobnicate 3", "--frobnicate: not an argument of Megatron-LM that this import knows"},
      {"--tensor-model-paralel-size 2", "did you mean '--tensor-model-parallel-size'"},
      {"--tensor-model-parallel-size 3", "do not divide 8 ranks"},
      {"--tensor-model-parallel-size two", "--tensor-model-parallel-size: 'two'; allowed: a number"},
      {"--tensor-model-parallel-size $TP", "the text does not set this variable"},
      {"--tensor-model-parallel-size 0", "a whole number of at least 1"},
      {"--tensor-model-parallel-size", "0 values; allowed: one value"},
      {"--sequence-parallel 1", "--sequence-parallel: followed by '1'; allowed: no value"},
      {"--normalization BatchNorm", "--normalization: 'BatchNorm'"},
      {"--recompute-granularity full --recompute-method block --recompute-num-layers 3", "not of some"},
      {"--recompute-granularity selective --recompute-modules core_attn mlp", "--recompute-modules core_attn mlp"},
      {"--num-layers-per-virtual-pipeline-stage 3", "3 layers do not divide the 8 of a stage"},
      {"--optimizer sgd", "--optimizer sgd"},
      {"--tokenizer-type HuggingFaceTokenizer", "--vocab-size: missing"},
      {"--num-query-groups 3 --group-query-attention", "--num-query-groups"},
  };
  for (const auto& [more, words] : cases) {
    CAPTURE(more);
    CHECK_THAT(refusal(small + more), Catch::Contains(words));
  }
  CHECK_THAT(refusal("pretrain_gpt.py --num-layers 8"),
             Catch::Contains("--hidden-size: missing") && Catch::Contains("--seq-length: missing"));
  CHECK_THAT(refusal(small, {}), Catch::Contains("--cluster: missing"));
  CHECK_THAT(refusal(small, {.machine = {.node = "dgx-h10"}}), Catch::Contains("did you mean 'dgx-h100'"));
  CHECK_THAT(refusal(small, {.machine = {.cluster = "selene", .node = "dgx-h100"}}), Catch::Contains("given beside --node"));
  CHECK(refusal(small + std::string("--tp-comm-overlap --frobnicate 3"),
                {.machine = {.node = "dgx-h100"}, .dropped = {"--tp-comm-overlap", "--frobnicate"}}) == "no refusal");
}

TEST_CASE("the machine is that of the caller, as large as the command asks for", "[import]") {
  CHECK(scenario_of(imported(small, {.machine = {.cluster = "selene"}})).cluster.devices() == 3072);
  const Cluster part =
      scenario_of(imported("torchrun --nproc-per-node 8 --nnodes 4 " + std::string(small), {.machine = {.cluster = "selene"}})).cluster;
  CHECK(part.devices() == 32);
  CHECK(part.node.name == "dgx-a100");
  CHECK(scenario_of(imported("torchrun --nproc_per_node 4 " + std::string(small))).cluster.devices() == 4);
  CHECK(scenario_of(imported("WORLD_SIZE=16\n" + std::string(small))).cluster.devices() == 16);
  CHECK(scenario_of(imported(small, {.machine = {.node = "dgx-h100", .nodes = 3}})).cluster.devices() == 24);
  CHECK_THAT(refusal("torchrun --nproc_per_node 6 --nnodes 2 " + std::string(small)), Catch::Contains("12 ranks on nodes of 8 devices"));
}

} // namespace orrery::megatron_import_test
