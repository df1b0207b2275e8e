// What published rows say between the lines.
#include "scenarios/data_files.hpp"
#include "scenarios/published/serving_predict.hpp"
#include "tests/unit/scenarios/serving_row_cells.hpp"

#include <utility>

namespace orrery::serving_row_recipe_test {

using Catch::Detail::Approx;

namespace {

ServingRow row_of(const Given& cells) {
  ServingRow row = serving_row_of(cells);
  REQUIRE(row.refusal.empty());
  return row;
}

Given sweep(const Given& given) {
  Given cells = {{"id", "x"},
                 {"source_ref", "silicon_sample.csv id=2026_03_25_x"},
                 {"accelerator", "B200-SXM-180GB"},
                 {"devices", "8"},
                 {"tp", "8"},
                 {"pp", "1"},
                 {"ep", "8"},
                 {"dp", "1"},
                 {"engine", "SGLang"},
                 {"engine_version", "0.5.9"},
                 {"model", "DeepSeek-R1"},
                 {"w_prec", "FP8"},
                 {"kind", "fixed_concurrency_agg"},
                 {"input_len", "1024"},
                 {"output_len", "1024"},
                 {"concurrency", "8"},
                 {"ttft_ms_mean", "100"},
                 {"tpot_ms_mean", "10"}};
  for (const auto& [column, text] : given)
    cells[column] = text;
  return cells;
}

} // namespace

TEST_CASE("sweeps of a benchmark carry what its recipes set", "[scenarios][serving]") {
  CHECK(row_of(sweep({})).software.serving.poll_iterations == 10);
  CHECK(row_of(sweep({{"concurrency", "16"}})).software.serving.poll_iterations == 30);
  CHECK(row_of(sweep({{"source_ref", "elsewhere"}})).software.serving.poll_iterations == 1);
  CHECK(row_of(sweep({{"model", "GLM-5"}})).software.serving.poll_iterations == 1);
  CHECK(row_of(sweep({{"source_ref", "id=kimi_k2_5_gap_analysis_x"}})).software.serving.poll_iterations == 10);
  const Given other{{"engine", "TensorRT-LLM"}, {"engine_version", "1.2.0rc6.post2"}};
  CHECK(row_of(sweep(other)).software.serving.poll_iterations == 1);
  Given groups = sweep(other);
  groups["tp"] = "1";
  groups["dp"] = "8";
  CHECK(row_of(groups).software.serving.poll_iterations == 60);
}

TEST_CASE("experts are loaded unevenly where no deployment balances them", "[scenarios][serving]") {
  const Routing latent = row_of(sweep({})).job.routing;
  CHECK(latent.kind == RoutingKind::power_law);
  CHECK(latent.exponent == 1.01);
  CHECK_FALSE(latent.balanced);
  CHECK(row_of(sweep({{"model", "Qwen3-235B-A22B"}})).job.routing.exponent == 1.2);
  CHECK(row_of(sweep({{"model", "Qwen3-32B"}, {"ep", ""}})).job.routing.kind == RoutingKind::uniform);
  const Given wide = sweep({{"source_ref", "blog"},
                            {"accelerator", "H100-SXM-80GB"},
                            {"devices", "72"},
                            {"tp", "1"},
                            {"ep", "72"},
                            {"dp", "72"},
                            {"notes", "TBO, DeepEP"}});
  const ServingRow row = row_of(wide);
  CHECK(row.job.routing.balanced);
  CHECK(row.job.routing.redundant == 32);
  CHECK(row.software.serving.half_overlap == HalfOverlap::communication);
  CHECK(row.software.serving.max_tokens == 16384);
  Given own = wide; // 288 copies do not go into 128 ranks
  own["engine"] = "DeepSeek in-house";
  for (const char* column : {"devices", "ep", "dp"})
    own[column] = "128";
  own["notes"] = "perfect EPLB";
  CHECK(row_of(own).job.routing.redundant == 0);
  CHECK(row_of(own).job.routing.kind == RoutingKind::uniform);
  CHECK(row_of(own).stand_in);
  own["notes"] = "profile: 16 nodes";
  CHECK(row_of(own).job.routing.kind == RoutingKind::uniform);
  own["notes"] = "24 h production average";
  CHECK(row_of(own).job.routing.kind == RoutingKind::power_law);
}

TEST_CASE("DeepSeek's models run on TensorRT-LLM's PyTorch back-end", "[scenarios][serving]") {
  const Given given{{"engine", "TensorRT-LLM"}, {"engine_version", "TensorRT 10.11"}, {"ep", ""}};
  CHECK(row_of(sweep(given)).software.name == "tensorrt-llm-pytorch-2025");
  Given other = sweep(given);
  other["model"] = "LLaMA-3.1-405B-Instruct";
  CHECK(row_of(other).software.name == "tensorrt-llm-2024");
}

TEST_CASE("a burst with fewer users than requests is a closed loop", "[scenarios][serving]") {
  const Given burst = sweep({{"kind", "online_burst"}, {"num_requests", "100"}, {"concurrency", "11"}, {"request_rate", "inf"}});
  CHECK(std::get<ClosedLoop>(row_of(burst).traffic.arrivals).concurrency == 11);
  Given all = burst;
  all["concurrency"] = "100";
  CHECK(std::holds_alternative<AtOnce>(row_of(all).traffic.arrivals));
}

TEST_CASE("a batch whose phases do not add up is scored by its tokens alone", "[scenarios][serving]") {
  Given batch = sweep({{"kind", "static_batch_phases"}, {"batch", "1"}, {"output_len", "100"}, {"e2e_ms_mean", "1090"}});
  CHECK(row_of(batch).measured.size() == 3);
  batch["e2e_ms_mean"] = "500"; // it stopped half-way
  const ServingRow row = row_of(batch);
  REQUIRE(row.measured.size() == 1);
  CHECK(row.measured.front().metric == ServingMetric::tpot);
}

TEST_CASE("an engine whose iterations hold less than a prompt cuts it", "[scenarios][serving]") {
  const Given offline = sweep({{"source", "MLPerf Inference"},
                               {"source_ref", "mlperf"},
                               {"engine", "TensorRT-LLM"},
                               {"engine_version", "TensorRT 10.11"},
                               {"model", "LLaMA-3.1-405B-Instruct"},
                               {"w_prec", "FP4"},
                               {"kind", "mlperf_offline"},
                               {"input_len", ""},
                               {"ep", ""},
                               {"batch", "128"},
                               {"out_tok_s", "1000"},
                               {"notes", "dataset LongBench+RULER+GovReport set; max_num_tokens 1536 (config file)"}});
  const ServingRow row = row_of(offline);
  CHECK(row.software.serving.batching == "tensorrt-llm-chunked");
  CHECK(row.software.serving.max_tokens == 1536);
  CHECK(row.traffic.requests == 8313U);
  CHECK(std::get<LognormalLength>(row.traffic.input).max == 20'000);
  Given whole = offline;
  whole["notes"] = "dataset LongBench+RULER+GovReport set";
  CHECK(row_of(whole).software.serving.batching == "tensorrt-llm");
}

TEST_CASE("an engine that was built for its requests holds what they need", "[scenarios][serving]") {
  Given built = sweep({{"engine", "TensorRT-LLM"},
                       {"engine_version", "0.17"},
                       {"accelerator", "H100-SXM-80GB"},
                       {"model", "LLaMA-3.1-70B"},
                       {"w_prec", "FP8"},
                       {"kv_prec", "FP8"},
                       {"kind", "offline_max"},
                       {"ep", ""},
                       {"devices", "1"},
                       {"tp", "1"},
                       {"input_len", "128"},
                       {"output_len", "2048"},
                       {"out_tok_s", "900"},
                       {"notes", "engine limits auto-tuned from dataset"}});
  const ServingTraits engine = row_of(built).software.serving;
  // 80 GB less 70.6 GB of weights, 0.16 MB a token, 2,176 tokens a request.
  CHECK(engine.max_sequences > 20);
  CHECK(engine.max_sequences < 50);
  CHECK(engine.max_tokens == 64);
  built["output_len"] = "128";
  CHECK(row_of(built).software.serving.max_sequences > 200);
  CHECK(row_of(built).software.serving.max_tokens > 2 * 200);
  built["notes"] = "";
  CHECK(row_of(built).software.serving.max_tokens == 0); // the engine's own
}

TEST_CASE("submissions of vLLM to MLPerf keep everything in FP8 and serve more sequences", "[scenarios][serving]") {
  Given offline = sweep({{"source", "MLPerf Inference"},
                         {"engine", "vLLM"},
                         {"engine_version", "vLLM 0.4.3+rocm614"},
                         {"accelerator", "MI300X"},
                         {"model", "LLaMA-2-70B-chat"},
                         {"w_prec", ""},
                         {"kv_prec", ""},
                         {"kind", "mlperf_offline"},
                         {"ep", ""},
                         {"devices", "8"},
                         {"tp", ""},
                         {"input_len", "300"},
                         {"output_len", "294"},
                         {"out_tok_s", "23000"}});
  const ServingRow row = row_of(offline);
  CHECK(row.job.weights.name == "fp8");
  CHECK(row.job.kv == Precision::fp8);
  CHECK(row.software.serving.max_sequences == 2048);
  offline["kind"] = "offline_max";
  CHECK(row_of(offline).job.weights.name != "fp8");
}

TEST_CASE("pieces of a prompt follow one another through the stages, a call of the engine at a time", "[scenarios][serving]") {
  const auto ttft = [](const char* devices, const char* tokens) {
    const Given prompt = sweep({{"source_ref", "bench"},
                                {"accelerator", "3090 24GB"},
                                {"devices", devices},
                                {"tp", "1"},
                                {"pp", devices},
                                {"ep", ""},
                                {"engine", "llama.cpp"},
                                {"engine_version", "2024"},
                                {"model", "LLaMA-3-8B"},
                                {"w_prec", "Q4_K_M"},
                                {"kind", "batch1_prefill"},
                                {"input_len", tokens},
                                {"output_len", "0"},
                                {"concurrency", ""},
                                {"tpot_ms_mean", ""}});
    ServingPredictor predictor(load_calibration());
    const ServingPrediction prediction = predictor.predict(row_of(prompt));
    REQUIRE(prediction.refusal.empty());
    return prediction.values.front();
  };
  CHECK(ttft("4", "512") > 0.95 * ttft("1", "512")); // one piece: devices one after the other
  // Four pieces of four stages take seven instead of sixteen steps, the longest one's.
  CHECK(ttft("4", "2048") < 0.55 * ttft("1", "2048"));
  CHECK(ttft("4", "2048") > 7.0 / 16 * ttft("1", "2048"));
  CHECK(ttft("4", "4096") > 1.9 * ttft("4", "2048"));
}

TEST_CASE("lengths of a data set spread, answers that a test cuts do not", "[scenarios][serving]") {
  const auto online = [](const char* input, const char* output) {
    return row_of(sweep({{"kind", "online_rate"},
                         {"request_rate", "4"},
                         {"num_requests", "500"},
                         {"input_len", input},
                         {"output_len", output},
                         {"notes", "input/output are dataset mean lengths"}}))
        .traffic;
  };
  CHECK(std::holds_alternative<LognormalLength>(online("202", "214").output));
  CHECK(std::get<FixedLength>(online("467", "16").output).tokens == 16);
  CHECK(std::get<FixedLength>(online("467", "256").input).tokens == 467);
}

TEST_CASE("a first token waits for its prompt's tokenizer", "[scenarios][serving]") {
  ServingRow row = row_of(sweep({{"input_len", "8192"}, {"concurrency", "1"}}));
  ServingPredictor predictor(load_calibration());
  const std::vector<double> with = predictor.predict(row).values;
  const double tokenizer = std::exchange(row.software.serving.token_host, Seconds{}).si();
  REQUIRE(tokenizer > 0);
  const std::vector<double> without = predictor.predict(row).values;
  const double mean = 0.9 * 8192; // drawn from 80 to 100%
  CHECK(with[0] - without[0] == Approx(mean * tokenizer).epsilon(0.1));
  CHECK(with[1] == without[1]);
}

TEST_CASE("workspace of a batch is that of its prompts, not of its answers", "[scenarios][serving]") {
  const auto refusal = [](const char* input, const char* output) {
    ServingPredictor predictor(load_calibration());
    return predictor
        .predict(row_of(sweep({{"source_ref", "docs"},
                               {"accelerator", "H100-SXM-80GB"},
                               {"ep", ""},
                               {"engine", "TensorRT-LLM"},
                               {"engine_version", "0.9.0"},
                               {"model", "Falcon-180B"},
                               {"kind", "static_batch"},
                               {"input_len", input},
                               {"output_len", output},
                               {"batch", "1024"},
                               {"out_tok_s", "6696"},
                               {"ttft_ms_mean", ""},
                               {"tpot_ms_mean", ""}})))
        .refusal;
  };
  CHECK(refusal("128", "2048").empty());
  CHECK(!refusal("2048", "128").empty());
}

} // namespace orrery::serving_row_recipe_test
