#include "scenarios/published/serving_rows.hpp"

#include <array>

namespace orrery {

namespace {

/// A prompt length that the publisher's benchmark implies where the row gives none: part of the source or of the notes, mean length. Those
/// of ML.ENERGY's tasks are assumed (questions of a chat and of GPQA are short, completions come with a file's context); those of MLPerf
/// are the means that MLCommons published with Llama-3.1-405B, DeepSeek-R1 and Llama-3.1-8B, with the samples of the data set and its
/// longest prompts and answers; those of OpenOrca, and of its mixture with short problems, are assumed.
struct PromptRule {
  std::string_view source;
  std::string_view notes;
  int tokens = 0;
  std::string_view model = {}; ///< MLPerf measures it with this data set, which notes need not name
  int samples = 1000;
  int longest = 1 << 20;
  bool guess = false; ///< near enough for a throughput; latencies at a rate near capacity would follow the guess
};
constexpr std::array prompt_rules = {PromptRule{"lm-arena-chat", "", 128},
                                     PromptRule{"task gpqa", "", 256},
                                     PromptRule{"sourcegraph-fim", "", 1024},
                                     PromptRule{"MLPerf", "LongBench+RULER+GovReport", 9400, "405b", 8313, 20'000},
                                     PromptRule{"MLPerf", "DeepSeek-R1 reasoning set", 800, "deepseek-r1", 4388, 20'000},
                                     PromptRule{"MLPerf", "OpenOrca+GSM8K", 200, "mixtral-8x7b", 15'000, 2048, true},
                                     PromptRule{"MLPerf", "OpenOrca", 300, "2-70b", 24'576, 1024, true},
                                     PromptRule{"MLPerf", "CNN/DailyMail", 778, "8b", 13'368, 2540}};

PromptRule rule_of(const Cells& row) {
  const bool named = row.contains("notes", "dataset");
  for (const PromptRule& rule : prompt_rules) {
    const bool fits = named || rule.model.empty() ? row.contains("notes", rule.notes) : row.mentions("model", rule.model);
    if (fits && row.contains("source", rule.source))
      return rule;
  }
  return {};
}

/// Mean prompt length; 0 = unknown. Decoding of one batch whose prompt is not stated starts from an empty context.
double prompt_length(const Cells& row, ServingKind kind) {
  if (row.given("input_len"))
    return std::max(1.0, row.number("input_len"));
  const bool decoding = kind == ServingKind::batch && row.given("tpot_ms_mean") && !row.given("ttft_ms_mean") && !row.given("e2e_ms_mean");
  const PromptRule rule = rule_of(row);
  return decoding ? 1 : rule.guess && kind == ServingKind::rate ? 0 : rule.tokens;
}

LengthLaw fixed(double tokens) { return FixedLength{static_cast<std::uint32_t>(std::lround(std::max(1.0, tokens)))}; }

/// Lengths of a data set of which only the mean is known: lognormal with the spread of ShareGPT's, clipped at eight means or the longest.
LengthLaw spread(double mean, double longest = 1 << 20) {
  constexpr double sigma = 0.9; // ShareGPT's prompts and answers in a published run of 300: standard deviation near the mean
  const auto most = static_cast<std::uint32_t>(std::lround(std::min(longest, std::max(2.0, 8 * mean))));
  return LognormalLength{.median = mean / std::exp(sigma * sigma / 2), .sigma = sigma, .min = 1, .max = most};
}

/// InferenceMAX draws lengths evenly between 80 and 100% of the nominal one.
LengthLaw drawn(double tokens) {
  const auto most = static_cast<std::uint32_t>(std::lround(tokens));
  return UniformLength{.min = static_cast<std::uint32_t>(std::lround(0.8 * tokens)), .max = most};
}

bool closed_loop(const Cells& row, ServingRow& out, double input) {
  const int held = row.count("batch") * std::max(1, row.count("dp", 1));
  int concurrency = row.count("concurrency", held); // blank: those of the full batch
  // AIConfigurator's batch is that of one attention group: fewer sequences than users say that the users were shared by copies of the
  // deployment.
  if (row.contains("source", "aiconfigurator") && held > 0)
    concurrency = std::min(concurrency, held);
  if (concurrency < 1) {
    out.refusal = "concurrency is not stated";
    return false;
  }
  const bool draws = is_inference_max(row);
  const bool data_set = out.kind == ServingKind::steady;
  out.traffic.arrivals = ClosedLoop{concurrency};
  const auto law = [&](double mean) { return data_set ? spread(mean) : draws ? drawn(mean) : fixed(mean); };
  out.traffic.input = law(input);
  out.traffic.output = law(row.number("output_len"));
  constexpr int rounds = 10; // requests per user of the published benchmarks
  out.traffic.requests = static_cast<std::uint32_t>(concurrency * (data_set ? 4 : rounds));
  return true;
}

/// vLLM's nightly tests (.buildkite/nightly-benchmarks, tests sonnet_512_16 and sonnet_512_256; from memory), which TensorRT-LLM's
/// documentation took over with their rates and 500 requests: lines of sonnets, 467 tokens without a chat's template, and answers cut at
/// 16 or 256 tokens. Their third data set is ShareGPT.
bool is_sonnet(double input, double output) { return input == 467 && (output == 16 || output == 256); }

void at_once(const Cells& row, ServingRow& out, double input) {
  const double output = row.number("output_len");
  const bool means = row.contains("notes", "dataset mean") && !is_sonnet(input, output);
  const bool data_set = row.contains("notes", "ShareGPT") || means || row.contains("source", "MLPerf");
  const PromptRule rule = rule_of(row);
  out.traffic.arrivals = AtOnce{};
  out.traffic.input = data_set ? spread(input, rule.longest) : fixed(input);
  out.traffic.output = data_set ? spread(output, rule.longest) : fixed(output);
  out.traffic.requests = static_cast<std::uint32_t>(row.count("num_requests", out.kind == ServingKind::offline ? rule.samples : 1000));
  // Fewer users than requests: each sends its next one when it has the last one's answer.
  if (const int users = row.count("concurrency"); out.kind == ServingKind::burst && users > 0 && users < row.count("num_requests"))
    out.traffic.arrivals = ClosedLoop{users};
}

/// LoadGen runs a server for ten minutes at least (mlperf.conf of MLPerf Inference).
bool open_arrivals(const Cells& row, ServingRow& out) {
  constexpr double shortest = 600; // s
  const double rate = row.number("request_rate");
  if (rate <= 0) {
    out.refusal = "the rate of requests is not stated";
    return false;
  }
  out.traffic.arrivals = PoissonArrivals{Hertz{rate}};
  if (row.contains("source", "MLPerf") && !row.given("num_requests"))
    out.traffic.requests = static_cast<std::uint32_t>(std::clamp(shortest * rate, 1000.0, 1e6));
  return true;
}

/// One batch to its end: prefill alone where the row has no output, decoding from an empty context where it has no input.
void one_batch(const Cells& row, ServingRow& out, double input) {
  const int batch = std::max(1, row.count("batch", 1));
  out.traffic.arrivals = AtOnce{};
  out.traffic.input = fixed(input);
  out.traffic.output = fixed(row.number("output_len"));
  out.traffic.requests = static_cast<std::uint32_t>(batch);
  out.software.serving.max_sequences = batch;
  out.software.serving.max_tokens = std::max(out.software.serving.max_tokens, 1 << 20);
  if (out.software.name.starts_with("llama.cpp"))
    out.software.serving.max_tokens = 512; // ubatch
  out.software.serving.request_host = out.software.serving.token_host = Seconds{};
}

} // namespace

bool find_serving_traffic(const Cells& row, ServingRow& out) {
  if (row.contains("notes", "beam ")) {
    out.refusal = "search over several beams is not modelled";
    return false;
  }
  const double input = prompt_length(row, out.kind);
  if (input <= 0) {
    out.refusal = "prompt lengths are not stated";
    return false;
  }
  // An engine that does not cut prompts is built for the longest one; where the row says that an iteration holds less, it cuts them.
  if (ServingTraits& engine = out.software.serving; engine.batching == "tensorrt-llm" && engine.max_tokens > 0 && engine.max_tokens < input)
    engine.batching = "tensorrt-llm-chunked";
  else if (engine.batching == "tensorrt-llm" && input > 8192)
    engine.max_tokens = std::max(engine.max_tokens, static_cast<int>(input));
  if (out.kind != ServingKind::batch && out.kind != ServingKind::decode && !row.given("output_len")) {
    out.refusal = "output lengths are not stated";
    return false;
  }
  switch (out.kind) {
  case ServingKind::concurrency:
  case ServingKind::disaggregated:
  case ServingKind::steady:
    return closed_loop(row, out, input);
  case ServingKind::offline:
  case ServingKind::burst:
    at_once(row, out, input);
    return true;
  case ServingKind::rate:
    at_once(row, out, input);
    return row.text("request_rate") == "inf" || open_arrivals(row, out);
  case ServingKind::batch:
    one_batch(row, out, input);
    return true;
  case ServingKind::decode:
    out.traffic.input = fixed(input);
    out.traffic.requests = static_cast<std::uint32_t>(row.count("batch") * row.count("dp", 1));
    return true;
  }
  return false;
}

} // namespace orrery
