#include "scenarios/imports/megatron_pipeline.hpp"

#include "sim/base/quantity_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <regex>

namespace orrery {

namespace {

double virtual_stages(MegatronArguments& arguments, const PipelineSize& size) {
  const double per_chunk = arguments.count("--num-layers-per-virtual-pipeline-stage", 0);
  const double given = arguments.count("--num-virtual-stages-per-pipeline-rank", 1);
  if (per_chunk == 0)
    return given;
  const double chunks = size.layers / size.stages / per_chunk;
  if (chunks >= 1 && chunks == std::floor(chunks))
    return chunks;
  arguments.mistakes.add({.path = "--num-layers-per-virtual-pipeline-stage",
                          .message = fmt::format("{} layers do not divide the {} of a stage", exact_number(per_chunk),
                                                 format_number(size.layers / size.stages))});
  return 1;
}

/// Layers of every chunk in pipeline order where the arguments make them unequal; empty where they do not.
std::vector<double> uneven_chunks(MegatronArguments& arguments, const PipelineSize& size, double parts) {
  const double first = arguments.count("--decoder-first-pipeline-num-layers", 0);
  const double last = arguments.count("--decoder-last-pipeline-num-layers", 0);
  const double embedding = arguments.has("--account-for-embedding-in-pipeline-split") ? 1 : 0;
  const double loss = arguments.has("--account-for-loss-in-pipeline-split") ? 1 : 0;
  if (first + last + embedding + loss == 0 || size.stages < 2)
    return {};
  // Embedding and loss count as a layer each; stages of given size leave the rest to the others.
  const double others = size.stages - (first > 0 ? 1 : 0) - (last > 0 ? 1 : 0);
  const double even = (size.layers - first - last + embedding + loss) / (std::max(1.0, others) * parts);
  std::vector<double> chunks;
  bool whole = even == std::floor(even);
  for (double i = 0; i < size.stages * parts; ++i) {
    const double stage = std::fmod(i, size.stages);
    const double given = stage == 0 ? first : stage == size.stages - 1 ? last : 0;
    chunks.push_back(given > 0 ? given / parts : even);
    whole = whole && chunks.back() == std::floor(chunks.back());
  }
  chunks.front() -= embedding;
  chunks.back() -= loss;
  if (whole)
    return chunks;
  arguments.mistakes.add({.path = "--pipeline-model-parallel-size",
                          .message = fmt::format("{} layers do not divide into {} chunks as asked", exact_number(size.layers),
                                                 exact_number(size.stages * parts))});
  return {};
}

} // namespace

std::vector<PlanKey> pipeline_keys(MegatronArguments& arguments, const PipelineSize& size) {
  std::vector<PlanKey> keys;
  const double chunks = virtual_stages(arguments, size);
  const char* argument = arguments.has("--num-virtual-stages-per-pipeline-rank") ? "--num-virtual-stages-per-pipeline-rank"
                                                                                 : "--num-layers-per-virtual-pipeline-stage";
  const bool interleaved = size.stages > 1 && chunks > 1;
  if (interleaved) {
    keys.push_back({"schedule", yaml::scalar("interleaved"), argument});
    keys.push_back({"virtual_stages", yaml::scalar(exact_number(chunks)), argument});
    // Megatron overlaps messages where stages are interleaved, unless it is told not to.
    if (!arguments.has("--no-overlap-p2p-communication"))
      keys.push_back({"overlap_p2p", yaml::scalar("true"), argument});
  }
  const std::vector<double> uneven = uneven_chunks(arguments, size, interleaved ? chunks : 1);
  if (uneven.empty())
    return keys;
  yaml::Node list = yaml::sequence();
  for (const double layers : uneven)
    list.items.push_back(yaml::scalar(exact_number(layers)));
  for (const char* given : {"--decoder-last-pipeline-num-layers", "--decoder-first-pipeline-num-layers",
                            "--account-for-loss-in-pipeline-split", "--account-for-embedding-in-pipeline-split"})
    if (arguments.has(given))
      argument = given;
  keys.push_back({"stage_layers", std::move(list), argument});
  return keys;
}

std::string recompute_word(MegatronArguments& arguments, const PipelineSize& size) {
  if (arguments.has("--checkpoint-activations") || arguments.has("--activations-checkpoint-method")) {
    if (arguments.count("--activations-checkpoint-num-layers", 1) != 1)
      arguments.refuse("--activations-checkpoint-num-layers", "a scenario says recomputation of every layer by itself");
    return "full";
  }
  if (!arguments.has("--recompute-granularity"))
    return arguments.has("--recompute-activations") ? "selective" : "none";
  if (arguments.choice("--recompute-granularity", {"selective", "full"}) == "selective") {
    for (const std::string& module : arguments.all("--recompute-modules"))
      if (module != "core_attn") {
        arguments.refuse("--recompute-modules", "a scenario says recomputation of the attention core");
        break;
      }
    return "selective";
  }
  const bool blocks = arguments.choice("--recompute-method", {"uniform", "block"}) == "block";
  const double layers = arguments.count("--recompute-num-layers", 1);
  if (!blocks && layers != 1)
    arguments.refuse("--recompute-num-layers", "a scenario says recomputation of every layer by itself");
  if (blocks && layers < size.layers / size.stages)
    arguments.refuse("--recompute-num-layers", "a scenario says recomputation of all layers of a stage, not of some");
  return "full";
}

std::optional<double> dense_layers(const std::string& frequency, double layers) {
  if (frequency == "1")
    return 0;
  static const std::regex pattern(R"(\(\[0\]\*(\d{1,5})\+\[1\]\*(\d{1,5})\))");
  std::smatch counts;
  if (!std::regex_match(frequency, counts, pattern))
    return std::nullopt;
  const int dense = std::stoi(counts[1]);
  return dense + std::stoi(counts[2]) == layers ? std::optional<double>(dense) : std::nullopt;
}

} // namespace orrery
