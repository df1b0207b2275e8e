#include "models/iteration_model.hpp"
#include "scenarios/data_files.hpp"
#include "scenarios/published/row_names.hpp"
#include "scenarios/published/serving_rows.hpp"
#include "scenarios/scenario.hpp" // supports

#include <algorithm>
#include <cmath>

namespace orrery {

namespace {

/// What a row without a version says of its time: year x 12 + month, 0 = nothing.
int measured_month(const Cells& row) {
  const auto year = first_number(row.text("notes"), R"(measured (\d+)-\d+)");
  const auto month = first_number(row.text("notes"), R"(measured \d+-(\d+))");
  return year && month ? static_cast<int>(12 * *year + *month) : 0;
}

NamedEngine engine_of(const Cells& row, bool latent) {
  return published_engine(row.text("engine"), row.text("engine_version"), measured_month(row), latent);
}

/// AMD's submissions to MLPerf Inference run vLLM with weights, activations and KV cache in FP8 (Quark) and let it serve more sequences
/// than by default: 2,048 offline, 768 with a server (AMD, "Engineering Insights: Unveiling MLPerf Results on AMD Instinct MI300X
/// Accelerators", August 2024, from memory).
bool is_mlperf_vllm(const Cells& row) { return row.contains("kind", "mlperf") && row.contains("engine", "vLLM"); }

/// DeepSeek-V3 and its kin, and MiniMax-M2: FP8 files with a scale for each block, NVFP4 files of the experts alone.
bool published_by_blocks(const TransformerModel& model) { return model.latent.kv_rank > 0 || model.name == "minimax-m2"; }

/// The format that the row names, or that its model is published in: DeepSeek-V3 and its kin, and Qwen's own FP8 files, have a scale for
/// each block; gpt-oss has MXFP4 experts whatever the row calls them; integers beside activations in half precision are widened.
const WeightFormat* stated_format(const Cells& row, const TransformerModel& model) {
  const std::string& word = row.text("w_prec");
  if (model.name.starts_with("gpt-oss"))
    return find_weight_format("mxfp4");
  const WeightFormat* const format = !word.empty()         ? published_format(word)
                                     : is_mlperf_vllm(row) ? find_weight_format("fp8")
                                                           : format_of_files(model, row.text("model"));
  if (format == nullptr)
    return nullptr;
  const bool blocks =
      published_by_blocks(model) || row.contains("notes", "fp8_block") || (row.contains("model", "Qwen") && row.contains("model", "FP8"));
  if (format->name == "fp8" && blocks)
    return find_weight_format("fp8_block");
  const bool wide = row.contains("a_prec", "16") && !row.contains("a_prec", "8");
  return format->name == "int8" && wide ? find_weight_format("w8a16") : format;
}

/// KV caches that the row does not state: the 8-bit checkpoints of TensorRT-LLM carry their scales, and the published recipes of the other
/// engines ask for FP8 beside narrow weights on Blackwell.
Precision kv_precision(const Cells& row, const ServingRow& out) {
  const std::string word = lower_case(row.text("kv_prec"));
  if (word.starts_with("fp8"))
    return Precision::fp8;
  if (word.starts_with("int8"))
    return Precision::int8;
  if (!word.empty() || out.job.weights.operand == out.job.precision)
    return out.job.precision;
  const bool engine = is_mlperf_vllm(row) || engine_of(row, false).family == EngineFamily::tensorrt_llm ||
                      out.cluster.node.device.architecture == "blackwell";
  return engine ? Precision::fp8 : out.job.precision;
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
  if (is_mlperf_vllm(row))
    engine.max_sequences = row.contains("kind", "offline") ? 2048 : 768;
  if (row.contains("kind", "mlperf") && row.given("batch"))
    engine.max_sequences = row.count("batch");
}

/// Limits of engines that trtllm-bench built for the lengths of its requests: as many sequences as the cache holds from first token to
/// last, and the tokens that so many take in an iteration when prompts come as fast as answers end (tensorrt_llm/bench/build/tuning.py of
/// 0.17, from memory).
void tune_limits(const Cells& row, ServingRow& out) {
  constexpr double most_sequences = 4096;
  constexpr double most_tokens = 8192;
  constexpr double step = 64;
  const double input = row.number("input_len");
  const double output = row.number("output_len");
  const TransformerModel& model = out.job.model;
  if (!row.contains("notes", "auto-tuned from dataset") || input <= 0 || output <= 0)
    return;
  ServingTraits& engine = out.software.serving;
  const double memory = out.cluster.node.device.memory.front().capacity.si() * row.count("tp", 1) * row.count("pp", 1);
  const double weight = out.job.weights.weight_bytes > 0 ? out.job.weights.weight_bytes : element_bytes(out.job.precision);
  const double token = 2.0 * model.layers * model.kv_heads * model.head_dim * element_bytes(out.job.kv);
  const double held = (memory - model.parameters() * weight) * engine.memory_fraction / (token * (input + output));
  const double sequences = std::clamp(std::ceil(held), 1.0, most_sequences);
  engine.max_sequences = static_cast<int>(sequences);
  engine.max_tokens = static_cast<int>(std::min(most_tokens, step * std::ceil(sequences * (1 + input / output) / step)));
}

} // namespace

bool find_serving_model(const Cells& row, ServingRow& out) {
  NamedModel named = published_model(out.model);
  if (!named.model) {
    out.refusal = named.refusal;
    return false;
  }
  out.job.model = std::move(*named.model);
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
  if (out.job.model.experts.count > 0 && (format->name == "w4a16" || (format->name == "nvfp4" && published_by_blocks(out.job.model))))
    out.job.weights.experts_only = true;
  out.job.kv = kv_precision(row, out);
  return true;
}

void find_serving_engine(const Cells& row, ServingRow& out) {
  const NamedEngine engine = engine_of(row, out.job.model.latent.kv_rank > 0);
  out.software = load_software(std::string(engine.profile));
  out.stand_in = engine.stand_in;
  set_limits(row, out);
  tune_limits(row, out);
}

} // namespace orrery
