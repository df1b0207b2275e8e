// What a catalogue file says of a software release.
#include "hardware/provenance.hpp"
#include "hardware/words.hpp"
#include "sim/base/catalogue.hpp"
#include "workloads/batching.hpp"
#include "workloads/tables.hpp"

#include <algorithm>

namespace orrery {

namespace {

void check_software(const SoftwareProfile& software, const Report& report) {
  std::vector<std::string> policies;
  for (const BatchingPolicy& policy : batching_policies())
    policies.push_back(policy.name);
  if (std::ranges::find(policies, software.serving.batching) == policies.end())
    report.error("serving.batching", shown(software.serving.batching), "a batching policy",
                 did_you_mean(software.serving.batching, policies));
  check_sources(software_table(), software_table().write(software), software.sources, report);
}

} // namespace

const Table<SoftwareProfile>& software_table() {
  using S = SoftwareProfile;
  static const Choices<NarrowProducts> narrow = {{"library", NarrowProducts::library}, {"serving", NarrowProducts::serving}};
  static const Choices<ExpertKernel> experts = {{"grouped", ExpertKernel::grouped},
                                                {"fused_moe", ExpertKernel::fused_moe},
                                                {"per_expert", ExpertKernel::per_expert},
                                                {"tuned_moe", ExpertKernel::tuned_moe}};
  static const Choices<ExpertTiles> tiles = {
      {"tuned", ExpertTiles::tuned}, {"by_experts", ExpertTiles::by_experts}, {"by_tokens", ExpertTiles::by_tokens}};
  static const Choices<AttentionKernel> attention = {{"unfused", AttentionKernel::unfused},
                                                     {"flash1", AttentionKernel::flash1},
                                                     {"triton", AttentionKernel::triton},
                                                     {"flash", AttentionKernel::flash},
                                                     {"flash3", AttentionKernel::flash3}};
  static const Choices<ExpertDispatch> dispatch = {{"all_to_all", ExpertDispatch::all_to_all},
                                                   {"deduplicated", ExpertDispatch::deduplicated}};
  static const Choices<Precision> held = {{"fp32", Precision::fp32}, {"bf16", Precision::bf16}, {"fp16", Precision::fp16}};
  const auto host_time = [](std::string help) {
    return QuantityOptions<Seconds>{.max = Seconds{1000}, .unit_hint = "us", .help = std::move(help)};
  };
  using A = SoftwareAbilities;
  static const Table<A> abilities =
      Table<A>("abilities", "Which switches of a plan the software has.")
          .flag("interleaved", &A::interleaved, {.help = "the interleaved schedule"})
          .flag("sequence_parallel", &A::sequence_parallel, {.help = "sequence parallelism"})
          .flag("overlap_grad_reduce", &A::overlap_grad_reduce, {.help = "gradients reduced beside the last backward pass"})
          .flag("overlap_param_gather", &A::overlap_param_gather, {.help = "parameters gathered beside the forward pass"})
          .flag("overlap_p2p", &A::overlap_p2p, {.help = "pipeline messages beside the passes"});
  using E = ServingTraits;
  static const Choices<ExpertExchange> exchanges = {
      {"gather", ExpertExchange::gather}, {"gather_quantised", ExpertExchange::gather_quantised}, {"dispatch", ExpertExchange::dispatch}};
  static const Choices<HalfOverlap> halves = {
      {"none", HalfOverlap::none}, {"communication", HalfOverlap::communication}, {"all", HalfOverlap::all}};
  static const Choices<ScalarKernels> scalar = {
      {"none", ScalarKernels::none}, {"elementwise", ScalarKernels::elementwise}, {"all", ScalarKernels::all}};
  static const Table<E> serving =
      Table<E>("serving", "Batching, memory and host of a serving engine.")
          .text("batching", &E::batching, {.help = "batching policy"})
          .count("max_sequences", &E::max_sequences, {.max = 1'000'000, .help = "sequences in a batch; 0 = the policy's own limit"})
          .count("max_tokens", &E::max_tokens, {.max = 100'000'000, .help = "tokens of an iteration; 0 = the policy's own limit"})
          .number("memory_fraction", &E::memory_fraction, {.above = 0, .max = 1, .help = "of device memory that the engine fills"})
          .flag("fraction_of_free", &E::fraction_of_free, {.help = "the fraction is of what weights and workspace leave"})
          .count("block_tokens", &E::block_tokens, {.min = 1, .max = 1'000'000, .help = "tokens of a block of the KV cache"})
          .flag("prefix_cache", &E::prefix_cache, {.help = "blocks of earlier prompts are found again"})
          .count("poll_iterations", &E::poll_iterations,
                 {.min = 1, .max = 10'000, .help = "decoding iterations between two looks at what waits"})
          .count("graph_sequences", &E::graph_sequences,
                 {.max = 1'000'000, .help = "largest decoding batch of a rank that runs as one captured graph; 0 = none"})
          .count("graph_tokens", &E::graph_tokens,
                 {.max = 100'000'000, .help = "the same of iterations with prompts, in tokens, attention apart; 0 = none"})
          .flag("works_ahead", &E::works_ahead, {.help = "the host prepares an iteration while the one before runs"})
          .quantity("iteration_host", &E::iteration_host, host_time("host time per iteration"))
          .quantity("sequence_host", &E::sequence_host, host_time("host time per iteration and sequence of its batch"))
          .quantity("request_host", &E::request_host, host_time("host time per request before its first iteration"))
          .quantity("token_host", &E::token_host, host_time("the same per token of its prompt"))
          .flag("custom_all_reduce", &E::custom_all_reduce, {.help = "small all-reduces inside a node by direct loads from peers"})
          .flag("fused_all_reduce_norm", &E::fused_all_reduce_norm, {.help = "an all-reduce adds the residual and normalises"})
          .choice("scalar_kernels", &E::scalar_kernels, scalar,
                  {.help = "which of the engine's own streaming kernels load one element a thread"})
          .flag("fused_rotary_cache", &E::fused_rotary_cache, {.help = "rotation and the write to the KV cache in one kernel"})
          .flag("native_cache", &E::native_cache, {.help = "attention multiplies a cache in 8 bits as it is kept"})
          .flag("fused_quantisation", &E::fused_quantisation, {.help = "norms and activations write what the next product reads"})
          .flag("compiled_layers", &E::compiled_layers, {.help = "a compiler joins the small kernels around a layer's products"})
          .flag("joint_attention", &E::joint_attention,
                {.help = "one call attends for the prompts and the decoding sequences of an iteration"})
          .flag("padded_groups", &E::padded_groups, {.help = "every group of attention-DP runs as many tokens as the one with the most"})
          .choice("half_overlap", &E::half_overlap, halves,
                  {.help = "what two halves of an iteration's tokens run beside each other, where that is faster"})
          .choice("expert_exchange", &E::expert_exchange, exchanges,
                  {.help = "how tokens of attention-DP reach the ranks of their experts"})
          .flag("whole_cache", &E::whole_cache, {.help = "layers with a window keep all keys and values, not the window's alone"})
          .count(
              "graph_steps", &E::graph_steps,
              {.max = 1'000'000,
               .help =
                   "captured batches are 1, 2, 4, multiples of 8 up to here, then powers of two, and smaller ones run padded; 0 = all are"})
          .count("own_product_rows", &E::own_product_rows,
                 {.max = 1'000'000,
                  .help =
                      "up to so many rows the engine's own kernels multiply weights as they are kept with FP32 activations; above, both "
                      "are converted for the vendor's library; 0 = no such kernels"})
          .flag("half_sums", &E::half_sums, {.help = "products in half precision sum in half precision"})
          .flag("host_embedding", &E::host_embedding, {.help = "the embedding table stays in host memory"})
          .flag("pipelined_chunks", &E::pipelined_chunks, {.help = "pieces of one prompt follow one another through the pipeline stages"});
  static const Table<S> table =
      Table<S>("software", "What a framework release fuses, overlaps, keeps and costs the host.")
          .text("name", &S::name, {.required = true, .help = "name in reports"})
          .object("abilities", &S::abilities, abilities, {.help = "switches of a plan that it has"})
          .object("serving", &S::serving, serving, {.help = "what a serving engine adds"})
          .choice("attention", &S::attention, attention,
                  {.help = "kernels of their own, or one fused kernel each way: FlashAttention, the same in Triton, FlashAttention-2, "
                           "FlashAttention-3 or cuDNN 9"})
          .choice("experts", &S::experts, experts,
                  {.help = "one library kernel, the serving engines' kernel, or one product after the other"})
          .choice("expert_tiles", &S::expert_tiles, tiles,
                  {.help = "what sets the tiles of the serving engines' kernel where experts are not split and so not tuned for"})
          .choice("narrow_products", &S::narrow_products, narrow, {.help = "whose products run in fewer than 16 bits"})
          .flag("hidden_dropout", &S::hidden_dropout, {.help = "dropout after attention, feed-forward network and embedding"})
          .flag("attention_dropout", &S::attention_dropout, {.help = "dropout on the attention scores"})
          .flag("fused_softmax", &S::fused_softmax, {.help = "scale, mask and softmax in one kernel (unfused attention)"})
          .flag("fused_bias_activation", &S::fused_bias_activation,
                {.help = "bias and activation, and bias, dropout and residual, as one kernel each"})
          .flag("fused_projections", &S::fused_projections,
                {.help = "queries, keys and values, and gate and up-projection, as one product each"})
          .flag("fused_norms", &S::fused_norms,
                {.help = "RMS norms and rotary embeddings as one kernel each way, not as elementary operators in fp32"})
          .flag("fused_grad_accumulation", &S::fused_grad_accumulation,
                {.help = "weight-gradient products add to the accumulation buffer themselves"})
          .flag("copy_wide_gradients", &S::copy_wide_gradients,
                {.help = "gradients are copied to the precision of the accumulation buffer, then the copies are added"})
          .flag("fused_loss", &S::fused_loss, {.help = "cross-entropy in one pass over the logits each way"})
          .flag("fused_casts", &S::fused_casts,
                {.help =
                     "what makes the input of a low-precision product casts it too, where no maximum is needed first; else norms alone do"})
          .count("logged_losses", &S::logged_losses,
                 {.max = 100, .help = "plain cross-entropies of each micro-batch that are logged, not trained on"})
          .choice("expert_dispatch", &S::expert_dispatch, dispatch,
                  {.help = "a copy of a token for each of its experts, or for each rank that holds one of them"})
          .flag("grouped_experts", &S::grouped_experts, {.help = "one kernel for the products of all experts of a rank"})
          .flag("fused_routing", &S::fused_routing, {.help = "choice of experts, and permutation of tokens, as one kernel each"})
          .flag("overlap_shared_experts", &S::overlap_shared_experts,
                {.help = "shared experts compute while tokens travel; serving: beside the routed"})
          .flag("overlap_expert_dispatch", &S::overlap_expert_dispatch,
                {.help = "tokens travel beside the rest of a pass of another micro-batch"})
          .flag("overlap_tp_forward", &S::overlap_tp_forward,
                {.help = "tensor-parallel collectives run piecewise beside the matmul that they feed or follow"})
          .flag("overlap_tp_backward", &S::overlap_tp_backward,
                {.help = "input-gradient collectives run beside the weight-gradient matmuls"})
          .flag("keep_gathered_inputs", &S::keep_gathered_inputs,
                {.help = "inputs of column-parallel layers are kept gathered, not gathered again in the backward pass"})
          .flag("recast_inputs", &S::recast_inputs,
                {.help = "low-precision recipes keep inputs as they were and cast them again for weight gradients"})
          .flag("recompute_early_stop", &S::recompute_early_stop,
                {.help = "recomputation ends with the last that a backward pass reads, not with the output of the layer"})
          .flag("blockwise_context", &S::blockwise_context,
                {.help = "context parallelism attends part by part, for repeated heads of keys, and merges the parts in fp32"})
          .flag("stacked_layers", &S::stacked_layers,
                {.help = "layers are rounds of one loop: what is kept is copied into stacked buffers and out again"})
          .flag("gather_per_tensor", &S::gather_per_tensor,
                {.help = "ZeRO-3 gathers and scatters each tensor by itself instead of a layer at a time"})
          .flag("gather_as_list", &S::gather_as_list,
                {.help = "ZeRO-3 collectives exchange a list of tensors, one per rank, each copied by a kernel of its own"})
          .flag("gather_blocking", &S::gather_blocking,
                {.help = "the host waits around each ZeRO-3 collective, and frees parameters after each use"})
          .flag("copy_gathered", &S::copy_gathered, {.help = "ZeRO-3: gathered parameters are copied out of the communication buffer"})
          .flag("copy_scattered", &S::copy_scattered,
                {.help = "ZeRO-2 and 3: gradients are copied into a communication buffer in the reduction's precision"})
          .flag("copy_attention_gradients", &S::copy_attention_gradients,
                {.help = "gradients of queries, keys and values are copied side by side for their fused projection"})
          .flag("sum_bias_gradients", &S::sum_bias_gradients, {.help = "gradients of biases are summed by kernels of their own"})
          .flag("autocast", &S::autocast,
                {.help = "parameters stay and travel in fp32 and each product casts its own; what residuals add to is in fp32"})
          .flag("copy_sequence_shards", &S::copy_sequence_shards,
                {.help = "tensor-parallel ranks put the shards of each sequence in order by a copy, after gathers and before scatters"})
          .flag("scatter_gather_p2p", &S::scatter_gather_p2p,
                {.help = "a tensor-parallel rank sends its share of a forward pipeline message"})
          .flag("scatter_gather_backward", &S::scatter_gather_backward, {.help = "the same for backward messages"})
          .choice("gradient", &S::gradient, held, {.help = "precision in which gradients are accumulated"})
          .choice("reduction", &S::reduction, held, {.help = "precision of gradients on the wire"})
          .quantity("kernel_launch", &S::kernel_launch, host_time("host time per kernel"))
          .quantity("message_host", &S::message_host, host_time("host time of a pipeline message: posting it, waiting for it, going on"))
          .quantity("step_host", &S::step_host, host_time("host time per step that nothing hides"))
          .flag("launch_blocking", &S::launch_blocking, {.help = "the host waits for each kernel"})
          .quantity("framework_memory", &S::framework_memory,
                    {.max = Bytes{1e15}, .unit_hint = "GB", .help = "device context, libraries and communicator buffers"})
          .number("fragmentation", &S::fragmentation, {.max = 1, .help = "allocator slack as a share of dynamic memory"})
          .list("sources", &S::sources, provenance_table(), {.help = "where the figures come from"})
          .overlaid(override_sources)
          .check(check_software);
  return table;
}

const Catalogue& software_catalogue() {
  static const Catalogue catalogue = folder_catalogue("software profile", "workloads/catalogue/software");
  return catalogue;
}

} // namespace orrery
