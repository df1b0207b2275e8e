// What the arguments of a Megatron-LM command say of the pipeline and of recomputation, by Megatron's own rules.
#pragma once

#include "scenarios/imports/megatron_arguments.hpp"
#include "sim/base/yaml.hpp"

#include <optional>
#include <string>
#include <vector>

namespace orrery {

struct PipelineSize {
  double layers = 1;
  double stages = 1;
};

/// A key of the plan, its value and the argument that asks for it.
struct PlanKey {
  std::string key;
  yaml::Node value;
  std::string argument;
};

/// Schedule, virtual stages, uneven stages and overlap of messages.
std::vector<PlanKey> pipeline_keys(MegatronArguments& arguments, const PipelineSize& size);

/// "none", "selective" or "full".
std::string recompute_word(MegatronArguments& arguments, const PipelineSize& size);

/// Layers without experts at the start, from a --moe-layer-freq: "1", or a pattern such as "([0]*3+[1]*58)"; nothing for any other.
std::optional<double> dense_layers(const std::string& frequency, double layers);

} // namespace orrery
