#include "scenarios/published/row_names.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <utility>

namespace orrery::row_names_test {

using Catch::Contains;

namespace {

std::string model_of(const std::string& published) {
  const NamedModel named = published_model(published);
  return named.model ? named.model->name : "";
}

std::string format_word(const std::string& words) {
  const WeightFormat* const format = published_format(words);
  return format == nullptr ? "" : std::string(format->name);
}

} // namespace

TEST_CASE("a model is known by its name wherever publisher, data and format stand", "[scenarios][serving]") {
  const auto [published, known] = GENERATE(
      std::pair{"meta-llama/Llama-3.2-1B-Instruct", "llama3.2-1b"},
      std::pair{"neuralmagic/Meta-Llama-3.1-405B-Instruct-FP8", "llama3-405b"}, std::pair{"Hermes-3-Llama-3.1-405B", "llama3-405b"},
      std::pair{"Dolphin-2.9-llama3-8b", "llama3-8b"}, std::pair{"Nous-Hermes-2-Mixtral-8x7B", "mixtral-8x7b"},
      std::pair{"DeepSeek-R1-0528-Qwen3-8B", "qwen3-8b"}, std::pair{"DeepSeek-R1-Distill-Qwen-1.5B", "qwen2.5-1.5b"},
      std::pair{"DeepSeek R1 671B", "deepseek-v3"}, std::pair{"BLOOM-7B1", "bloom-7b1"}, std::pair{"bloomz-176b", "bloom-176b"},
      std::pair{"StarCoder2-7B", "starcoder2-7b"}, std::pair{"starcoder", "starcoder-15b"}, std::pair{"Command-R+", "command-r-plus-104b"},
      std::pair{"c4ai-command-r-plus", "command-r-plus-104b"}, std::pair{"GLM-4.6V-Flash", "glm-4-9b"}, std::pair{"GLM-4.6-FP8", "glm-4.5"},
      std::pair{"Qwen3-VL-8B-Instruct", "qwen3-8b"}, std::pair{"Llama 4 Scout 17B-16E", "llama4-scout"},
      std::pair{"gptoss-120b", "gpt-oss-120b"}, std::pair{"GPT-J", "gpt-j-6b"},
      std::pair{"Mistral-Large-3-675B-Instruct-2512", "mistral-large-3-675b"}, std::pair{"Mistral Large 3", "mistral-large-3-675b"},
      std::pair{"Ministral-3-8B-Instruct-2512", "ministral-3-8b"}, std::pair{"Devstral-2-123B", "mistral-large-123b"},
      std::pair{"aya-expanse-32b", "command-r-32b"}, std::pair{"c4ai-command-r-08-2024", "command-r-32b"},
      std::pair{"allenai/Olmo-3.1-32B-Think", "olmo3-32b"}, std::pair{"Apertus-8B-Instruct-2509", "apertus-8b"});
  CHECK(model_of(published) == known);
}

TEST_CASE("a model of another size, or of a shape of its own, is not taken for its kin", "[scenarios][serving]") {
  for (const char* const published : {"command-r7b", "Qwen3.5-9B", "DeepSeek-V4", "Nemotron-H-56B", "T5-11B", ""}) {
    CAPTURE(published);
    CHECK(model_of(published).empty());
    CHECK_FALSE(published_model(published).refusal.empty());
  }
  CHECK(published_model("").refusal == "the model is not stated");
  CHECK_THAT(published_model("Llama-3_1-Nemotron-Ultra-253B-v1").refusal, Contains("unequal shapes"));
}

TEST_CASE("a format is known by its word, or by the name of the model's files", "[scenarios][serving]") {
  const auto [words, known] = GENERATE(
      std::pair{"GGUF Q5_K_M", "q5_k_m"}, std::pair{"Q6_K", "q6_k"}, std::pair{"IQ4_XS", "iq4_xs"}, std::pair{"W8A8-FP8", "fp8"},
      std::pair{"w8a8-int8", "int8"}, std::pair{"INT8-weight-only", "w8a16"}, std::pair{"GPTQ-Int8", "w8a16"},
      std::pair{"GPTQ-Int4", "w4a16"}, std::pair{"AWQ-W4A16", "w4a16"}, std::pair{"FP8-blockwise", "fp8_block"}, std::pair{"half", "fp16"},
      std::pair{"FP4", "nvfp4"}, std::pair{"MXFP4?", "mxfp4"}, std::pair{"W4A4", ""}, std::pair{"gptq-int3", ""}, std::pair{"W1.58", ""});
  CHECK(format_word(words) == known);
  const auto files = [](const std::string& name) { return std::string(format_of_files(*published_model(name).model, name)->name); };
  CHECK(files("Qwen2-72B-Instruct-GPTQ-Int4") == "w4a16");
  CHECK(files("Llama-3.1-8B-Instruct") == "bf16");
  CHECK(files("DeepSeek-V3.1-Terminus") == "fp8_block");
  CHECK(files("DeepSeek-R1-0528-NVFP4-v2") == "nvfp4");
  CHECK(files("Kimi-K2-Thinking") == "w4a16");
}

TEST_CASE("files of Llama-3 8B in GGUF's formats have their published sizes", "[scenarios][serving]") {
  const TransformerModel model = *published_model("Llama-3-8B").model;
  const double table = model.embedding_parameters();
  const double layers = model.parameters() - 2 * table;
  const auto [name, gigabytes] = GENERATE(std::pair{"q4_k_m", 4.92}, std::pair{"q4_k_s", 4.69}, std::pair{"q5_k_m", 5.73},
                                          std::pair{"q5_k_s", 5.60}, std::pair{"q6_k", 6.60}, std::pair{"q8_0", 8.54});
  const WeightFormat format = *find_weight_format(name);
  const double size = layers * format.weight_bytes + table * (format.head_bytes + format.table_bytes);
  CHECK(size * 1e-9 == Catch::Detail::Approx(gigabytes).epsilon(0.01));
}

TEST_CASE("an engine is known by any spelling, and by date where its version is another's", "[scenarios][serving]") {
  const auto profile = [](const char* engine, const char* version) {
    return std::string(published_engine(engine, version, 0, false).profile);
  };
  CHECK(profile("vllm", "0.2.7") == "vllm-0.2");
  CHECK(profile("VLLM", "v0.10.1.1") == "vllm-v1-2025");
  CHECK(profile("vLLM", "0.13.0") == "vllm-v1-2025"); // asynchronous scheduling came with 0.14
  CHECK(profile("vLLM", "0.14.0") == "vllm-2026");
  CHECK(profile("TRT-LLM", "0.12.0") == "tensorrt-llm-2024");
  CHECK(profile("tensorrt_llm", "1.1.0") == "tensorrt-llm-pytorch-2026");
  CHECK(profile("Triton TensorRT-LLM", "24.05") == "tensorrt-llm-2024");
  CHECK(profile("NVIDIA NIM", "1.3.0") == "tensorrt-llm-2024");
  CHECK(profile("Dynamo (vLLM)", "0.4") == "vllm-v1-2025");
  CHECK(profile("vLLM", "May-2024") == "vllm-0.6");
  CHECK(profile("HF TGI", "2.0.4") == "vllm-0.6");
  CHECK(profile("Ollama", "0.3.6") == "llama.cpp-2024");
  CHECK(profile("", "") == "vllm-2026");
  CHECK(published_engine("Ollama", "", 0, false).family == EngineFamily::llama_cpp);
  CHECK(published_engine("LMDeploy", "0.4", 0, false).stand_in);
}

} // namespace orrery::row_names_test
