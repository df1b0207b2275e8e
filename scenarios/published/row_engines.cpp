#include "scenarios/published/row_cells.hpp"
#include "scenarios/published/row_names.hpp"

#include <algorithm>
#include <array>

namespace orrery {

namespace {

/// Engines by a plain word and version, oldest first: the last whose word the name holds and whose version is not later wins. An engine
/// without a profile of its own takes that of its kind and date, one of unknown kind the newest vLLM's. What is built on llama.cpp
/// (Ollama, LM Studio, llamafile) has its kernels; ExLlama, MLX and KTransformers serve one user as it does.
struct EngineRule {
  std::string_view engine;
  int release = 0; ///< 1000 x major + minor
  std::string_view profile;
  EngineFamily family = EngineFamily::other;
  bool stand_in = false; ///< of another engine
};
constexpr int newest = 1'000'000;
constexpr int pytorch_release = 20; ///< of TensorRT-LLM
constexpr std::array engine_rules = {EngineRule{"", 0, "vllm-2026", EngineFamily::other, true},
                                     EngineRule{"-orca-", 0, "vllm-0.2", EngineFamily::other, true},
                                     EngineRule{"-hf-", 0, "vllm-0.2", EngineFamily::other, true},
                                     EngineRule{"transformers", 0, "vllm-0.2", EngineFamily::other, true},
                                     EngineRule{"ktransformers", 0, "llama.cpp-2024", EngineFamily::llama_cpp, true},
                                     EngineRule{"fastertransformer", 0, "tensorrt-llm-2024", EngineFamily::other, true},
                                     EngineRule{"deepspeed", 0, "vllm-0.2", EngineFamily::other, true},
                                     EngineRule{"fastgen", 0, "vllm-0.2", EngineFamily::other, true},
                                     EngineRule{"lightllm", 0, "vllm-0.6", EngineFamily::other, true},
                                     EngineRule{"tgi", 0, "vllm-0.6", EngineFamily::other, true},
                                     EngineRule{"tgi", 3000, "vllm-v1-2025", EngineFamily::other, true},
                                     EngineRule{"text-generation-inference", 0, "vllm-0.6", EngineFamily::other, true},
                                     EngineRule{"text-generation-inference", 3000, "vllm-v1-2025", EngineFamily::other, true},
                                     EngineRule{"jetstream", 0, "vllm-0.6", EngineFamily::other, true},
                                     EngineRule{"mlc", 0, "vllm-0.6", EngineFamily::other, true},
                                     EngineRule{"neuron", 0, "vllm-0.6", EngineFamily::other, true},
                                     EngineRule{"lmdeploy", 0, "vllm-v1-2025", EngineFamily::other, true},
                                     EngineRule{"turbomind", 0, "vllm-v1-2025", EngineFamily::other, true},
                                     EngineRule{"mindie", 0, "vllm-v1-2025", EngineFamily::other, true},
                                     EngineRule{"vllm", 0, "vllm-0.2", EngineFamily::vllm},
                                     EngineRule{"vllm", 3, "vllm-0.6", EngineFamily::vllm},
                                     EngineRule{"vllm", 8, "vllm-v1-2025", EngineFamily::vllm},
                                     EngineRule{"vllm", 14, "vllm-2026", EngineFamily::vllm},
                                     EngineRule{"sglang", 0, "sglang-2025", EngineFamily::sglang},
                                     EngineRule{"deepseek", 0, "sglang-2025", EngineFamily::deepseek, true},
                                     EngineRule{"tensorrt-llm", 0, "tensorrt-llm-2024", EngineFamily::tensorrt_llm},
                                     EngineRule{"tensorrt-llm", pytorch_release, "tensorrt-llm-pytorch-2025", EngineFamily::tensorrt_llm},
                                     EngineRule{"tensorrt-llm", 1001, "tensorrt-llm-pytorch-2026", EngineFamily::tensorrt_llm},
                                     EngineRule{"llama.cpp", 0, "llama.cpp-2024", EngineFamily::llama_cpp},
                                     EngineRule{"llama-cpp", 0, "llama.cpp-2024", EngineFamily::llama_cpp},
                                     EngineRule{"llamafile", 0, "llama.cpp-2024", EngineFamily::llama_cpp},
                                     EngineRule{"ollama", 0, "llama.cpp-2024", EngineFamily::llama_cpp},
                                     EngineRule{"lm-studio", 0, "llama.cpp-2024", EngineFamily::llama_cpp},
                                     EngineRule{"koboldcpp", 0, "llama.cpp-2024", EngineFamily::llama_cpp},
                                     EngineRule{"powerinfer", 0, "llama.cpp-2024", EngineFamily::llama_cpp, true},
                                     EngineRule{"exllama", 0, "llama.cpp-2024", EngineFamily::llama_cpp, true},
                                     EngineRule{"-mlx-", 0, "llama.cpp-2024", EngineFamily::llama_cpp, true}};

/// Other spellings of an engine's name.
struct Spelling {
  std::string_view as;
  std::string_view means;
};
constexpr std::array spellings = {Spelling{"trt-llm", "tensorrt-llm"}, Spelling{"trtllm", "tensorrt-llm"},
                                  Spelling{"tensorrtllm", "tensorrt-llm"}, Spelling{"llamacpp", "llama.cpp"}};

/// Words that stand where the engine's own version is due: that of TensorRT below it, of a service around it (NIM), of an orchestrator
/// (Dynamo 0.8), of a benchmark; a year.
struct VersionRule {
  std::string_view engine;
  std::string_view version;
  int release = 0;
};
constexpr std::array version_rules = {VersionRule{"tensorrt-llm", "tensorrt-10", 17}, VersionRule{"-nim-", "", 17},
                                      VersionRule{"tensorrt-llm", "0.8.1.post", newest}, VersionRule{"vllm", "ml.energy-v3", 11},
                                      VersionRule{"vllm", "2023", 0}};

constexpr int month_of(int year, int month) { return 12 * year + month; }

/// What was new in a month: vLLM 0.3 is of February 2024, 0.8 of March 2025 and 0.14 of January 2026; TensorRT-LLM's PyTorch back-end
/// became its default in June 2025, 1.1 is of December 2025.
int release_at(std::string_view engine, int month) {
  const bool vllm = engine.find("vllm") != std::string_view::npos;
  if (vllm && month < month_of(2024, 2))
    return 0;
  if (vllm && month < month_of(2025, 3))
    return 6;
  if (vllm)
    return month < month_of(2026, 1) ? 11 : newest;
  return month >= month_of(2025, 12) ? newest : month < month_of(2025, 6) ? 17 : 1000;
}

/// The month that a version says: of a container (24.05), "2024-05", a year alone (its middle), "May-2025"; 0 = none.
int dated(const std::string& version) {
  constexpr std::array months = {"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"};
  if (const auto year = first_number(version, R"((20[12]\d))")) {
    for (std::size_t i = 0; i < months.size(); ++i)
      if (version.find(months[i]) != std::string::npos)
        return month_of(static_cast<int>(*year), static_cast<int>(i) + 1);
    const auto month = first_number(version, R"(20[12]\d[-.]?([01]\d))");
    return month_of(static_cast<int>(*year), month ? static_cast<int>(*month) : 6);
  }
  const auto year = first_number(version, R"(^v?(2[3-9])\.[01]\d)");
  const auto month = first_number(version, R"(^v?2[3-9]\.([01]\d))");
  return year && month ? month_of(2000 + static_cast<int>(*year), static_cast<int>(*month)) : 0;
}

int release_of(const std::string& engine, const std::string& version, int measured, bool latent) {
  const auto* const rule = std::ranges::find_if(version_rules, [&](const VersionRule& each) {
    return engine.find(each.engine) != std::string::npos && version.find(each.version) != std::string::npos;
  });
  if (rule != version_rules.end())
    return latent && engine.find("tensorrt-llm") != std::string::npos ? std::max(pytorch_release, rule->release) : rule->release;
  const auto major = first_number(version, R"(^(?:v|vllm-)?(\d+)\.\d+)");
  const auto minor = first_number(version, R"(^(?:v|vllm-)?\d+\.(\d+))");
  if (major && minor && engine.find("dynamo") != std::string::npos) // its own: 0.8 is of January 2026
    return *major == 0 && *minor < 8 ? release_at(engine, month_of(2025, 9)) : newest;
  constexpr int years = 20; // numbers from here on are years
  if (major && minor && *major < years)
    return static_cast<int>(1000 * *major + *minor);
  if (const int month = dated(version); month > 0)
    return release_at(engine, month);
  return measured > 0 ? release_at(engine, measured) : newest;
}

} // namespace

NamedEngine published_engine(std::string_view name, std::string_view version, int measured, bool latent) {
  std::string engine = "-" + plain_name(name) + "-";
  for (const Spelling& each : spellings)
    if (const auto at = engine.find(each.as); at != std::string::npos && engine.find(each.means) == std::string::npos)
      engine.replace(at, each.as.size(), each.means);
  if (engine.find("-nim-") != std::string::npos && engine.find("llm") == std::string::npos)
    engine += "tensorrt-llm-"; // NIM's engine where it names none
  const int release = release_of(engine, plain_name(version), measured, latent);
  const EngineRule* found = nullptr;
  for (const EngineRule& rule : engine_rules)
    if (engine.find(rule.engine) != std::string::npos && rule.release <= release)
      found = &rule;
  return {.family = found->family, .profile = found->profile, .stand_in = found->stand_in};
}

} // namespace orrery
