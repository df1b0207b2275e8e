#include "workloads/config_json.hpp"

#include "workloads/config_keys.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>

namespace orrery {

namespace {

constexpr std::size_t max_bytes = 4u << 20;

void read_gpt2(const ConfigKeys& keys, TransformerModel& model) {
  keys.refuse_true("add_cross_attention", "an encoder");
  keys.sizes(model, {.layers = {"n_layer"}, .hidden = {"n_embd"}, .heads = {"n_head"}});
  model.ffn_hidden = keys.size_or({"n_inner"}, "ffn_hidden", 4.0 * model.hidden);
  model.max_positions = keys.size({"n_positions", "n_ctx"}, "max_positions");
  model.tied_embedding = keys.flag("tie_word_embeddings", true);
}

void read_gpt_bigcode(const ConfigKeys& keys, TransformerModel& model) {
  read_gpt2(keys, model);
  model.kv_heads = keys.flag("multi_query", true) ? 1 : model.heads;
}

void read_gpt_neox(const ConfigKeys& keys, TransformerModel& model) {
  keys.sizes(model, {});
  model.ffn_hidden = keys.size({"intermediate_size"}, "ffn_hidden");
  model.position = PositionKind::rotary;
  model.biases = keys.flag("attention_bias", true);
  model.tied_embedding = keys.flag("tie_word_embeddings", false);
  model.parallel_block = keys.flag("use_parallel_residual", true);
}

void read_opt(const ConfigKeys& keys, TransformerModel& model) {
  keys.sizes(model, {});
  model.ffn_hidden = keys.size({"ffn_dim"}, "ffn_hidden");
  constexpr int offset = 2; // OPT's table has two rows before position 0
  model.max_positions = keys.size({"max_position_embeddings"}, "max_positions", offset) + offset;
  model.biases = keys.flag("enable_bias", true);
  model.tied_embedding = keys.flag("tie_word_embeddings", true);
  const int projected = keys.size_or({"word_embed_proj_dim"}, "hidden", model.hidden);
  if (projected != model.hidden && model.hidden > 0 && projected > 0)
    keys.refuse("word_embed_proj_dim", fmt::format("{}, with hidden_size {}", projected, model.hidden),
                "hidden_size: embeddings of another width are not modelled");
}

void read_bloom(const ConfigKeys& keys, TransformerModel& model) {
  keys.sizes(
      model,
      {.layers = {"n_layer", "num_hidden_layers"}, .hidden = {"hidden_size", "n_embed"}, .heads = {"n_head", "num_attention_heads"}});
  model.ffn_hidden = 4 * model.hidden;
  model.position = PositionKind::alibi;
  model.tied_embedding = keys.flag("tie_word_embeddings", true);
}

/// Llama and those that differ from it in sizes and defaults. Biases of the QKV layer alone (Qwen2) are under 0.01% and not counted.
void read_llama_like(const ConfigKeys& keys, TransformerModel& model) {
  keys.sizes(model, {});
  model.ffn_hidden = keys.size({"intermediate_size"}, "ffn_hidden");
  model.kv_heads = keys.size_or({"num_key_value_heads"}, "kv_heads", model.heads);
  model.position = PositionKind::rotary;
  model.ffn = FfnKind::gated;
  model.norm = NormKind::rms_norm;
  model.biases = keys.flag("attention_bias", false) && keys.flag("mlp_bias", false);
  model.tied_embedding = keys.flag("tie_word_embeddings", false);
}

void read_windowed(const ConfigKeys& keys, TransformerModel& model) {
  read_llama_like(keys, model);
  model.attention_window = keys.window("sliding_window");
}

void read_qwen2(const ConfigKeys& keys, TransformerModel& model) {
  read_llama_like(keys, model);
  if (keys.flag("use_sliding_window", false))
    model.attention_window = keys.window("sliding_window");
}

void read_gemma(const ConfigKeys& keys, TransformerModel& model) {
  read_llama_like(keys, model);
  model.tied_embedding = keys.flag("tie_word_embeddings", true);
}

void read_starcoder2(const ConfigKeys& keys, TransformerModel& model) {
  read_windowed(keys, model);
  model.ffn = FfnKind::gelu;
  model.norm = NormKind::layer_norm;
  model.biases = keys.flag("use_bias", true);
  model.tied_embedding = keys.flag("tie_word_embeddings", true);
}

void read_falcon(const ConfigKeys& keys, TransformerModel& model) {
  keys.sizes(model, {.layers = {"num_hidden_layers", "n_layer"}, .hidden = {"hidden_size"}, .heads = {"num_attention_heads", "n_head"}});
  model.ffn_hidden = keys.size_or({"ffn_hidden_size"}, "ffn_hidden", 4.0 * model.hidden);
  const bool grouped = keys.flag("new_decoder_architecture", false);
  if (grouped)
    model.kv_heads = keys.size_or({"num_kv_heads", "n_head_kv"}, "kv_heads", model.heads);
  else if (keys.flag("multi_query", true))
    model.kv_heads = 1;
  model.position = keys.flag("alibi", false) ? PositionKind::alibi : PositionKind::rotary;
  model.biases = keys.flag("bias", false);
  model.tied_embedding = keys.flag("tie_word_embeddings", true);
  model.parallel_block = grouped || keys.flag("parallel_attn", true);
}

struct Architecture {
  const char* model_type;
  void (*read)(const ConfigKeys&, TransformerModel&);
};

constexpr std::array architectures = {
    Architecture{"gpt2", read_gpt2},
    Architecture{"gpt_bigcode", read_gpt_bigcode},
    Architecture{"gpt_neox", read_gpt_neox},
    Architecture{"opt", read_opt},
    Architecture{"bloom", read_bloom},
    Architecture{"llama", read_llama_like},
    Architecture{"mistral", read_windowed},
    Architecture{"qwen2", read_qwen2},
    Architecture{"qwen3", read_qwen2},
    Architecture{"gemma", read_gemma},
    Architecture{"phi3", read_windowed},
    Architecture{"falcon", read_falcon},
    Architecture{"starcoder2", read_starcoder2},
};

/// Why a well-known model type cannot be taken.
std::string reason_against(const std::string& model_type) {
  struct Reason {
    std::string_view part; ///< of the model type
    const char* reason;
  };
  static constexpr std::array reasons = {
      Reason{"moe", "a mixture of experts"},
      Reason{"mixtral", "a mixture of experts"},
      Reason{"dbrx", "a mixture of experts"},
      Reason{"deepseek", "experts and latent attention"},
      Reason{"gpt_oss", "a mixture of experts"},
      Reason{"jamba", "a state-space hybrid"},
      Reason{"mamba", "a state-space model"},
      Reason{"rwkv", "a recurrent model"},
      Reason{"gemma2", "layers of sliding-window attention"},
      Reason{"gemma3", "layers of sliding-window attention"},
      Reason{"cohere2", "layers of sliding-window attention"},
      Reason{"gpt_neo", "layers of local attention"},
      Reason{"bert", "an encoder"},
      Reason{"t5", "an encoder and a decoder"},
      Reason{"bart", "an encoder and a decoder"},
      Reason{"whisper", "an encoder and a decoder"},
      Reason{"vit", "a vision model"},
      Reason{"clip", "a vision model"},
      Reason{"llava", "a vision model"},
      Reason{"_vl", "a vision model"},
      Reason{"mllama", "a vision model"},
  };
  for (const Reason& known : reasons) {
    if (model_type.find(known.part) != std::string::npos)
      return fmt::format(", {}", known.reason);
  }
  return {};
}

/// Keys that stand for something that no dense decoder-only transformer has, whatever the model type.
void refuse_foreign(const ConfigKeys& keys) {
  keys.refuse_true("is_encoder_decoder", "an encoder");
  for (const char* key : {"num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"})
    keys.refuse_above(key, 1, "a mixture of experts");
  for (const char* key : {"kv_lora_rank", "q_lora_rank"})
    keys.refuse_above(key, 0, "latent attention");
  keys.refuse_above("num_nextn_predict_layers", 0, "layers for multi-token prediction");
  for (const char* key : {"vision_config", "audio_config", "text_config", "encoder"})
    keys.refuse_map(key, "more than one network");
  for (const char* key : {"ssm_cfg", "mamba_d_state", "state_size"})
    keys.refuse_given(key, "a state-space model");
  keys.refuse_map("quantization_config", "quantised weights; take the config.json of the model as it was trained");
  keys.refuse_other_layers("layer_types", "full_attention");
}

std::string name_from(const std::string& path) {
  const std::filesystem::path file(path);
  const std::string folder = file.parent_path().filename().string();
  const std::string stem = file.stem().string();
  return stem == "config" && !folder.empty() && folder.front() != '.' ? folder : stem;
}

/// yaml-cpp takes no surrogate escapes, which JSON has. They stand in text that says nothing of sizes, and are blanked in place.
std::string without_surrogates(std::string_view text) {
  std::string result(text);
  for (std::size_t i = 0; i + 5 < result.size(); ++i) {
    if (result[i] != '\\')
      continue;
    const bool high = result[i + 2] == 'd' || result[i + 2] == 'D';
    if (result[i + 1] == 'u' && high && std::string_view("89abcdefABCDEF").find(result[i + 3]) != std::string_view::npos)
      result.replace(i, 6, "??????");
    ++i; // past the escaped character
  }
  return result;
}

/// Takes any JSON, and reports the first error at its line and column.
class JsonCheck : public nlohmann::json_sax<nlohmann::json> {
public:
  JsonCheck(std::string_view text, const std::string& path, Diagnostics& diagnostics)
      : text_(text), path_(path), diagnostics_(diagnostics) {}

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return true; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception& error) override {
    const std::string_view before = text_.substr(0, std::min(position > 0 ? position - 1 : 0, text_.size()));
    const std::size_t line_end = before.rfind('\n');
    const std::size_t line_start = line_end == std::string_view::npos ? 0 : line_end + 1;
    const Location where{std::make_shared<const std::string>(path_), static_cast<int>(std::count(before.begin(), before.end(), '\n')) + 1,
                         static_cast<int>(before.size() - line_start) + 1};
    const std::string what = error.what();
    const std::size_t detail = what.rfind("; "); // after the library's own words on where it was
    diagnostics_.add(where, {}, fmt::format("not JSON: {}", detail == std::string::npos ? what : what.substr(detail + 2)));
    return false;
  }

private:
  std::string_view text_;
  const std::string& path_;
  Diagnostics& diagnostics_;
};

} // namespace

