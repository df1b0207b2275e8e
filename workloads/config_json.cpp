#include "workloads/config_json.hpp"

#include "workloads/config_architectures.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>

namespace orrery {

namespace {

constexpr std::size_t max_bytes = 4u << 20;

/// Why a well-known model type cannot be taken.
std::string reason_against(const std::string& model_type) {
  struct Reason {
    std::string_view part; ///< of the model type
    const char* reason;
  };
  static constexpr std::array reasons = {
      Reason{"moe", "a mixture of experts"},
      Reason{"dbrx", "a mixture of experts"},
      Reason{"falcon_h1", "attention and a state space side by side in a layer"},
      Reason{"gemma3n", "embeddings of every layer and alternating updates"},
      Reason{"jamba", "a state-space hybrid"},
      Reason{"minimax_m1", "layers of lightning attention; write 'minimax-m1'"},
      Reason{"step3", "queries in two factors over one head of keys"},
      Reason{"mamba", "a state-space model"},
      Reason{"rwkv", "a recurrent model"},
      Reason{"gemma3", "more than one network; take its text_config, of model_type gemma3_text"},
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

/// Keys that stand for something that a transformer of this type has not.
void refuse_foreign(const ConfigKeys& keys, const Architecture& type) {
  keys.refuse_true("is_encoder_decoder", "an encoder");
  if (!type.experts) {
    for (const char* key : {"num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"})
      keys.refuse_above(key, 1, "a mixture of experts");
  }
  if (!type.latent) {
    for (const char* key : {"kv_lora_rank", "q_lora_rank"})
      keys.refuse_above(key, 0, "latent attention");
    keys.refuse_above("num_nextn_predict_layers", 0, "layers for multi-token prediction");
  }
  for (const char* key : {"vision_config", "audio_config", "text_config", "encoder"})
    keys.refuse_map(key, "more than one network");
  if (!type.recurrent) {
    for (const char* key : {"ssm_cfg", "mamba_d_state", "state_size"})
      keys.refuse_given(key, "a state-space model");
  }
  if (!type.quantised)
    keys.refuse_map("quantization_config", "quantised weights; take the config.json of the model as it was trained");
  if (!type.layer_types)
    keys.refuse_other_layers("layer_types", "full_attention");
}

const Architecture* architecture_of(const std::string& model_type) {
  for (const std::span<const Architecture> list : {dense_architectures(), mixed_architectures()})
    for (const Architecture& architecture : list)
      if (architecture.model_type == model_type)
        return &architecture;
  return nullptr;
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
  for (const std::span<const Architecture> list : {dense_architectures(), mixed_architectures()})
    for (const Architecture& architecture : list)
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
  const Architecture* known = architecture_of(*type);
  if (known == nullptr) {
    keys.refuse("model_type", fmt::format("'{}'{}", *type, reason_against(*type)),
                fmt::format("a decoder-only transformer: {}", fmt::join(config_model_types(), ", ")),
                did_you_mean(*type, config_model_types()));
    return std::nullopt;
  }
  TransformerModel model{.name = name_from(path)};
  refuse_foreign(keys, *known);
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
