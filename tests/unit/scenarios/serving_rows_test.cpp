#include "tests/unit/scenarios/serving_row_cells.hpp"

namespace orrery::serving_rows_test {

using Catch::Contains;
using Catch::Detail::Approx;

namespace {

/// The row of a closed loop with other cells as given.
ServingRow row_of(const Given& given) {
  Given cells = {{"id", "x"},
                 {"accelerator", "H100-SXM-80GB"},
                 {"devices", "2"},
                 {"tp", "2"},
                 {"pp", "1"},
                 {"dp", "1"},
                 {"engine", "vLLM"},
                 {"engine_version", "0.19.0"},
                 {"model", "Qwen3-32B"},
                 {"kind", "fixed_concurrency_agg"},
                 {"input_len", "1024"},
                 {"output_len", "128"},
                 {"concurrency", "8"},
                 {"ttft_ms_mean", "100"},
                 {"tpot_ms_mean", "10"}};
  for (const auto& [column, text] : given)
    cells[column] = text;
  return serving_row_of(cells);
}

} // namespace

TEST_CASE("a published serving row names its machine, engine, job, layout and traffic", "[scenarios][serving]") {
  const ServingRow row = row_of({});
  REQUIRE(row.refusal.empty());
  CHECK(row.cluster.node.device.name == "h100-sxm-80gb");
  CHECK(row.cluster.devices() == 2);
  CHECK(row.software.name == "vllm-2026");
  CHECK(row.software.serving.max_sequences == 1024);
  CHECK(row.job.model.name == "qwen3-32b");
  CHECK(row.job.weights.name == "bf16");
  REQUIRE(row.layouts.size() == 1);
  CHECK(row.layouts.front().front().plan.tp == 2);
  CHECK(row.layouts.front().front().replicas == 1);
  CHECK(std::get<ClosedLoop>(row.traffic.arrivals).concurrency == 8);
  CHECK(std::get<FixedLength>(row.traffic.input).tokens == 1024);
  REQUIRE(row.measured.size() == 2);
  CHECK(row.measured.front().metric == ServingMetric::ttft);
  CHECK(row.measured.front().value == Approx(0.1));
}

TEST_CASE("releases of a model have its shape", "[scenarios][serving]") {
  for (const auto& [published, known] : Given{{"Llama-3.1-8B-Instruct", "llama3-8b"},
                                              {"LLaMA-3.3-70B", "llama3-70b"},
                                              {"meta-llama/Llama-3.2-3B-Instruct", "llama3.2-3b"},
                                              {"LLaMA-2-70B-chat", "llama2-70b"},
                                              {"DeepSeek-V3/R1", "deepseek-v3"},
                                              {"DeepSeek-R1-0528", "deepseek-v3"},
                                              {"Kimi-K2.5", "kimi-k2"},
                                              {"MiniMax-M2.5", "minimax-m2"},
                                              {"MiniMax-M1-80k", "minimax-m1"},
                                              {"MiniMax-Text-01", "minimax-m1"},
                                              {"GLM-4.5-Air", "glm-4.5-air"},
                                              {"Qwen3-235B-A22B-Thinking-2507-FP8", "qwen3-235b-a22b"},
                                              {"Qwen3-Coder-30B-A3B-Instruct", "qwen3-30b-a3b"},
                                              {"NVIDIA-Nemotron-Nano-9B-v2", "nemotron-nano-v2-9b"},
                                              {"gemma-3-12b-it", "gemma3-12b"},
                                              {"Qwen2.5-7B-Instruct", "qwen2.5-7b"},
                                              {"BLOOM-176B", "bloom-176b"}}) {
    CAPTURE(published);
    CHECK(row_of({{"model", published}, {"devices", "8"}, {"tp", "1"}, {"dp", "8"}}).job.model.name == known);
  }
}

TEST_CASE("models of other operators are refused with what is missing", "[scenarios][serving]") {
  for (const auto& [published, missing] : Given{{"Llama-3_3-Nemotron-Super-49B-v1", "unequal shapes"},
                                                {"Step-3-FP8", "queries in two factors"},
                                                {"AI21-Jamba-1.5-Mini", "Mamba-1"},
                                                {"Falcon-H1-34B-Instruct", "side by side"},
                                                {"google/gemma-3n-E4B-it", "embeddings of every layer"}}) {
    CAPTURE(published);
    CHECK_THAT(row_of({{"model", published}}).refusal, Contains(missing));
  }
}

TEST_CASE("weights and KV cache are kept as the row or its model's publisher says", "[scenarios][serving]") {
  CHECK(row_of({{"w_prec", "FP8"}}).job.weights.name == "fp8");
  CHECK(row_of({{"w_prec", "FP8"}}).job.kv == Precision::bf16);
  CHECK(row_of({{"w_prec", "FP8"}, {"engine", "TensorRT-LLM"}, {"engine_version", "1.0"}}).job.kv == Precision::fp8);
  const ServingRow blocks = row_of({{"w_prec", "FP8"}, {"model", "DeepSeek-R1"}, {"devices", "8"}, {"tp", "8"}});
  CHECK(blocks.job.weights.name == "fp8_block");
  const ServingRow experts = row_of({{"w_prec", "NVFP4"}, {"accelerator", "A100-SXM-80GB"}, {"model", "gpt-oss-120b"}});
  CHECK(experts.job.weights.name == "mxfp4");
  CHECK(experts.job.weights.experts_only);
  CHECK(experts.job.weights.operand == Precision::bf16); // the device has no narrower arithmetic
  CHECK_THAT(row_of({{"w_prec", "W1.58"}}).refusal, Contains("W1.58"));
  for (const auto& [accelerator, half] : {std::pair{"TPU-v4", Precision::bf16}, {"V100-SXM2-32GB", Precision::fp16}}) {
    const ServingRow halves = row_of({{"w_prec", "FP16"}, {"accelerator", accelerator}});
    CHECK(halves.job.precision == half);
    CHECK(halves.job.weights.operand == half);
  }
}

TEST_CASE("engines are told by their version, or by the date of a row without one", "[scenarios][serving]") {
  const auto profile = [](const std::string& engine, const std::string& version, const std::string& notes) {
    return row_of({{"engine", engine}, {"engine_version", version}, {"notes", notes}}).software.name;
  };
  CHECK(profile("vLLM", "v0.11.0", "") == "vllm-v1-2025");
  CHECK(profile("vLLM", "0.6.3", "") == "vllm-0.6");
  CHECK(profile("vLLM", "", "measured 2025-10-08") == "vllm-v1-2025");
  CHECK(profile("vLLM", "", "measured 2026-01-08") == "vllm-2026");
  CHECK(profile("TensorRT-LLM", "0.17", "") == "tensorrt-llm-2024");
  CHECK(profile("TensorRT-LLM", "1.0.0rc3", "") == "tensorrt-llm-pytorch-2025");
  CHECK(profile("TensorRT-LLM", "0.8.1.post2", "") == "tensorrt-llm-pytorch-2026"); // the orchestrator's version
  CHECK(profile("TensorRT-LLM", "TensorRT 10.2.0, CUDA 12.4", "") == "tensorrt-llm-2024");
  CHECK(profile("SGLang", "0.5.9", "") == "sglang-2025");
}

TEST_CASE("blanks of a plan are filled by every plan that the model's shape lets pass", "[scenarios][serving]") {
  const Given experts = {{"model", "Qwen3-30B-A3B"}, {"devices", "4"}, {"tp", "4"}};
  CHECK(row_of(experts).layouts.size() == 2); // experts split or spread
  Given open = experts;
  open["tp"] = "";
  CHECK(row_of(open).layouts.size() > 3);
  Given unknown = experts;
  unknown["ep"] = "?";
  CHECK(row_of(unknown).layouts.size() == 3); // attention shared out by sequences too
  Given shared = experts;
  shared["tp"] = "1";
  shared["dp"] = "4";
  shared["ep"] = "4";
  const ServingRow row = row_of(shared);
  REQUIRE(row.layouts.size() == 1);
  CHECK(row.layouts.front().front().plan.attention_dp == 4);
  CHECK(row.layouts.front().front().replicas == 1);
  shared["ep"] = "1"; // independent copies
  CHECK(row_of(shared).layouts.front().front().replicas == 4);
  Given experts_tp = {{"model", "Qwen3-30B-A3B"}, {"devices", "4"}, {"tp", "1"}, {"ep", "4"}, {"dp", "1"}};
  const ServingRow split = row_of(experts_tp);
  REQUIRE(split.layouts.size() == 1); // without data parallelism the attention is split over the experts' ranks
  CHECK(split.layouts.front().front().plan.tp == 4);
  CHECK(split.layouts.front().front().plan.attention_dp == 1);
}

TEST_CASE("AIConfigurator's products of degrees are undone", "[scenarios][serving]") {
  const Given square = {{"source", "ai-dynamo/aiconfigurator"}, {"model", "DeepSeek-R1"}, {"devices", "64"}, {"tp", "64"}, {"ep", "8"}};
  const ServingRow row = row_of(square);
  REQUIRE(row.refusal.empty());
  CHECK(row.devices == 8);
  CHECK(row.layouts.front().front().plan == ServingPlan{.tp = 8, .ep = 8});
}

TEST_CASE("workers of a disaggregated row are read, or it is refused", "[scenarios][serving]") {
  const Given cells = {{"kind", "fixed_concurrency_disagg"},
                       {"model", "DeepSeek-R1"},
                       {"devices", ""},
                       {"tp", ""},
                       {"dp", ""},
                       {"pd_config", "P:1x(tp1 dp8 ep8 b1)|D:2x(tp8 dp1 ep8 b16)"}};
  const ServingRow row = row_of(cells);
  REQUIRE(row.refusal.empty());
  CHECK(row.devices == 24);
  REQUIRE(row.layouts.front().size() == 2);
  CHECK(row.layouts.front().front().pool == Pool::prefill);
  CHECK(row.layouts.front().front().plan.attention_dp == 8);
  CHECK(row.layouts.front().back().replicas == 2);
  CHECK(row.layouts.front().back().max_sequences == 16);
  Given unknown = cells;
  unknown["pd_config"] = "P:?x(tp8 dp1 ep1 b?)|D:?x(tp8 dp1 ep1 b?)";
  CHECK_THAT(row_of(unknown).refusal, Contains("workers are not stated"));
}

TEST_CASE("a row says what it needs that is not modelled", "[scenarios][serving]") {
  CHECK_THAT(row_of({{"accelerator", "CPU:M2-Ultra"}}).refusal, Contains("processors"));
  CHECK_THAT(row_of({{"accelerator", "Abacus"}}).refusal, Contains("no node description of accelerator Abacus"));
  CHECK_THAT(row_of({{"model", "Llama-3.1-Nemotron-Ultra-253B"}}).refusal, Contains("unequal shapes"));
  CHECK_THAT(row_of({{"model", "Parrot-7B"}}).refusal, Contains("no model Parrot-7B"));
  CHECK_THAT(row_of({{"input_len", ""}}).refusal, Contains("prompt lengths"));
  CHECK_THAT(row_of({{"concurrency", ""}}).refusal, Contains("concurrency"));
  CHECK_THAT(row_of({{"tp", "3"}, {"devices", "3"}}).refusal, Contains("infeasible as stated"));
  CHECK_THROWS_AS(serving_rows(CsvTable{.columns = {"id"}}, "rows.csv"), UserError);
}

TEST_CASE("models are found whatever dashes and specialities their published names have", "[scenarios]") {
  struct Named {
    const char* published;
    const char* known;
  };
  const Named named =
      GENERATE(Named{"Llama3.1-8B", "llama3-8b"}, Named{"meta-llama/Llama-2-13b-chat", "llama2-13b"}, Named{"gemma-2-9b-it", "gemma2-9b"},
               Named{"Qwen-2.5-32B-Instruct", "qwen2.5-32b"}, Named{"Qwen2.5-Coder-32B", "qwen2.5-32b"},
               Named{"Qwen2.5-VL-7B", "qwen2.5-7b"}, Named{"OLMo-4-13B", ""}, Named{"deepseek-coder-33b", "deepseek-coder-33b"},
               Named{"GPT-NeoX-20B", "gpt-neox-20b"}, Named{"Command-R", "command-r-35b"}, Named{"Qwen2-VL-7B", "qwen2.5-7b"},
               Named{"CodeLlama-7b-hf", "llama2-7b"}, Named{"GLM-4.7-Flash", "glm-4.7-flash"}, Named{"GLM-4.7", "glm-4.5"});
  INFO(named.published);
  const ServingRow row = row_of({{"model", named.published}, {"tp", "1"}, {"devices", "1"}});
  if (*named.known == '\0')
    CHECK_THAT(row.refusal, Contains("no model"));
  else
    CHECK(row.job.model.name == named.known);
}

TEST_CASE("an engine without a profile takes another's, and none of its constants from there", "[scenarios]") {
  const ServingRow row = row_of({{"engine", "LMDeploy"}, {"engine_version", "0.7"}});
  CHECK(row.stand_in);
  CHECK(row.software.name == "vllm-v1-2025");
  CHECK(row_of({{"engine", "in-house"}}).software.name == "vllm-2026");
  CHECK_FALSE(row_of({}).stand_in);
}

TEST_CASE("what a row leaves blank follows from its other cells", "[scenarios][serving]") {
  CHECK(row_of({{"devices", ""}}).cluster.devices() == 2);
  CHECK(std::get<ClosedLoop>(row_of({{"concurrency", ""}, {"batch", "32"}}).traffic.arrivals).concurrency == 32);
  CHECK(row_of({{"model", "DeepSeek-R1"}, {"w_prec", ""}, {"devices", "8"}, {"tp", "8"}}).job.weights.name == "fp8_block");
  const ServingRow shared = row_of({{"model", "DeepSeek-R1"}, {"devices", "8"}, {"tp", "1"}, {"dp", "8"}});
  REQUIRE(shared.layouts.size() == 1);
  CHECK(shared.layouts.front().front().plan.attention_dp == 8);
  CHECK(shared.layouts.front().front().plan.ep == 8);
  const Given server = {{"source", "MLPerf Inference v5.1"},
                        {"notes", "dataset CNN/DailyMail"},
                        {"kind", "mlperf_server"},
                        {"input_len", ""},
                        {"request_rate", "80"}};
  CHECK(row_of(server).traffic.requests == 48'000U); // ten minutes
  Given unknown = server;
  unknown["request_rate"] = "";
  CHECK_THAT(row_of(unknown).refusal, Contains("rate of requests"));
  unknown = server;
  unknown["notes"] = "dataset CNN/DailyMail, beam 4";
  CHECK_THAT(row_of(unknown).refusal, Contains("beams"));
  unknown["notes"] = "dataset OpenOrca 24,576 samples"; // an assumed length does for a throughput alone
  unknown["request_rate"] = "80";
  CHECK_THAT(row_of(unknown).refusal, Contains("prompt lengths"));
  unknown["kind"] = "mlperf_offline";
  unknown["out_tok_s"] = "1000";
  CHECK(row_of(unknown).refusal.empty());
  unknown["notes"] = ""; // the benchmark of a model has its data set
  unknown["model"] = "Llama-2-70B";
  CHECK(row_of(unknown).traffic.requests == 24'576U);
  CHECK_THAT(row_of({{"accelerator", "AMD EPYC 9654"}}).refusal, Contains("processors"));
  CHECK(row_of({{"kind", "closed_loop_sharegpt"}}).kind == ServingKind::concurrency);
}

} // namespace orrery::serving_rows_test
