#include "workloads/serving_job.hpp"

#include <algorithm>

namespace orrery {

// Bytes per element: 4-bit integers with an FP16 scale for each 128 (GPTQ, AWQ, MARLIN), MXFP4 with an 8-bit scale for each 32 and NVFP4
// with one for each 16 (OCP MX 1.0; NVFP4, NVIDIA), FP8 by blocks with an FP32 scale for each 128 x 128 (DeepSeek-V3, arXiv 2412.19437).
// gpt-oss publishes MXFP4 for its experts alone; units with FP4 arithmetic multiply it by MXFP8 activations without widening, at FP8's
// rate (PTX ISA, tcgen05.mma kind::mxf8f6f4; CDNA4's scaled MFMA). Where FP4 is missing the weights are widened to half precision. GGML:
// q8_0 8.5, q4_0 4.5, q4_k 4.5, q6_k 6.5625 bits; Q4_K_M keeps half of the value and down projections, and the head, in q6_k: 4.81 bits on
// average over the layers (files of Llama-3 8B and 70B: 4.92 and 42.5 GB). So does Q5_K_M with q5_k of 5.5 bits (5.65; 5.73 GB); Q4_K_S
// lifts an eighth of them to q5_k. The averages of Q2_K, Q3_K_* and the i-quants are what the sizes of published files of Llama-3 8B leave
// for its layers (3.18, 3.66, 4.02 and 4.32 GB; IQ3_M 3.78, IQ4_XS 4.45), from memory. Weights are widened in registers, or before the
// library's product.
const std::vector<WeightFormat>& weight_formats() {
  static const std::vector<WeightFormat> formats{
      {.name = "bf16"},
      {.name = "fp16", .operand = Precision::fp16},
      {.name = "fp8", .weight_bytes = 1, .operand = Precision::fp8, .casts = true},
      {.name = "fp8_block", .weight_bytes = 1 + 4.0 / (128 * 128), .operand = Precision::fp8, .casts = true},
      {.name = "int8", .weight_bytes = 1, .operand = Precision::int8, .casts = true},
      {.name = "w8a16", .weight_bytes = 1},
      {.name = "w6a16", .weight_bytes = 0.75 + 2.0 / 128},
      {.name = "w4a16", .weight_bytes = 0.5 + 2.0 / 128},
      {.name = "w4a8", .weight_bytes = 0.5 + 2.0 / 128, .operand = Precision::fp8, .casts = true},
      {.name = "mxfp4", .weight_bytes = 0.5 + 1.0 / 32, .operand = Precision::fp8, .casts = true, .mixed = true, .experts_only = true},
      {.name = "nvfp4", .weight_bytes = 0.5 + 1.0 / 16, .operand = Precision::fp4, .casts = true},
      {.name = "q8_0", .weight_bytes = 8.5 / 8, .operand = Precision::fp16, .head_bytes = 8.5 / 8, .table_bytes = 8.5 / 8},
      {.name = "q4_0", .weight_bytes = 4.5 / 8, .operand = Precision::fp16, .head_bytes = 6.5625 / 8, .table_bytes = 4.5 / 8},
      {.name = "q4_k_m", .weight_bytes = 4.81 / 8, .operand = Precision::fp16, .head_bytes = 6.5625 / 8, .table_bytes = 4.5 / 8},
      {.name = "q2_k", .weight_bytes = 2.95 / 8, .operand = Precision::fp16, .head_bytes = 6.5625 / 8, .table_bytes = 2.625 / 8},
      {.name = "q3_k_s", .weight_bytes = 3.4375 / 8, .operand = Precision::fp16, .head_bytes = 6.5625 / 8, .table_bytes = 3.4375 / 8},
      {.name = "q3_k_m", .weight_bytes = 3.86 / 8, .operand = Precision::fp16, .head_bytes = 6.5625 / 8, .table_bytes = 3.4375 / 8},
      {.name = "q3_k_l", .weight_bytes = 4.2 / 8, .operand = Precision::fp16, .head_bytes = 6.5625 / 8, .table_bytes = 3.4375 / 8},
      {.name = "iq3_m", .weight_bytes = 3.58 / 8, .operand = Precision::fp16, .head_bytes = 6.5625 / 8, .table_bytes = 3.4375 / 8},
      {.name = "iq4_xs", .weight_bytes = 4.28 / 8, .operand = Precision::fp16, .head_bytes = 6.5625 / 8, .table_bytes = 4.25 / 8},
      {.name = "q4_1", .weight_bytes = 5.0 / 8, .operand = Precision::fp16, .head_bytes = 6.5625 / 8, .table_bytes = 5.0 / 8},
      {.name = "q4_k_s", .weight_bytes = 4.54 / 8, .operand = Precision::fp16, .head_bytes = 6.5625 / 8, .table_bytes = 4.5 / 8},
      {.name = "q5_0", .weight_bytes = 5.5 / 8, .operand = Precision::fp16, .head_bytes = 6.5625 / 8, .table_bytes = 5.5 / 8},
      {.name = "q5_k_s", .weight_bytes = 5.5 / 8, .operand = Precision::fp16, .head_bytes = 6.5625 / 8, .table_bytes = 5.5 / 8},
      {.name = "q5_k_m", .weight_bytes = 5.65 / 8, .operand = Precision::fp16, .head_bytes = 6.5625 / 8, .table_bytes = 5.5 / 8},
      {.name = "q6_k", .weight_bytes = 6.5625 / 8, .operand = Precision::fp16, .head_bytes = 6.5625 / 8, .table_bytes = 6.5625 / 8},
  };
  return formats;
}

const WeightFormat* find_weight_format(std::string_view name) {
  const auto& formats = weight_formats();
  const auto found = std::ranges::find(formats, name, &WeightFormat::name);
  return found == formats.end() ? nullptr : &*found;
}

double Speculation::tokens_per_iteration() const {
  double tokens = 1;
  double kept = 1;
  for (int i = 1; i < checked(); ++i)
    tokens += kept *= acceptance;
  return tokens;
}

} // namespace orrery
