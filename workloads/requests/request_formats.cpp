#include "workloads/requests/request_formats.hpp"

namespace orrery {

const std::vector<RequestFormat>& request_formats() {
  static const std::vector<RequestFormat> formats = [] {
    using enum TraceSyntax;
    return std::vector<RequestFormat>{
        {.name = "vidur",
         .syntax = csv,
         .time = "arrived_at",
         .input = "num_prefill_tokens",
         .output = "num_decode_tokens",
         .help = "Vidur (MLSys 2024)"},
        {.name = "splitwise",
         .syntax = csv,
         .time = "arrival_timestamp",
         .input = "prompt_size",
         .output = "token_size",
         .help = "splitwise-sim (ISCA 2024)"},
        {.name = "azure",
         .syntax = csv,
         .time = "TIMESTAMP",
         .time_unit = 0,
         .input = "ContextTokens",
         .output = "GeneratedTokens",
         .help = "Azure public dataset, LLM inference 2023 and 2024"},
        {.name = "burstgpt",
         .syntax = csv,
         .time = "Timestamp",
         .input = "Request tokens",
         .output = "Response tokens",
         .help = "BurstGPT (2024)"},
        {.name = "seconds",
         .syntax = csv,
         .time = "arrival_s",
         .input = "input_tokens",
         .output = "output_tokens",
         .help = "seconds since the start"},
        {.name = "seconds-context",
         .syntax = csv,
         .time = "arrival_s",
         .input = "context_tokens",
         .output = "generated_tokens",
         .help = "the same by APEX's names"},
        {.name = "llmservingsim-run",
         .syntax = csv,
         .time = "arrival_s",
         .input = "input_toks",
         .output = "output_toks",
         .help = "requests of a run of vLLM as LLMServingSim records them"},
        {.name = "apex",
         .syntax = json_lines,
         .time = "StartTimeOffset",
         .time_unit = 1e-9,
         .input = "ContextTokens",
         .output = "GeneratedTokens",
         .help = "APEX (2024)"},
        {.name = "mooncake",
         .syntax = json_lines,
         .time = "timestamp",
         .time_unit = 1e-3,
         .input = "input_length",
         .output = "output_length",
         .blocks = "hash_ids",
         .block_tokens = 512,
         .help = "Mooncake (FAST 2025), with hashes of prompt blocks"},
        {.name = "mooncake-slice",
         .syntax = json_lines,
         .time = "t_ms",
         .time_unit = 1e-3,
         .input = "input",
         .output = "output",
         .blocks = "hash_ids",
         .block_tokens = 512,
         .help = "the same with short keys"},
        {.name = "llmservingsim",
         .syntax = json_lines,
         .time = "arrival_time_ns",
         .time_unit = 1e-9,
         .input = "input_toks",
         .output = "output_toks",
         .blocks = "input_tok_ids",
         .block_tokens = 16,
         .tokens = true,
         .help = "LLMServingSim 2, with the tokens of prompts"},
        {.name = "sharegpt",
         .syntax = conversations,
         .block_tokens = 16,
         .help = "conversations as text (ShareGPT, LMSYS-Chat): no times; tokens by their usual length"},
    };
  }();
  return formats;
}

const std::vector<std::string>& request_format_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const RequestFormat& format : request_formats())
      all.push_back(format.name);
    return all;
  }();
  return names;
}

} // namespace orrery
