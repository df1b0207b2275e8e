#include "scenarios/published/row_cells.hpp"
#include "scenarios/published/row_names.hpp"

#include <algorithm>
#include <array>

namespace orrery {

namespace {

/// Published words for how weights are kept, plain; the first that the text holds wins. Words without a format stand for what is not
/// modelled and would be taken for a later one. GGUF's i-quants of 4 bits are close to q4_0.
struct FormatRule {
  std::string_view word;
  std::string_view format;
};
constexpr std::array format_rules = {FormatRule{"q2-k", "q2_k"},
                                     FormatRule{"q3-k-s", "q3_k_s"},
                                     FormatRule{"q3-k-l", "q3_k_l"},
                                     FormatRule{"q3-k", "q3_k_m"},
                                     FormatRule{"q4-0", "q4_0"},
                                     FormatRule{"q4-1", "q4_1"},
                                     FormatRule{"q4-k-s", "q4_k_s"},
                                     FormatRule{"q4-k", "q4_k_m"},
                                     FormatRule{"q5-0", "q5_0"},
                                     FormatRule{"q5-k-s", "q5_k_s"},
                                     FormatRule{"q5-k", "q5_k_m"},
                                     FormatRule{"q6-k", "q6_k"},
                                     FormatRule{"q8-0", "q8_0"},
                                     FormatRule{"iq3-m", "iq3_m"},
                                     FormatRule{"iq4-xs", "iq4_xs"},
                                     FormatRule{"iq4-nl", "q4_0"},
                                     FormatRule{"nvfp4", "nvfp4"},
                                     FormatRule{"mxfp4", "mxfp4"},
                                     FormatRule{"mxfp6", ""},
                                     FormatRule{"fp8-block", "fp8_block"},
                                     FormatRule{"fp8", "fp8"}, // "W8A8-FP8" and MXFP8 too
                                     FormatRule{"w4a8", "w4a8"},
                                     FormatRule{"qserve", "w4a8"},
                                     FormatRule{"qoq", "w4a8"},
                                     FormatRule{"w4a4", ""},
                                     FormatRule{"int3", ""},
                                     FormatRule{"3bit", ""},
                                     FormatRule{"2bit", ""},
                                     FormatRule{"gptq-int8", "w8a16"},
                                     FormatRule{"gptq-8", "w8a16"},
                                     FormatRule{"int8-weight", "w8a16"},
                                     FormatRule{"w8a16", "w8a16"},
                                     FormatRule{"w4a16", "w4a16"},
                                     FormatRule{"int4", "w4a16"},
                                     FormatRule{"awq", "w4a16"},
                                     FormatRule{"gptq", "w4a16"},
                                     FormatRule{"nf4", "w4a16"},
                                     FormatRule{"autoround", "w4a16"},
                                     FormatRule{"auto-round", "w4a16"},
                                     FormatRule{"hqq", "w4a16"},
                                     FormatRule{"4bit", "w4a16"},
                                     FormatRule{"4-bit", "w4a16"},
                                     FormatRule{"exl2-4", "w4a16"},
                                     FormatRule{"exl2-6", "w6a16"},
                                     FormatRule{"exl2-8", "w8a16"},
                                     FormatRule{"w6a16", "w6a16"},
                                     FormatRule{"fp6", "w6a16"},
                                     FormatRule{"8bit", "w8a16"},
                                     FormatRule{"8-bit", "w8a16"},
                                     FormatRule{"w8a8", "int8"},
                                     FormatRule{"int8", "int8"},
                                     FormatRule{"smoothquant", "int8"},
                                     FormatRule{"fp4", "nvfp4"},
                                     FormatRule{"bf16", "bf16"},
                                     FormatRule{"bfloat16", "bf16"},
                                     FormatRule{"fp16", "fp16"},
                                     FormatRule{"float16", "fp16"},
                                     FormatRule{"f16", "fp16"},
                                     FormatRule{"half", "fp16"}};

} // namespace

const WeightFormat* published_format(std::string_view words) {
  const std::string plain = plain_name(words);
  const auto* const rule =
      std::ranges::find_if(format_rules, [&](const FormatRule& each) { return plain.find(each.word) != std::string::npos; });
  return rule == format_rules.end() || rule->format.empty() ? nullptr : find_weight_format(rule->format);
}

/// DeepSeek-V3 and its kin, Kimi-K2 and MiniMax-M2 are published in FP8 with a scale for each block; Kimi-K2-Thinking and K2.5 with 4-bit
/// experts, Mistral Large 3 in plain FP8.
const WeightFormat* format_of_files(const TransformerModel& model, std::string_view name) {
  if (const WeightFormat* stated = published_format(name))
    return stated;
  const std::string plain = plain_name(name);
  if (plain.find("kimi-k2") != std::string::npos)
    return find_weight_format(plain.find("thinking") != std::string::npos || plain.find("k2.5") != std::string::npos ? "w4a16"
                                                                                                                     : "fp8_block");
  if (model.name.starts_with("mistral-large-3"))
    return find_weight_format("fp8");
  const bool blocks = model.name.starts_with("deepseek-v3") || model.name.starts_with("minimax-m2");
  return find_weight_format(blocks ? "fp8_block" : "bf16");
}

} // namespace orrery
