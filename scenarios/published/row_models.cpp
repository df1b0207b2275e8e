#include "scenarios/data_files.hpp"
#include "scenarios/published/row_cells.hpp"
#include "scenarios/published/row_names.hpp"
#include "workloads/tables.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

namespace orrery {

namespace {

/// Published names that are not those of the catalogue, plain; the first rule that the name, or a later word of it, begins with and whose
/// size agrees wins. DeepSeek-V3, V3.1 and R1 have one shape, as have the Llama-3 of a size, whatever their release; models tuned from
/// another have its shape, those that see pictures the shape of their text part.
struct ModelRule {
  std::string_view name;
  std::string_view model;
  std::string_view refusal = {};
};
constexpr std::string_view unequal_layers = "layers of unequal shapes (neural architecture search) are not modelled";
constexpr std::string_view factorised_queries =
    "queries in two factors over one head of keys (multi-matrix factorization attention) are not modelled";
constexpr std::string_view selective_scan = "the scan of Mamba-1, with a step for every channel, is not modelled";
constexpr std::string_view mixed_heads = "attention and a state space side by side in a layer are not modelled";
constexpr std::string_view layer_embeddings = "embeddings of every layer and alternating updates are not modelled";
constexpr std::array model_rules = {
    ModelRule{"deepseek-r1-distill-llama-70b", "llama3-70b"},
    ModelRule{"deepseek-r1-distill-llama-8b", "llama3-8b"},
    ModelRule{"deepseek-r1-distill-qwen-32b", "qwen2.5-32b"},
    ModelRule{"deepseek-r1-distill-qwen-14b", "qwen2.5-14b"},
    ModelRule{"deepseek-r1-distill-qwen-7b", "qwen2.5-7b"},
    ModelRule{"deepseek-r1-distill-qwen-1.5b", "qwen2.5-1.5b"},
    ModelRule{"glm-5", "glm-5"},
    ModelRule{"deepseek-r1", "deepseek-v3"},
    ModelRule{"deepseek-v2.5", "deepseek-v2"},
    ModelRule{"dsr1", "deepseek-v3"},
    ModelRule{"dsv3.2", "deepseek-v3.2"},
    ModelRule{"dsv3", "deepseek-v3"},
    ModelRule{"deepseek-coder-6.7b", "llama2-7b"},
    ModelRule{"moonlight", "moonlight-16b-a3b"},
    ModelRule{"kimi-vl", "moonlight-16b-a3b"},
    ModelRule{"kimi-dev-72b", "qwen2.5-72b"},
    ModelRule{"k2-think", "qwen2.5-32b"},
    ModelRule{"llama-3.1-nemotron-70b", "llama3-70b"},
    ModelRule{"llama-3.1-nemotron-nano-8b", "llama3-8b"},
    ModelRule{"llama-3.3-nemotron", "", unequal_layers},
    ModelRule{"llama-3.1-nemotron", "", unequal_layers},
    ModelRule{"step-3.5", "", "its dimensions are not in the catalogue"}, // another attention than Step-3's
    ModelRule{"step-3", "", factorised_queries},
    ModelRule{"jamba", "", selective_scan},
    ModelRule{"falcon-h1", "", mixed_heads},
    ModelRule{"hymba", "", mixed_heads},
    ModelRule{"gemma-3n", "", layer_embeddings},
    ModelRule{"llama-3.1-8b", "llama3-8b"},
    ModelRule{"llama-3.1-70b", "llama3-70b"},
    ModelRule{"llama-3.3-70b", "llama3-70b"},
    ModelRule{"llama-3.2-11b", "llama3-8b"}, // layers that attend to the picture are passed over without one
    ModelRule{"llama-3.2-90b", "llama3-70b"},
    ModelRule{"llama-3.1-405b", "llama3-405b"},
    ModelRule{"tulu-3-8b", "llama3-8b"},
    ModelRule{"tulu-3-70b", "llama3-70b"},
    ModelRule{"tulu-3-405b", "llama3-405b"},
    ModelRule{"llama-7b", "llama2-7b"},
    ModelRule{"vicuna-7b", "llama2-7b"},
    ModelRule{"alpaca-7b", "llama2-7b"},
    ModelRule{"llava-1.5-7b", "llama2-7b"},
    ModelRule{"llava-v1.5-7b", "llama2-7b"},
    ModelRule{"llama-13b", "llama2-13b"},
    ModelRule{"vicuna-13b", "llama2-13b"},
    ModelRule{"wizardlm-13b", "llama2-13b"},
    ModelRule{"llava-1.5-13b", "llama2-13b"},
    ModelRule{"llava-v1.5-13b", "llama2-13b"},
    ModelRule{"llava-next-34b", "yi-34b"},
    ModelRule{"llava-v1.6-34b", "yi-34b"},
    ModelRule{"llama-30b", "llama-33b"},
    ModelRule{"vicuna-33b", "llama-33b"},
    ModelRule{"codellama-7b", "llama2-7b"},
    ModelRule{"codellama-13b", "llama2-13b"},
    ModelRule{"codellama-70b", "llama2-70b"},
    ModelRule{"wizardlm-70b", "llama2-70b"},
    ModelRule{"mt-nlg-530b", "gpt-530b"},
    ModelRule{"megatron-turing-nlg-530b", "gpt-530b"},
    ModelRule{"chatglm2-6b", "chatglm3-6b"},
    ModelRule{"deepseek-llm-7b", "deepseek-7b"},
    ModelRule{"deepseek-llm-67b", "deepseek-67b"},
    ModelRule{"pixtral-12b", "mistral-nemo-12b"},
    ModelRule{"pixtral-large", "mistral-large-123b"},
    ModelRule{"zephyr-7b", "mistral-7b"},
    ModelRule{"openchat-3.5", "mistral-7b"},
    ModelRule{"starling-lm-7b", "mistral-7b"},
    ModelRule{"bloomz-7b1", "bloom-7b1"},
    ModelRule{"bloomz-3b", "bloom-3b"},
    ModelRule{"bloomz", "bloom-176b"},
    ModelRule{"bloom", "bloom-176b"},
    ModelRule{"gpt-175b", "gpt3-175b"},
    ModelRule{"gpt-j", "gpt-j-6b"},
    ModelRule{"gptj", "gpt-j-6b"},
    ModelRule{"dolly-v2-12b", "pythia-12b"},
    ModelRule{"redpajama-7b", "pythia-6.9b"},
    ModelRule{"falcon-11b", "falcon2-11b"},
    ModelRule{"glm-4.1v-9b", "glm-4-9b"},
    ModelRule{"glm-4.6v-flash", "glm-4-9b"},
    ModelRule{"glm-4.5v", "glm-4.5-air"},
    ModelRule{"glm-4.6v", "glm-4.5-air"},
    ModelRule{"glm-4.6", "glm-4.5"},
    ModelRule{"glm-4.7-flash", "glm-4.7-flash"},
    ModelRule{"glm-4.7", "glm-4.5"},
    ModelRule{"glm-4.x", "glm-4.5"},
    ModelRule{"minimax-m2", "minimax-m2"},
    ModelRule{"minimax-text-01", "minimax-m1"},
    ModelRule{"mistral-nemo", "mistral-nemo-12b"},
    ModelRule{"mistral-small", "mistral-small-24b"},
    ModelRule{"devstral-small", "mistral-small-24b"},
    ModelRule{"magistral-small", "mistral-small-24b"},
    ModelRule{"mistral-large-3", "mistral-large-3-675b"},
    ModelRule{"devstral-2-123b", "mistral-large-123b"},
    ModelRule{"mistral-large", "mistral-large-123b"},
    ModelRule{"nemotron-nano-9b-v2", "nemotron-nano-v2-9b"},
    ModelRule{"nemotron-nano-12b-v2", "nemotron-nano-v2-12b"},
    ModelRule{"codegemma-7b", "gemma-7b"},
    ModelRule{"codegemma-2b", "gemma-2b"},
    ModelRule{"phi-2", "phi-2-2.7b"},
    ModelRule{"phi-3-mini", "phi-3-mini-3.8b"},
    ModelRule{"phi-3.5-mini", "phi-3-mini-3.8b"},
    ModelRule{"phi-3-medium", "phi-3-medium-14b"},
    ModelRule{"phi-4-mini", "phi-4-mini-3.8b"},
    ModelRule{"phi-4-multimodal", "phi-4-mini-3.8b"},
    ModelRule{"phi-4", "phi-4-14b"},
    ModelRule{"qwen1.5-7b", "qwen-7b"},
    ModelRule{"qwen1.5-14b", "qwen-14b"},
    ModelRule{"qwen1.5-72b", "qwen-72b"},
    ModelRule{"qwen2-0.5b", "qwen2.5-0.5b"},
    ModelRule{"qwen2-1.5b", "qwen2.5-1.5b"},
    ModelRule{"qwen2-2b", "qwen2.5-1.5b"}, // Qwen2-VL-2B counts its eyes
    ModelRule{"qwen2-7b", "qwen2.5-7b"},
    ModelRule{"qwen2-72b", "qwen2.5-72b"},
    ModelRule{"qwq-32b", "qwen2.5-32b"},
    ModelRule{"qvq-72b", "qwen2.5-72b"},
    ModelRule{"internvl2.5-8b", "internlm2-7b"},
    ModelRule{"internvl3-8b", "qwen2.5-7b"},
    ModelRule{"internvl3-14b", "qwen2.5-14b"},
    ModelRule{"internvl3-38b", "qwen2.5-32b"},
    ModelRule{"internvl3-78b", "qwen2.5-72b"},
    ModelRule{"intern-s1-mini", "qwen3-8b"},
    ModelRule{"intern-s1", "qwen3-235b-a22b"},
    ModelRule{"internlm2.5-7b", "internlm2-7b"},
    ModelRule{"internlm2.5-20b", "internlm2-20b"},
    ModelRule{"qwen3-coder-30b", "qwen3-30b-a3b"},
    ModelRule{"qwen3-coder-480b", "qwen3-coder-480b-a35b"},
    ModelRule{"qwen3-coder-next", "qwen3-next-80b-a3b"},
    ModelRule{"qwen3-omni-30b", "qwen3-30b-a3b"},
    ModelRule{"qwen3-vl-30b", "qwen3-30b-a3b"},
    ModelRule{"qwen3-vl-235b", "qwen3-235b-a22b"},
    ModelRule{"qwen3-next-80b", "qwen3-next-80b-a3b"},
    ModelRule{"starcoder", "starcoder-15b"},
    ModelRule{"ring-1t", "ling-1t"},
    ModelRule{"ring-flash-2.0", "ling-flash-2.0"},
    ModelRule{"ring-mini-2.0", "ling-mini-2.0"},
    ModelRule{"olmo-3.1-32b", "olmo3-32b"},
    ModelRule{"olmo-3-1125-32b", "olmo3-32b"},
    ModelRule{"olmo-3-1025-7b", "olmo3-7b"},
    ModelRule{"olmo-2-1124-7b", "olmo2-7b"},
    ModelRule{"olmo-2-1124-13b", "olmo2-13b"},
    ModelRule{"olmo-2-0325-32b", "olmo2-32b"},
    ModelRule{"stablelm-2-12b", "stablelm2-12b"},
    ModelRule{"granite-20b-code", "granite-code-20b"},
    ModelRule{"granite-3.0-8b", "granite-3-8b"},
    ModelRule{"granite-3.1-8b", "granite-3-8b"},
    ModelRule{"granite-3.2-8b", "granite-3-8b"},
    ModelRule{"granite-3.3-8b", "granite-3-8b"},
    ModelRule{"granite-3.0-2b", "granite-3-2b"},
    ModelRule{"granite-3.1-2b", "granite-3-2b"},
    ModelRule{"granite-3.2-2b", "granite-3-2b"},
    ModelRule{"granite-3.3-2b", "granite-3-2b"},
    ModelRule{"arctic", "arctic-480b"},
    ModelRule{"snowflake-arctic", "arctic-480b"},
    ModelRule{"pangu-pro-moe", "pangu-pro-moe-72b-a16b"},
    ModelRule{"yi-1.5-6b", "yi-6b"},
    ModelRule{"yi-1.5-9b", "yi-9b"},
    ModelRule{"yi-1.5-34b", "yi-34b"},
    ModelRule{"command-a", "command-a-111b"},
    ModelRule{"command-r-plus", "command-r-plus-104b"},
    ModelRule{"command-r-v01", "command-r-35b"},
    ModelRule{"command-r-08-2024", "command-r-32b"},
    ModelRule{"aya-expanse-32b", "command-r-32b"},
    ModelRule{"command-r", "command-r-35b"}};

void replace(std::string& text, std::string_view word, std::string_view by) {
  if (const auto at = text.find(word); at != std::string::npos)
    text.replace(at, word.size(), by);
}

/// As the rules write it: dots in versions, a dash behind "llama".
std::string simple_name(std::string_view published) {
  std::string raw(published);
  for (const std::string_view mark : {"R+", "r+"})
    replace(raw, mark, "r-plus");
  std::string name = plain_name(raw);
  replace(name, "llama3.", "llama-3.");
  if (const auto at = name.find("llama-3-"); at != std::string::npos && name.size() > at + 9 && name[at + 9] == '-')
    name[at + 7] = '.'; // 3-1, of 3.1
  return name;
}

/// Without the word of a speciality, which leaves the shape of a model's text part as it is.
std::string without_speciality(std::string name) {
  for (const std::string_view word : {"-coder", "-vl", "-math", "-code"})
    replace(name, word, "");
  return name;
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
  return at == name.size() || name[at] == '-' || name[at] == '.';
}

/// The catalogue's name of which `name` is a release: the longest.
std::string catalogue_name(const std::string& name) {
  std::string best;
  for (const std::string& known : model_catalogue().names())
    if (known.size() > best.size() && is_release_of(name, known))
      best = known;
  return best;
}

/// Parameters that the first word of the form 70b, 8x7b, 1t or 350m says; 0 = none. Words of an active part (a22b) begin with a letter.
double stated_parameters(std::string_view name) {
  for (std::size_t at = 0; at < name.size(); at = std::min(name.find('-', at), name.size() - 1) + 1) {
    double size = 0;
    const char* const end = name.data() + name.size();
    auto [next, error] = std::from_chars(name.data() + at, end, size);
    if (error != std::errc{} || next == end)
      continue;
    if (double each = 0; *next == 'x' && std::from_chars(next + 1, end, each).ec == std::errc{}) {
      next = std::from_chars(next + 1, end, each).ptr;
      size *= each;
    }
    const bool last = next == end || next + 1 == end || !std::isalpha(static_cast<unsigned char>(next[1]));
    if (next != end && last && (*next == 'b' || *next == 't' || *next == 'm'))
      return size * (*next == 'b' ? 1e9 : *next == 't' ? 1e12 : 1e6);
  }
  return 0;
}

/// Names are rounded, count embeddings or leave them out, and say the sizes of experts with what they share.
bool size_agrees(const TransformerModel& model, std::string_view name) {
  const double stated = stated_parameters(name);
  const auto near = [&](double parameters) { return parameters > 0.7 * stated && parameters < 1.45 * stated; };
  return stated == 0 || near(model.parameters()) || near(model.active_parameters());
}

/// What the name says from here on; neither: nothing that is known.
NamedModel model_from(const std::string& name) {
  NamedModel found;
  const auto take = [&](std::string_view known, bool sure) {
    Diagnostics diagnostics;
    TransformerModel model = read_reference(yaml::scalar(std::string(known)), model_table(), model_catalogue(), diagnostics);
    diagnostics.throw_if_any();
    if (sure || size_agrees(model, name))
      found.model = std::move(model);
    return found.model.has_value();
  };
  for (const ModelRule& rule : model_rules) {
    const bool word = name.size() <= rule.name.size() || std::isalnum(static_cast<unsigned char>(name[rule.name.size()])) == 0;
    if (!name.starts_with(rule.name) || !word)
      continue;
    if (!rule.refusal.empty()) {
      found.refusal = rule.refusal;
      return found;
    }
    if (take(rule.model, stated_parameters(rule.name) > 0))
      return found;
  }
  if (const std::string known = catalogue_name(name); !known.empty())
    take(known, stated_parameters(known) > 0);
  return found;
}

} // namespace

NamedModel published_model(std::string_view published) {
  const std::string name = simple_name(published);
  for (std::size_t at = 0; at != std::string::npos && at < name.size();) {
    const std::string tail = name.substr(at);
    for (const std::string& each : {tail, without_speciality(tail)})
      if (NamedModel found = model_from(each); found.model || !found.refusal.empty())
        return found;
    const auto dash = name.find('-', at);
    at = dash == std::string::npos ? dash : dash + 1;
  }
  return {.refusal = published.empty() ? "the model is not stated" : "no model " + std::string(published) + " in the catalogue"};
}

} // namespace orrery
