// Imports a Hugging Face config.json as published. What is not a decoder-only transformer of a kind that is modelled
// is refused with the key that says so.
#pragma once

#include "sim/base/diagnostics.hpp"
#include "workloads/model.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace orrery {

/// Reads a file. Nothing after a mistake; all mistakes are in `diagnostics`, with their places. The model is named after the file, or after
/// its folder where the file is a config.json.
std::optional<TransformerModel> read_config_json(const std::string& path, Diagnostics& diagnostics);

/// Reads the text of a file.
std::optional<TransformerModel> parse_config_json(std::string_view text, const std::string& path, Diagnostics& diagnostics);

/// Values of `model_type` that are understood.
std::vector<std::string> config_model_types();

} // namespace orrery
