// Generations of fused attention kernels.
//
// What: the curve of one generation from that of another, and what the measured kernels are.
//
// Formula: rate x speed(wanted) / speed(measured); the backward rate over the forward one is the generation's own. A generation newer than
// the measured one is no faster: FlashAttention-3 needs Hopper's asynchronous instructions and runs as FlashAttention-2 elsewhere.
//
// Source: the published kernel figures. FlashAttention-2 (arXiv 2307.08691) on A100: 50 to 73% of the peak against 25 to 40% for
// FlashAttention, forward and backward together; forward up to 73%, backward up to 63%; FlashAttention 30 to 50% forward, 25 to 35%
// backward; 1.7 to 3.0 times FlashAttention and 1.3 to 2.5 times its Triton version, which the middles make 1.24 times FlashAttention
// (section 4.1, from memory). FlashAttention-3 (arXiv 2407.08608) on H100: 1.5 to 2.0 times FlashAttention-2 forward, 1.5 to 1.75 times
// backward. Middles of these ranges throughout: backward over forward 30 / 40, 63 / 73, and 63 / 73 x 1.625 / 1.75; FlashAttention's
// forward speed is the one with which 2.5 times the FLOPs backward make 32.5% against 61.5% together.
//
// Valid: training shapes; the ranges are over head widths 64 and 128 and sequences of 512 to 16384.
//
// Known error: half of the ranges, about 15%. No backward kernel is in the tables of this project.
#pragma once

#include "models/kernel_curves.hpp"

#include <string_view>

namespace orrery {

/// Forward FLOP rate against FlashAttention-2 on the same device.
constexpr double forward_speed(AttentionKernel kernel) {
  switch (kernel) {
  case AttentionKernel::flash1:
    return 0.59;
  case AttentionKernel::triton:
    return 0.59 * 2.35 / 1.9;
  case AttentionKernel::flash3:
    return 1.75;
  case AttentionKernel::unfused:
  case AttentionKernel::flash:
    break;
  }
  return 1;
}

/// Backward over forward FLOP rate.
constexpr double backward_over_forward(AttentionKernel kernel) {
  const bool first = kernel == AttentionKernel::flash1 || kernel == AttentionKernel::triton;
  return first ? 0.75 : kernel == AttentionKernel::flash3 ? 0.80 : 0.86;
}

/// Of the kernels that the tables name. FlashInfer's and TensorRT-LLM's are asynchronous where the device is.
constexpr AttentionKernel generation_of(std::string_view kernel, std::string_view architecture) {
  const bool asynchronous = kernel == "flash_attn_3" || kernel == "flashinfer" || kernel == "trtllm_mla";
  return asynchronous && architecture != "ampere" ? AttentionKernel::flash3 : AttentionKernel::flash;
}

/// Whether FlashAttention-2 is what `architecture` has. It packs the heads that share keys into one block where every sequence of a call
/// has one query (flash_api.cpp, seqlenq_ngroups_swapped); beside prompts each head reads the keys for itself, from the last-level cache
/// where that holds them. Later ones always pack.
constexpr bool packs_single_queries_alone(std::string_view architecture) {
  return architecture.starts_with("ampere") || architecture == "ada" || architecture == "blackwell-consumer";
}

/// The curve of `wanted` kernels where `measured` was fitted.
constexpr AttentionCurve of_generation(AttentionCurve measured, AttentionKernel wanted) {
  if (forward_speed(wanted) >= forward_speed(measured.kernel) || !is_fused(wanted))
    return measured;
  measured.rate *= forward_speed(wanted) / forward_speed(measured.kernel);
  measured.backward_rate = backward_over_forward(wanted);
  measured.kernel = wanted;
  measured.assumed = true;
  return measured;
}

} // namespace orrery
