// Models, weight formats and engines by the names that publishers of measurements give them; training rows ask for models too.
#pragma once

#include "workloads/model.hpp"
#include "workloads/serving_job.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace orrery {

struct NamedModel {
  std::optional<TransformerModel> model;
  std::string refusal; ///< why there is none
};

/// The model of the catalogue that a published name means. The publisher before a name, the data that a model was tuned on and the format
/// of its weights do not matter: "Meta-Llama-3.1-70B-Instruct-AWQ", "Dolphin-2.9-Llama3-8B". A size in the name has to be that of the
/// model.
NamedModel published_model(std::string_view name);

/// The format that a word for it, or the name of a model, says: "FP8", "GPTQ-Int4", "GGUF Q4_K_M". Nullptr where it says none that is
/// modelled.
const WeightFormat* published_format(std::string_view words);

/// The format in which the files of a model were published that names none.
const WeightFormat* format_of_files(const TransformerModel& model, std::string_view name);

enum class EngineFamily { other, vllm, sglang, tensorrt_llm, llama_cpp, deepseek };

struct NamedEngine {
  EngineFamily family = EngineFamily::other;
  std::string_view profile;
  bool stand_in = false; ///< the profile is another engine's
};

/// The engine as published, with its version; `measured` = year x 12 + month, 0 = unknown. `latent`: of TensorRT-LLM's engines only the
/// PyTorch back-end serves models with latent attention (examples/models/core/deepseek_v3).
NamedEngine published_engine(std::string_view engine, std::string_view version, int measured, bool latent);

} // namespace orrery
