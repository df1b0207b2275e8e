#include "models/iteration_model.hpp"
#include "scenarios/data_files.hpp"
#include "scenarios/published/serving_rows.hpp"
#include "scenarios/scenario.hpp"
#include "workloads/tables.hpp"

#include <array>

namespace orrery {

namespace {

/// Published names that are not those of the catalogue, simplified as simple_name() does; the first rule that the name begins with wins.
/// DeepSeek-V3, V3.1 and R1 have one shape, as have the Llama-3 of a size, whatever their release.
struct ModelRule {
  std::string_view name;
  std::string_view model;
  std::string_view refusal = {};
};
constexpr std::array model_rules = {
    ModelRule{"deepseek-r1-distill-llama-70b", "llama3-70b"},
    ModelRule{"deepseek-r1-distill-llama-8b", "llama3-8b"},
    ModelRule{"deepseek-r1-distill-qwen-32b", "qwen2.5-32b"},
    ModelRule{"deepseek-r1-distill-qwen-14b", "qwen2.5-14b"},
    ModelRule{"deepseek-r1-distill-qwen-7b", "qwen2.5-7b"},
    ModelRule{"glm-5", "glm-5"},
    ModelRule{"deepseek-r1", "deepseek-v3"},
    ModelRule{"llama-3.1-nemotron-70b", "llama3-70b"},
    ModelRule{"llama-3.3-nemotron", "", "layers of unequal shapes (neural architecture search) are not modelled"},
    ModelRule{"llama-3.1-nemotron", "", "layers of unequal shapes (neural architecture search) are not modelled"},
    ModelRule{"llama-3.1-8b", "llama3-8b"},
    ModelRule{"llama-3.1-70b", "llama3-70b"},
    ModelRule{"llama-3.3-70b", "llama3-70b"},
    ModelRule{"llama-3.1-405b", "llama3-405b"},
    ModelRule{"llama-7b", "llama2-7b"},
    ModelRule{"vicuna-7b", "llama2-7b"},
    ModelRule{"llama-13b", "llama2-13b"},
    ModelRule{"vicuna-13b", "llama2-13b"},
    ModelRule{"llama-30b", "llama-33b"},
    ModelRule{"codellama-7b", "llama2-7b"},
    ModelRule{"codellama-13b", "llama2-13b"},
    ModelRule{"codellama-70b", "llama2-70b"},
    ModelRule{"wizardlm-70b", "llama2-70b"},
    ModelRule{"mt-nlg-530b", "gpt-530b"},
    ModelRule{"chatglm2-6b", "chatglm3-6b"},
    ModelRule{"deepseek-llm-7b", "deepseek-7b"},
    ModelRule{"deepseek-llm-67b", "deepseek-67b"},
    ModelRule{"pixtral-12b", "mistral-nemo-12b"},
    ModelRule{"bloom", "bloom-176b"},
    ModelRule{"gpt-175b", "gpt3-175b"},
    ModelRule{"falcon-11b", "falcon2-11b"},
    ModelRule{"glm-4.6", "glm-4.5"},
    ModelRule{"glm-4.7-flash", "glm-4.7-flash"},
    ModelRule{"glm-4.7", "glm-4.5"},
    ModelRule{"glm-4.x", "glm-4.5"},
    ModelRule{"minimax-m2", "minimax-m2"},
    ModelRule{"mistral-nemo", "mistral-nemo-12b"},
    ModelRule{"mistral-small", "mistral-small-24b"},
    ModelRule{"devstral-small", "mistral-small-24b"},
    ModelRule{"magistral-small", "mistral-small-24b"},
    ModelRule{"mistral-large", "mistral-large-123b"},
    ModelRule{"nemotron-nano-9b-v2", "nemotron-nano-v2-9b"},
    ModelRule{"nemotron-nano-12b-v2", "nemotron-nano-v2-12b"},
    ModelRule{"phi-2", "phi-2-2.7b"},
    ModelRule{"phi-3-mini", "phi-3-mini-3.8b"},
    ModelRule{"phi-3.5-mini", "phi-3-mini-3.8b"},
    ModelRule{"phi-3-medium", "phi-3-medium-14b"},
    ModelRule{"phi-4-mini", "phi-4-mini-3.8b"},
    ModelRule{"phi-4", "phi-4-14b"},
    ModelRule{"qwen1.5-7b", "qwen-7b"},
    ModelRule{"qwen1.5-14b", "qwen-14b"},
    ModelRule{"qwen1.5-72b", "qwen-72b"},
    ModelRule{"qwen2-0.5b", "qwen2.5-0.5b"},
    ModelRule{"qwen2-1.5b", "qwen2.5-1.5b"},
    ModelRule{"qwen2-7b", "qwen2.5-7b"},
    ModelRule{"qwen2-72b", "qwen2.5-72b"},
    ModelRule{"qwq-32b", "qwen2.5-32b"},
    ModelRule{"qwen3-coder-30b", "qwen3-30b-a3b"},
    ModelRule{"qwen3-coder-480b", "qwen3-coder-480b-a35b"},
    ModelRule{"qwen3-vl-30b", "qwen3-30b-a3b"},
    ModelRule{"qwen3-vl-235b", "qwen3-235b-a22b"},
    ModelRule{"qwen3-next-80b", "qwen3-next-80b-a3b"},
    ModelRule{"starcoder", "starcoder-15b"},
    ModelRule{"ring-1t", "ling-1t"},
    ModelRule{"yi-1.5-6b", "yi-6b"},
    ModelRule{"yi-1.5-9b", "yi-9b"},
    ModelRule{"yi-1.5-34b", "yi-34b"},
    ModelRule{"command-r-plus", "command-r-plus-104b"},
    ModelRule{"command-r", "command-r-35b"}};

/// Lower case, without the publisher.
std::string simple_name(std::string name) {
  for (char& c : name)
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c == '_' || c == ' ' ? '-' : c;
  // A publisher stands before a slash; "v3/r1" is one name.
  if (const auto slash = name.find('/'); slash != std::string::npos && name.find("v3/r1") == std::string::npos)
    name.erase(0, slash + 1);
  for (const std::string_view publisher : {"nvidia-", "meta-"})
    if (name.starts_with(publisher))
      name.erase(0, publisher.size());
  if (name.starts_with("llama3.")) // the rules have the dash
    name.insert(5, "-");
  return name;
}

/// Without the word of a speciality, which leaves the shape of a model's text part as it is.
std::string without_speciality(std::string name) {
  for (const std::string_view word : {"-coder", "-vl", "-math", "-code"})
    if (const auto at = name.find(word); at != std::string::npos)
      name.erase(at, word.size());
  return name;
}

const ModelRule* model_rule(const std::string& name) {
  return std::ranges::find_if(model_rules, [&](const ModelRule& each) { return name.starts_with(each.name); });
}

/// Whether `name` is `known` or a release of it, whatever dashes either has.
bool is_release_of(std::string_view name, std::string_view known) {
  std::size_t at = 0;
  for (const char c : known) {
    if (c == '-')
      continue;
    while (at < name.size() && name[at] == '-')
      ++at;
    if (at == name.size() || name[at] != c)
      return false;
    ++at;
  }
  return at == name.size() || name[at] == '-' || name[at] == '.' || name[at] == '/';
}

/// The catalogue's name of which `name` is a release: the longest.
std::string catalogue_name(const std::string& name) {
  std::string best;
  for (const std::string& known : model_catalogue().names())
    if (known.size() > best.size() && is_release_of(name, known))
      best = known;
  return best;
}

/// Published words for how weights are kept, in lower case; the first that the cell begins with wins.
struct FormatRule {
  std::string_view word;
  std::string_view format;
};
constexpr std::array format_rules = {
    FormatRule{"bf16", "bf16"},           FormatRule{"fp16", "fp16"},           FormatRule{"f16", "fp16"},
    FormatRule{"fp8-block", "fp8_block"}, FormatRule{"fp8_block", "fp8_block"}, FormatRule{"fp8", "fp8"},
    FormatRule{"nvfp4", "nvfp4"},         FormatRule{"mxfp4", "mxfp4"},         FormatRule{"fp4", "nvfp4"},
    FormatRule{"int4", "w4a16"},          FormatRule{"awq", "w4a16"},           FormatRule{"gptq", "w4a16"},
    FormatRule{"w4a16", "w4a16"},         FormatRule{"w4a8", "w4a8"},           FormatRule{"w6a16", "w6a16"},
    FormatRule{"w8a8", "int8"},           FormatRule{"int8", "int8"},           FormatRule{"w8a16", "w8a16"},
    FormatRule{"q4_k_m", "q4_k_m"},       FormatRule{"q4_0", "q4_0"},           FormatRule{"q8_0", "q8_0"}};

std::string lower(std::string text) {
  for (char& c : text)
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

/// The format that the row names, or that its model is published in: DeepSeek-V3 and its kin, and Qwen's own FP8 files, have a scale for
/// each block; gpt-oss has MXFP4 experts whatever the row calls them. The 4-bit files of models with latent attention, and MiniMax's, leave
/// attention as it was.
const WeightFormat* stated_format(const Cells& row, const TransformerModel& model) {
  const std::string word = lower(row.text("w_prec"));
  if (model.name.starts_with("gpt-oss"))
    return find_weight_format("mxfp4");
  if (word.empty())
    return find_weight_format("bf16");
  const auto* const rule = std::ranges::find_if(format_rules, [&](const FormatRule& each) { return word.starts_with(each.word); });
  if (rule == format_rules.end())
    return nullptr;
  const bool blocks = model.latent.kv_rank > 0 || model.name.starts_with("minimax") || row.contains("notes", "fp8_block") ||
                      (row.contains("model", "Qwen") && row.contains("model", "FP8"));
  return find_weight_format(rule->format == "fp8" && blocks ? "fp8_block" : rule->format);
}

/// KV caches that the row does not state: the 8-bit checkpoints of TensorRT-LLM carry their scales, and the published recipes of the other
/// engines ask for FP8 beside narrow weights on Blackwell.
Precision kv_precision(const Cells& row, const ServingRow& out) {
  const std::string word = lower(row.text("kv_prec"));
  if (word.starts_with("fp8"))
    return Precision::fp8;
  if (word.starts_with("int8"))
    return Precision::int8;
  if (!word.empty() || out.job.weights.operand == out.job.precision)
    return out.job.precision;
  const bool engine = row.contains("engine", "TensorRT") || out.cluster.node.device.architecture == "blackwell";
  return engine ? Precision::fp8 : out.job.precision;
}

/// Engines by name and version, oldest first: the last whose version is not later wins. An engine without a profile of its own takes that
/// of its kind and date, one of unknown kind the newest vLLM's.
struct EngineRule {
  std::string_view engine;
  int release = 0; ///< 1000 x major + minor
  std::string_view profile;
  bool stand_in = false; ///< of another engine
};
constexpr int newest = 1'000'000;
constexpr int pytorch_release = 20; ///< of TensorRT-LLM
constexpr std::array engine_rules = {EngineRule{"", 0, "vllm-2026", true},
                                     EngineRule{"FasterTransformer", 0, "tensorrt-llm-2024", true},
                                     EngineRule{"HF", 0, "vllm-0.2", true},
                                     EngineRule{"Transformers", 0, "vllm-0.2", true},
                                     EngineRule{"DeepSpeed", 0, "vllm-0.2", true},
                                     EngineRule{"TGI", 0, "vllm-0.6", true},
                                     EngineRule{"JetStream", 0, "vllm-0.6", true},
                                     EngineRule{"MLC", 0, "vllm-0.6", true},
                                     EngineRule{"LMDeploy", 0, "vllm-v1-2025", true},
                                     EngineRule{"MindIE", 0, "vllm-v1-2025", true},
                                     EngineRule{"vLLM", 0, "vllm-0.2"},
                                     EngineRule{"vLLM", 3, "vllm-0.6"},
                                     EngineRule{"vLLM", 8, "vllm-v1-2025"},
                                     EngineRule{"vLLM", 12, "vllm-2026"},
                                     EngineRule{"SGLang", 0, "sglang-2025"},
                                     EngineRule{"DeepSeek", 0, "sglang-2025", true},
                                     EngineRule{"TensorRT-LLM", 0, "tensorrt-llm-2024"},
                                     EngineRule{"TensorRT-LLM", pytorch_release, "tensorrt-llm-pytorch-2025"},
                                     EngineRule{"TensorRT-LLM", 1001, "tensorrt-llm-pytorch-2026"},
                                     EngineRule{"llama.cpp", 0, "llama.cpp-2024"}};

/// Words that stand where the engine's own version is due: that of TensorRT below it, of a service around it (NIM), of an orchestrator
/// (Dynamo 0.8), of a benchmark; a year.
struct VersionRule {
  std::string_view engine;
  std::string_view version;
  int release = 0;
};
constexpr std::array version_rules = {VersionRule{"TensorRT-LLM", "TensorRT 10", 17}, VersionRule{"NIM", "", 17},
                                      VersionRule{"TensorRT-LLM", "0.8.1.post", newest}, VersionRule{"vLLM", "ML.ENERGY v3", 11},
                                      VersionRule{"vLLM", "2023", 0}};

/// `latent`: of TensorRT-LLM's engines only the PyTorch back-end serves the model (DeepSeek's, examples/models/core/deepseek_v3).
int release_of(const Cells& row, bool latent) {
  const auto* const rule = std::ranges::find_if(version_rules, [&](const VersionRule& each) {
    return row.contains("engine", each.engine) && row.contains("engine_version", each.version);
  });
  if (rule != version_rules.end())
    return latent && rule->engine == "TensorRT-LLM" ? std::max(pytorch_release, rule->release) : rule->release;
  const auto major = first_number(row.text("engine_version"), R"(^(?:v|vLLM )?(\d+)\.\d+)");
  if (const auto minor = first_number(row.text("engine_version"), R"(^(?:v|vLLM )?\d+\.(\d+))"); major && minor)
    return static_cast<int>(1000 * *major + *minor);
  // No version: what was new when it was measured. vLLM 0.12 and TensorRT-LLM 1.1 are of December 2025.
  const auto year = first_number(row.text("notes"), R"(measured (\d+)-\d+)");
  const auto month = first_number(row.text("notes"), R"(measured \d+-(\d+))");
  const bool before = year && month && 12 * *year + *month < 12 * 2025 + 12;
  if (before && row.contains("engine", "vLLM"))
    return 11;
  if (before && row.contains("engine", "TensorRT-LLM"))
    return 1000;
  return newest;
}

/// Limits that an engine takes from the device where its user names none: vLLM serves 1,024 sequences and 8,192 tokens where memory is 70
/// GiB and more and the device no A100, else 256 and 2,048 (engine/arg_utils.py); SGLang cuts prompts at 16,384 tokens on devices of more
/// than 160 GB (server_args.py).
void set_limits(const Cells& row, ServingRow& out) {
  ServingTraits& engine = out.software.serving;
  const Device& device = out.cluster.node.device;
  const double memory = device.memory.front().capacity.si();
  const bool large = memory > 70e9 && device.architecture != "ampere";
  if (engine.batching == "vllm-v1") {
    engine.max_sequences = large ? 1024 : 256;
    engine.max_tokens = large ? 8192 : 2048;
  }
  if (engine.batching == "sglang" && memory > 160e9)
    engine.max_tokens = 16384;
  const std::string& notes = row.text("notes");
  for (const char* const pattern :
       {R"(max_num_tokens[ =](\d+))", R"(max-num-batched-tokens[ =](\d+))", R"(max_num_batched_tokens[ =](\d+))"})
    if (const auto tokens = first_number(notes, pattern))
      engine.max_tokens = static_cast<int>(*tokens);
  if (const auto sequences = first_number(notes, R"(max_num_seqs=(\d+))"))
    engine.max_sequences = static_cast<int>(*sequences);
  if (row.contains("notes", "max-num-seqs = num prompts"))
    engine.max_sequences = row.count("num_requests");
  if (row.contains("kind", "mlperf") && row.given("batch"))
    engine.max_sequences = row.count("batch");
}

} // namespace

bool find_serving_model(const Cells& row, ServingRow& out) {
  std::string name = simple_name(out.model);
  if (model_rule(name) == model_rules.end() && catalogue_name(name).empty())
    name = without_speciality(name);
  const ModelRule* rule = model_rule(name);
  if (rule != model_rules.end() && !rule->refusal.empty()) {
    out.refusal = rule->refusal;
    return false;
  }
  const std::string known = rule != model_rules.end() ? std::string(rule->model) : catalogue_name(name);
  if (known.empty()) {
    out.refusal = "no model " + out.model + " in the catalogue";
    return false;
  }
  Diagnostics diagnostics;
  out.job.model = read_reference(yaml::scalar(known), model_table(), model_catalogue(), diagnostics);
  diagnostics.throw_if_any();
  out.job.model.prediction_layers = 0; // served without speculation unless said
  const WeightFormat* format = stated_format(row, out.job.model);
  if (format == nullptr) {
    out.refusal = "weights in " + row.text("w_prec") + " are not modelled";
    return false;
  }
  const Device& device = out.cluster.node.device;
  // Half precision is what the device has of it: TPUs and Gaudi know bfloat16 alone, Volta and Turing float16.
  const bool fp16 = supports(device, Precision::fp16) && (format->operand == Precision::fp16 || !supports(device, Precision::bf16));
  out.job.precision = fp16 ? Precision::fp16 : Precision::bf16;
  out.job.weights = format_on(device, *format, out.job.precision);
  const bool published_experts = out.job.model.latent.kv_rank > 0 || out.job.model.name.starts_with("minimax");
  if (out.job.model.experts.count > 0 && (format->name == "w4a16" || (format->name == "nvfp4" && published_experts)))
    out.job.weights.experts_only = true;
  out.job.kv = kv_precision(row, out);
  return true;
}

void find_serving_engine(const Cells& row, ServingRow& out) {
  const int release = release_of(row, out.job.model.latent.kv_rank > 0);
  const EngineRule* found = nullptr;
  for (const EngineRule& rule : engine_rules)
    if (row.contains("engine", rule.engine) && rule.release <= release)
      found = &rule;
  out.software = load_software(std::string(found->profile));
  out.stand_in = found->stand_in;
  set_limits(row, out);
}

} // namespace orrery
