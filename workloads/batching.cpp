#include "workloads/batching.hpp"

namespace orrery {

// Limits are the engines' own defaults: vLLM 0.6 (max_num_seqs 256, prompts of a step up to max_model_len) and 0.8 and later (max_num_seqs
// 256, max_num_batched_tokens 8192 for offline and 2048 for online use); Sarathi-Serve (arXiv 2403.02310) budget 512; DeepSpeed-FastGen
// budget 2048; TensorRT-LLM max_batch_size 2048, max_num_tokens 8192, guaranteed no evict; SGLang chunked_prefill_size 8192; Nexus (arXiv
// 2507.06608) prompts shortest first with an aging term, whose weight is assumed: a prompt of 3,000 tokens overtakes nobody that waited for
// 20 s.
const std::vector<BatchingPolicy>& batching_policies() {
  static const std::vector<BatchingPolicy> policies{
      {.name = "static",
       .admission = Admission::when_empty,
       .prefill_alone = true,
       .reservation = Reservation::whole,
       .max_sequences = 64,
       .max_tokens = 1 << 20},
      {.name = "orca", .reservation = Reservation::whole, .max_sequences = 128, .max_tokens = 8192},
      {.name = "vllm-v0", .prefill_alone = true, .max_sequences = 256, .max_tokens = 8192},
      {.name = "vllm-v1", .chunked_prefill = true, .max_sequences = 256, .max_tokens = 8192},
      {.name = "sarathi", .chunked_prefill = true, .max_sequences = 128, .max_tokens = 512},
      {.name = "splitfuse", .chunked_prefill = true, .reservation = Reservation::whole, .max_sequences = 256, .max_tokens = 2048},
      {.name = "tensorrt-llm", .reservation = Reservation::whole, .max_sequences = 2048, .max_tokens = 8192},
      {.name = "tensorrt-llm-chunked",
       .chunked_prefill = true,
       .reservation = Reservation::whole,
       .max_sequences = 2048,
       .max_tokens = 8192},
      {.name = "sglang", .prefill_alone = true, .chunked_prefill = true, .max_sequences = 1024, .max_tokens = 8192},
      {.name = "shortest-prompt", .prefill_alone = true, .aging = 150, .max_sequences = 256, .max_tokens = 8192},
  };
  return policies;
}

} // namespace orrery
