// Software as an explicit input: what a named framework release fuses, overlaps, keeps and costs the host. Catalogue:
// workloads/catalogue/software.
#pragma once

#include "hardware/description.hpp" // Precision, Provenance
#include "sim/base/units.hpp"

#include <string>
#include <vector>

namespace orrery {

enum class AttentionKernel {
  unfused, ///< scores, softmax, dropout and context as kernels of their own
  flash1,  ///< one fused kernel each way: FlashAttention
  triton,  ///< the same written in Triton (flash_attn_triton.py)
  flash,   ///< FlashAttention-2 and the kernels of its class
  flash3   ///< FlashAttention-3 and cuDNN 9: asynchronous on Hopper and later
};

/// What computes the products of several experts.
enum class ExpertKernel {
  grouped,    ///< one kernel of the vendor's library for all experts of a rank (CUTLASS, cuBLAS)
  fused_moe,  ///< the serving engines' kernel (Triton; TensorRT-LLM's in fp4); training gradients run as grouped
  per_expert, ///< one product after the other
  tuned_moe   ///< as fused_moe, but scales by block cost no more than one for each tensor (DeepGEMM, trtllm-gen; no table has them)
};

/// What sets the tiles of the fused experts' kernel where no one tuned them for the shape (workloads/expert_tiles.hpp).
enum class ExpertTiles {
  tuned,      ///< nothing: all shapes are tuned
  by_experts, ///< vLLM to 0.14: whether more tokens enter than the rank holds experts
  by_tokens   ///< vLLM 0.19: the tokens that enter
};

/// Whose matrix products run in fewer than 16 bits. Wider ones are the vendor's everywhere.
enum class NarrowProducts {
  library, ///< the vendor's library (cuBLASLt)
  serving  ///< the serving engines' own (CUTLASS, FlashInfer)
};

/// Which of an engine's own streaming kernels give each row to one block whose threads load one element at a time. Hardly half of the
/// bandwidth: few bytes are on their way at once.
enum class ScalarKernels {
  none,        ///< they load vectors, or a compiler writes them
  elementwise, ///< activations, rotations, writes to the cache
  all          ///< norms too
};

/// Whether scores never reach memory.
constexpr bool is_fused(AttentionKernel kernel) { return kernel != AttentionKernel::unfused; }

/// How tokens reach their experts.
enum class ExpertDispatch {
  all_to_all,  ///< a copy of the token for each of its experts
  deduplicated ///< one copy for each rank that holds one of its experts
};

/// Which switches of a plan the software has. A search and a published row that leaves them blank try those.
struct SoftwareAbilities {
  bool interleaved = false; ///< the interleaved schedule
  bool sequence_parallel = false;
  bool overlap_grad_reduce = false;
  bool overlap_param_gather = false;
  bool overlap_p2p = false;
};

/// What the halves of an iteration's tokens run beside each other.
enum class HalfOverlap {
  none,
  communication, ///< collectives of one half beside kernels of the other (two-batch overlap, TokenWeave)
  all            ///< kernels bound by compute, kernels bound by memory, and collectives (NanoFlow)
};

/// How tokens of attention-DP reach the ranks of their experts.
enum class ExpertExchange {
  gather,           ///< all tokens to all ranks, whose parts of the sums are reduced and scattered
  gather_quantised, ///< the same, quantised before they travel where the experts' products ask for it
  dispatch          ///< to their experts' ranks alone, and back
};

/// Engines sum up smaller buffers by kernels of their own, larger ones by the library: vLLM and SGLang (CustomAllreduce, max_size), where
/// their published rows fall back to NCCL; TensorRT-LLM's workspace is 8 MB (16 MB for two ranks; customAllReduceUtils.h).
inline constexpr double largest_own_reduce = 8 << 20; // bytes

/// What a serving engine adds: its batching, memory and host.
struct ServingTraits {
  std::string batching = "vllm-v1";             ///< a policy of workloads/batching.hpp
  int max_sequences = 0;                        ///< in a batch; 0 = the policy's own
  int max_tokens = 0;                           ///< of an iteration; 0 = the policy's own
  double memory_fraction = 0.9;                 ///< of device memory that the engine fills with weights, workspace and KV cache
  bool fraction_of_free = false;                ///< KV cache: that fraction of what weights and workspace leave instead
  int block_tokens = 16;                        ///< of the paged KV cache
  bool prefix_cache = false;                    ///< blocks of earlier prompts are found again
  int poll_iterations = 1;                      ///< decoding iterations between two looks at what waits
  int graph_sequences = 256;                    ///< the largest decoding batch of a rank that runs as one captured graph; 0 = none
  int graph_tokens = 0;                         ///< the same of iterations with prompts, attention apart
  bool works_ahead = false;                     ///< the host prepares an iteration while the one before runs
  Seconds iteration_host;                       ///< host time per iteration
  Seconds sequence_host;                        ///< and for each sequence of its batch
  Seconds request_host;                         ///< per request, before its first iteration: HTTP, hand-over
  Seconds token_host;                           ///< the same per token of its prompt: the tokenizer
  bool custom_all_reduce = false;               ///< small all-reduces inside a node by direct loads from peers
  bool fused_all_reduce_norm = false;           ///< an all-reduce adds the residual and normalises
  bool fused_rotary_cache = false;              ///< rotation and the write to the KV cache in one kernel
  bool native_cache = false;                    ///< attention multiplies a cache in 8 bits as it is kept, without widening it
  bool fused_quantisation = false;              ///< norms and activations write what the next product reads
  bool compiled_layers = false;                 ///< a compiler joins the small kernels around a layer's products
  bool joint_attention = false;                 ///< one call attends for the prompts and the decoding sequences of an iteration
  bool padded_groups = false;                   ///< every group of attention-DP runs as many tokens as the one with the most
  HalfOverlap half_overlap = HalfOverlap::none; ///< where an iteration is shorter for it
  ExpertExchange expert_exchange = ExpertExchange::gather;
  ScalarKernels scalar_kernels = ScalarKernels::none;
  bool whole_cache = false;      ///< layers with a window keep all keys and values too, not the window's alone
  int graph_steps = 0;           ///< captured batches: 1, 2, 4, multiples of 8 up to so many sequences, then powers of two;
                                 ///< a batch runs as the next larger one; 0 = every size is captured
  int own_product_rows = 0;      ///< up to so many rows the engine's own kernels multiply weights as they are kept with FP32
                                 ///< activations; above, both are converted for the vendor's library; 0 = no such kernels
  bool half_sums = false;        ///< products in half precision sum in half precision
  bool host_embedding = false;   ///< the embedding table stays in host memory
  bool pipelined_chunks = false; ///< pieces of one prompt follow one another through the pipeline stages

