// config.json import: published models give their published parameter counts, and whatever is wrong or foreign is said at its place.
#include "sim/base/catalogue.hpp"
#include "tests/support/models.hpp"
#include "workloads/config_json.hpp"
#include "workloads/tables.hpp"

#include <catch2/catch.hpp>

#include <fstream>
#include <sstream>

namespace orrery::config_json_test {
namespace {

struct Published {
  const char* file;
  const char* repository; ///< on the model hub
  double parameters;      ///< as counted there, tied tables once
  int kv_heads;
  int head_dim;
  int window;
};

constexpr Published published[] = {
    {"gpt2-xl", "openai-community/gpt2-xl", 1'557'611'200, 25, 64, 0},
    {"gpt-neox-20b", "EleutherAI/gpt-neox-20b", 20'554'567'680, 64, 96, 0},
    {"opt-6.7b", "facebook/opt-6.7b", 6'658'473'984, 32, 128, 0},
    {"bloom", "bigscience/bloom", 176'247'271'424, 112, 128, 0},
    {"llama-2-7b", "meta-llama/Llama-2-7b-hf", 6'738'415'616, 32, 128, 0},
    {"llama-3-8b", "meta-llama/Meta-Llama-3-8B", 8'030'261'248, 8, 128, 0},
    {"llama-3-70b", "meta-llama/Meta-Llama-3-70B", 70'553'706'496, 8, 128, 0},
    {"mistral-7b-v0.1", "mistralai/Mistral-7B-v0.1", 7'241'732'096, 8, 128, 4096},
    {"qwen2-7b", "Qwen/Qwen2-7B", 7'615'616'512, 4, 128, 0},
    {"qwen3-8b", "Qwen/Qwen3-8B", 8'190'735'360, 8, 128, 0},
    {"gemma-2b", "google/gemma-2b", 2'506'172'416, 1, 256, 0},
    {"phi-3-mini-4k", "microsoft/Phi-3-mini-4k-instruct", 3'821'079'552, 32, 96, 2047},
    {"falcon-7b", "tiiuae/falcon-7b", 6'921'720'704, 1, 64, 0}, // 7.217e9 where the tied table is counted twice
    {"falcon-40b", "tiiuae/falcon-40b", 41'303'293'952, 8, 64, 0},
    {"starcoder", "bigcode/starcoder", 15'517'456'384, 1, 128, 0},
    {"starcoder2-3b", "bigcode/starcoder2-3b", 3'030'371'328, 2, 128, 4096},
};

std::string path_of(const std::string& file) { return data_root() + "/tests/unit/workloads/configs/" + file + ".json"; }

std::string text_of(const std::string& file) {
  std::ostringstream text;
  text << std::ifstream(path_of(file)).rdbuf();
  return text.str();
}

/// The diagnostics of a published config with one value replaced.
std::string mistakes(const std::string& file, const std::string& from, const std::string& to) {
  std::string text = text_of(file);
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  text.replace(at, from.size(), to);
  Diagnostics diagnostics;
  CHECK_FALSE(parse_config_json(text, "config.json", diagnostics).has_value());
  CHECK_FALSE(diagnostics.empty());
  return diagnostics.render();
}

} // namespace

TEST_CASE("published models have their published parameter counts", "[workloads][config]") {
  for (const Published& row : published) {
    CAPTURE(row.repository);
    Diagnostics diagnostics;
    const auto model = read_config_json(path_of(row.file), diagnostics);
    INFO(diagnostics.render());
    REQUIRE(model.has_value());
    CHECK(model->parameters() == Approx(row.parameters).epsilon(2e-4));
    CHECK(model->kv_heads == row.kv_heads);
    CHECK(model->head_dim == row.head_dim);
    CHECK(model->attention_window == row.window);
    CHECK(model->name == row.file);
    const TransformerModel again = model_table().read(model_table().write(*model), diagnostics);
    INFO(diagnostics.render());
    CHECK(diagnostics.empty());
    CHECK(again.parameters() == model->parameters());
  }
}

TEST_CASE("a scenario names a config.json by its path", "[workloads][config]") {
  Diagnostics diagnostics;
  const std::string text = "{ model: configs/llama-3-8b.json, sequence: 8192, global_batch: 8 }";
  const yaml::Node node = yaml::parse_yaml(text, data_root() + "/tests/unit/workloads/job.yaml", diagnostics);
  const TrainingJob job = training_table().read(node, diagnostics);
  INFO(diagnostics.render());
  REQUIRE(diagnostics.empty());
  CHECK(job.model.ffn_hidden == 14336);
  Diagnostics missing;
  const yaml::Node nowhere = yaml::parse_yaml("{ model: nowhere/config.json, sequence: 1, global_batch: 1 }", "job.yaml", missing);
  static_cast<void>(training_table().read(nowhere, missing));
  CHECK(missing.render() == "nowhere/config.json: no such file; allowed: a config.json\n");
}

TEST_CASE("a wrong value of a config.json is named with its place", "[workloads][config]") {
  CHECK(mistakes("llama-2-7b", "\"hidden_size\": 4096", "\"hidden_size\": -4096") ==
        "config.json:14:18: hidden_size: '-4096'; allowed: a whole number from 1 to 1000000\n");
  CHECK_THAT(mistakes("llama-2-7b", "\"hidden_size\": 4096", "\"hidden_size\": \"4096\""), Catch::Contains("hidden_size: the text '4096'"));
  for (const char* wrong : {"0", "1e300", "2.5", "[]", "{}", "true", "123456789012345678901234567890"})
    CHECK_THAT(mistakes("llama-2-7b", "\"hidden_size\": 4096", std::string("\"hidden_size\": ") + wrong),
               Catch::Contains(":14:18: hidden_size: "));
  CHECK_THAT(mistakes("llama-2-7b", "\"hidden_size\": 4096", "\"hidden_size\": null"), Catch::Contains("hidden_size: missing"));
  CHECK_THAT(mistakes("llama-2-7b", "\"num_attention_heads\": 32", "\"num_attention_heads\": 31"),
             Catch::Contains("31 heads for a hidden size of 4096") && Catch::Contains("32 key/value heads for 31 heads"));
  CHECK_THAT(mistakes("opt-6.7b", "\"word_embed_proj_dim\": 4096", "\"word_embed_proj_dim\": 512"),
             Catch::Contains("512, with hidden_size 4096"));
}

TEST_CASE("all that is missing is said at once", "[workloads][config]") {
  Diagnostics diagnostics;
  CHECK_FALSE(parse_config_json(R"({"model_type": "llama"})", "config.json", diagnostics).has_value());
  for (const char* key : {"num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size", "vocab_size"})
    CHECK_THAT(diagnostics.render(), Catch::Contains(std::string(key) + ": missing"));
}

TEST_CASE("models of several kinds of layers are read as the catalogue has them", "[workloads][config]") {
  for (const auto& [file, name] : {std::pair{"mixtral-8x7b-v0.1", "mixtral-8x7b"},
                                   {"qwen2-57b-a14b", "qwen2-57b-a14b"},
                                   {"qwen3-30b-a3b", "qwen3-30b-a3b"},
                                   {"deepseek-v2-lite", "deepseek-v2-lite"},
                                   {"deepseek-v3", "deepseek-v3"},
                                   {"deepseek-v3.2", "deepseek-v3.2"},
                                   {"gpt-oss-20b", "gpt-oss-20b"},
                                   {"gemma-2-9b", "gemma2-9b"}}) {
    CAPTURE(file);
    Diagnostics diagnostics;
    auto model = read_config_json(path_of(file), diagnostics);
    INFO(diagnostics.render());
    REQUIRE(model.has_value());
    TransformerModel known = model_named(name);
    if (known.ffn_hidden == 0) // files state a width that no layer has
      model->ffn_hidden = 0;
    model->name = known.name;
    model->sources = known.sources;
    CHECK(yaml::to_yaml(model_table().write(*model)) == yaml::to_yaml(model_table().write(known)));
  }
}

TEST_CASE("layers out of step are refused at their place", "[workloads][config]") {
  CHECK_THAT(mistakes("gpt-oss-20b", "\"full_attention\",\n    \"sliding_attention\",\n    \"full_attention\"",
                      "\"full_attention\",\n    \"full_attention\",\n    \"full_attention\""),
             Catch::Contains("layer_types: 'full_attention' after one full layer in 2"));
  CHECK_THAT(mistakes("qwen3-30b-a3b", "\"mlp_only_layers\": []", "\"mlp_only_layers\": [0]"),
             Catch::Contains("mlp_only_layers: layers without experts out of step"));
  CHECK_THAT(mistakes("mixtral-8x7b-v0.1", "\"num_local_experts\": 8", "\"num_local_experts\": null"),
             Catch::Contains("num_local_experts: missing"));
}

TEST_CASE("what is no decoder-only transformer of a known kind is refused with its reason", "[workloads][config]") {
  const auto with_type = [](const std::string& type) { return mistakes("llama-2-7b", "\"llama\"", "\"" + type + "\""); };
  CHECK_THAT(with_type("granitemoe"),
             Catch::Contains(":5:17: model_type: 'granitemoe', a mixture of experts; allowed: a decoder-only transformer: gpt2"));
  CHECK_THAT(with_type("t5"), Catch::Contains("an encoder and a decoder"));
  CHECK_THAT(with_type("mamba2"), Catch::Contains("a state-space model"));
  CHECK_THAT(with_type("gemma3"), Catch::Contains("take its text_config"));
  CHECK_THAT(with_type("llma"), Catch::Contains("did you mean 'llama'?"));
  const auto with_key = [](const std::string& key) { return mistakes("llama-2-7b", "\"use_cache\": true", "\"use_cache\": true, " + key); };
  CHECK_THAT(with_key(R"("num_local_experts": 8)"), Catch::Contains("num_local_experts: 8: a mixture of experts"));
  CHECK_THAT(with_key(R"("kv_lora_rank": 512)"), Catch::Contains("latent attention"));
  CHECK_THAT(with_key(R"("vision_config": {"a": 1})"), Catch::Contains("vision_config: "));
  CHECK_THAT(with_key(R"("is_encoder_decoder": true)"), Catch::Contains("true: an encoder"));
  CHECK_THAT(with_key(R"("quantization_config": {"bits": 4})"), Catch::Contains("quantised weights"));
  CHECK_THAT(with_key(R"("layer_types": ["full_attention", "sliding_attention"])"), Catch::Contains("a layer of 'sliding_attention'"));
}

TEST_CASE("a broken file is refused at the place where it breaks", "[workloads][config]") {
  const auto broken = [](std::string_view text) {
    Diagnostics diagnostics;
    CHECK_FALSE(parse_config_json(text, "config.json", diagnostics).has_value());
    CHECK(diagnostics.size() == 1);
    return diagnostics.render();
  };
  CHECK_THAT(broken("{\n  \"model_type\": \"llama\",\n  \"hidden_size\": 4096,,\n}"), Catch::Contains("config.json:3:23: not JSON: "));
  CHECK_THAT(broken("{\"a\": 1e999}"), Catch::Contains("config.json:1:"));
  CHECK_THAT(broken(""), Catch::Contains("not JSON"));
  CHECK_THAT(broken("{"), Catch::Contains("not JSON"));
  CHECK_THAT(broken("model_type: llama"), Catch::Contains("config.json:1:1: not JSON"));
  CHECK_THAT(broken("[]"), Catch::Contains("a list"));
  CHECK_THAT(broken("null"), Catch::Contains("config.json"));
  CHECK_THAT(broken("{}"), Catch::Contains("model_type: missing"));
  CHECK_THAT(broken(R"({"model_type": ["llama"]})"), Catch::Contains("model_type: a list"));
  CHECK_THAT(broken(R"({"model_type": "llama", "model_type": "opt"})"), Catch::Contains("a second value"));
  CHECK_THAT(broken(std::string(100'000, '[')), Catch::Contains("not JSON"));
  CHECK_THAT(broken(std::string(1000, '[') + std::string(1000, ']')), Catch::Contains("nested too deeply"));
  CHECK_THAT(broken(std::string("{\"model_type\": \"ll\xff\"}")), Catch::Contains("not JSON"));
}

TEST_CASE("cut, tabbed and escaped files are read or refused, never more", "[workloads][config]") {
  const std::string text = text_of("llama-3-8b");
  for (std::size_t length = 0; length + 2 < text.size(); ++length) {
    Diagnostics diagnostics;
    CHECK_FALSE(parse_config_json(text.substr(0, length), "config.json", diagnostics).has_value());
    CHECK_FALSE(diagnostics.empty());
  }
  std::string tabbed = text;
  for (std::size_t at = tabbed.find("  "); at != std::string::npos; at = tabbed.find("  "))
    tabbed.replace(at, 2, "\t");
  tabbed.insert(1, R"("note": "\ud83d\ude00 \\ud83d \/ é",)");
  Diagnostics diagnostics;
  const auto model = parse_config_json(tabbed, "config.json", diagnostics);
  INFO(diagnostics.render());
  REQUIRE(model.has_value());
  CHECK(model->layers == 32);
}

} // namespace orrery::config_json_test