std::vector<std::string> config_model_types() {
  std::vector<std::string> names;
  for (const Architecture& architecture : architectures)
    names.emplace_back(architecture.model_type);
  return names;
}

std::optional<TransformerModel> parse_config_json(std::string_view text, const std::string& path, Diagnostics& diagnostics) {
  const std::size_t before = diagnostics.size();
  JsonCheck check(text, path, diagnostics);
  if (!nlohmann::json::sax_parse(text, &check))
    return std::nullopt;
  // JSON is read as the YAML that it also is: that reader knows the place of every value.
  const yaml::Node root = yaml::parse_yaml(without_surrogates(text), path, diagnostics);
  if (diagnostics.size() != before)
    return std::nullopt;
  const ConfigKeys keys(root, diagnostics);
  const std::optional<std::string> type = keys.model_type(config_model_types());
  if (!type)
    return std::nullopt;
  const auto known = std::find_if(architectures.begin(), architectures.end(), [&](const Architecture& a) { return a.model_type == *type; });
  if (known == architectures.end()) {
    keys.refuse("model_type", fmt::format("'{}'{}", *type, reason_against(*type)),
                fmt::format("a dense decoder-only transformer: {}", fmt::join(config_model_types(), ", ")),
                did_you_mean(*type, config_model_types()));
    return std::nullopt;
  }
  TransformerModel model{.name = name_from(path)};
  refuse_foreign(keys);
  known->read(keys, model);
  if (model.position != PositionKind::learned)
    model.max_positions = 0;
  keys.check_heads(model);
  if (diagnostics.size() != before)
    return std::nullopt;
  model.sources = {{.figure = "*",
                    .kind = SourceKind::paper,
                    .reference = fmt::format("config.json of {} as published, model_type {}", model.name, *type)}};
  return model;
}

std::optional<TransformerModel> read_config_json(const std::string& path, Diagnostics& diagnostics) {
  const Location file{std::make_shared<const std::string>(path), 0, 0};
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    diagnostics.add(file, {}, "no such file", "a config.json");
    return std::nullopt;
  }
  std::ifstream stream(path, std::ios::binary);
  std::string text(max_bytes + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (stream.bad() || (!stream.eof() && stream.fail())) {
    diagnostics.add(file, {}, "cannot be read", "a config.json");
    return std::nullopt;
  }
  text.resize(static_cast<std::size_t>(stream.gcount()));
  if (text.size() > max_bytes) {
    diagnostics.add(file, {}, "more than 4 MiB", "a config.json, which has a few kB");
    return std::nullopt;
  }
  return parse_config_json(text, path, diagnostics);
}

} // namespace orrery