  /// Host time of a request before its first iteration.
  [[nodiscard]] Seconds before_first(double prompt_tokens) const { return request_host + prompt_tokens * token_host; }
};

struct SoftwareProfile {
  std::string name;
  SoftwareAbilities abilities;
  ServingTraits serving;
  AttentionKernel attention = AttentionKernel::flash;
  ExpertKernel experts = ExpertKernel::grouped;
  ExpertTiles expert_tiles = ExpertTiles::tuned;
  NarrowProducts narrow_products = NarrowProducts::library;
  bool hidden_dropout = false;
  bool attention_dropout = false;
  bool fused_softmax = true;            ///< scale, mask and softmax in one kernel (unfused attention)
  bool fused_bias_activation = true;    ///< bias, activation / bias, dropout, residual as one kernel each
  bool fused_projections = true;        ///< queries, keys and values, and gate and up-projection, as one product each
  bool fused_norms = true;              ///< RMS norms and rotary embeddings as one kernel each way, not as elementary operators in fp32
  bool fused_grad_accumulation = false; ///< weight-gradient products add to the accumulation buffer themselves
  bool copy_wide_gradients = false;     ///< gradients are copied to the precision of the accumulation buffer, then the copies are added
  bool fused_loss = false;              ///< cross-entropy in one pass over the logits each way
  bool fused_casts = true;              ///< what makes the input of a low-precision product casts it too; else norms alone do
  int logged_losses = 0;                ///< plain cross-entropies of each micro-batch that are logged, not trained on
  ExpertDispatch expert_dispatch = ExpertDispatch::all_to_all;
  bool grouped_experts = false;         ///< one kernel for the products of all experts of a rank, not one for each
  bool fused_routing = false;           ///< choice of experts, and permutation of tokens, as one kernel each
  bool overlap_shared_experts = false;  ///< shared experts compute while tokens travel; serving: beside the routed ones
  bool overlap_expert_dispatch = false; ///< tokens travel beside the rest of a pass of another micro-batch
  bool overlap_tp_forward = false;      ///< TP collectives run piecewise beside the matmul that they feed or follow (asynchronous TP)
  bool overlap_tp_backward = false;     ///< input-gradient collectives of TP run beside the weight-gradient matmuls
  bool keep_gathered_inputs = false;    ///< inputs of column-parallel layers are kept gathered, not gathered again in the backward pass
  bool recast_inputs = false;           ///< low-precision recipes keep inputs as they were and cast them again for weight gradients
  bool recompute_early_stop = false;    ///< recomputation ends with the last that a backward pass reads, not with the output of the layer
  bool blockwise_context = false; ///< context parallelism attends part by part, for repeated heads of keys, and merges the parts in fp32
  bool stacked_layers = false;    ///< layers are rounds of one loop: what is kept is copied into stacked buffers and out again
  bool gather_per_tensor = false; ///< ZeRO-3 gathers and scatters each tensor by itself instead of a layer at a time
  bool gather_as_list = false;    ///< ZeRO-3 collectives exchange a list of tensors, one per rank, each copied by a kernel of its own
  bool gather_blocking = false;   ///< the host waits around each ZeRO-3 collective: nothing hides it; parameters are freed after each use
  bool copy_gathered = false;     ///< gathered parameters are copied out of the communication buffer (FSDP2)
  bool copy_scattered = false;    ///< gradients are copied into a communication buffer in the reduction's precision
  bool copy_attention_gradients = false; ///< gradients of queries, keys and values are copied side by side for their fused projection
  bool sum_bias_gradients = false;       ///< gradients of biases are summed by kernels of their own
  bool autocast = false; ///< parameters stay and travel in fp32 and each product casts its own; what residuals add to is in fp32
  bool copy_sequence_shards =
      false;                      ///< collectives along the sequence run on buffers whose first axis is the rank: a copy puts them in order
  bool scatter_gather_p2p = true; ///< a TP rank sends its share of a pipeline message and gathers on the other side
  bool scatter_gather_backward = true;
  Precision gradient = Precision::fp32;  ///< accumulation buffer
  Precision reduction = Precision::fp32; ///< gradients on the wire
  Seconds kernel_launch;                 ///< host time per kernel
  Seconds message_host;                  ///< host time of a pipeline message: posting it, waiting for it, going on
  Seconds step_host;                     ///< per step, hidden by nothing
  bool launch_blocking = false;          ///< the host waits for each kernel: its time adds to the device's
  Bytes framework_memory;                ///< device context, libraries, communicator buffers
  double fragmentation = 0.0;            ///< allocator slack as a share of dynamic memory
  std::vector<Provenance> sources;
};

} // namespace orrery
