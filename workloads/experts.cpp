#include "workloads/experts.hpp"

#include <algorithm>

namespace orrery {

namespace {

using List = BlockBuilder::List;

constexpr int routing_kernels = 12;    // scores, choice, map, counts, auxiliary loss, each way
constexpr int permutation_kernels = 3; // order of the rows, and their copying

double row_bytes(const BlockBuilder& b) { return b.size.hidden * b.size.element; }

/// Inner width of this rank's share of the shared experts.
double shared_width(const BlockBuilder& b) { return static_cast<double>(b.model.experts.shared_hidden) / b.plan.tp; }

bool duplicates(const BlockBuilder& b) { return b.plan.ep == 1 || b.software.expert_dispatch == ExpertDispatch::all_to_all; }

/// Share of the experts among which those of a token lie. Several groups on one rank: to be limited to some of them keeps a token from few
/// ranks, which is left out.
double reachable(const BlockBuilder& b) {
  const Experts& experts = b.model.experts;
  return b.plan.ep >= experts.groups ? static_cast<double>(experts.top_groups) / experts.groups : 1;
}

/// Rows that a token makes on the ranks of its experts.
double copies_sent(const BlockBuilder& b) {
  const Experts& experts = b.model.experts;
  if (duplicates(b))
    return experts.top_k;
  const double within = reachable(b);
  return ranks_reached(experts.count * within, experts.top_k, b.plan.ep * within);
}

/// Rows that a token makes between nodes, or between ranks where its experts are not limited to some nodes.
double crossings(const BlockBuilder& b) {
  const Experts& experts = b.model.experts;
  if (duplicates(b) || experts.groups == 1 || reachable(b) == 1)
    return copies_sent(b);
  return ranks_reached(experts.count * reachable(b), experts.top_k, experts.top_groups);
}

void permutation(const BlockBuilder& b, List& list, const char* name, double rows_read, double rows_written) {
  b.streaming(list, name, OpClass::elementwise, rows_read * row_bytes(b), rows_written * row_bytes(b),
              b.software.fused_routing ? 1 : permutation_kernels);
}

/// Where shared experts compute meanwhile, the exchange stands `beside` operators before the end of the list: in front of their first
/// product.
void all_to_all(const BlockBuilder& b, List& list, const char* name, const ExpertSizes& e, int beside) {
  if (b.plan.ep == 1)
    return;
  const bool shared = beside > 0 && b.software.overlap_shared_experts;
  const Overlap overlap = b.software.overlap_expert_dispatch ? Overlap::pass : shared ? Overlap::next : Overlap::none;
  List exchange;
  b.collective_over(exchange, name, CollectiveKind::all_to_all, Group::expert, b.plan.ep, e.travels * row_bytes(b), overlap);
  list.insert(list.end() - (shared ? beside : 0), std::move(exchange.front()));
}

void share_rows(const BlockBuilder& b, List& list, const char* name, CollectiveKind kind, const ExpertSizes& e) {
  b.collective_over(list, name, kind, Group::expert_tensor, b.plan.expert_tensor(), e.rows * row_bytes(b));
}

/// Whether rows that arrive are copied into the order of a rank's experts.
bool sorts(const BlockBuilder& b, const ExpertSizes& e) { return b.plan.ep > 1 && (e.groups > 1 || !e.duplicated); }

/// Whether rows in fewer bits are copied apart, so that each expert's are as many as its product takes (multiples of 16 or 32), and back:
/// Megatron-Core's TEGroupedMLP, quantization_padding and quantization_unpadding. A capacity is a multiple already.
bool pads(const BlockBuilder& b) { return b.low_precision(OpClass::gemm) && !b.software.grouped_experts && b.model.experts.capacity == 0; }

void padding(const BlockBuilder& b, List& list, const char* name, const ExpertSizes& e) {
  const double bytes = e.rows * row_bytes(b);
  if (pads(b))
    b.streaming(list, name, OpClass::elementwise, bytes, bytes);
}

/// Rows as they come from the other ranks.
double arriving(const BlockBuilder& b, const ExpertSizes& e) { return e.rows * copies_sent(b) / b.model.experts.top_k; }

void activation(const BlockBuilder& b, List& list, const char* name, double elements, bool backward) {
  const double gate = b.gates();
  b.streaming(list, name, OpClass::elementwise, (backward ? 1 + gate : gate) * elements * b.size.element,
              (backward ? gate : 1) * elements * b.size.element,
              b.software.fused_bias_activation ? 1
              : backward                       ? 3
                                               : 2);
}

/// Elements of all weights of one product of this rank's experts.
double weights(const ExpertSizes& e, double in, double out) { return e.groups * in * out; }

void grouped_forward(const BlockBuilder& b, List& list, const std::string& name, const ExpertSizes& e, double in, double out) {
  const double tensors = b.software.grouped_experts ? 1 : e.groups;
  if (b.low_precision(OpClass::gemm)) {
    b.cast(list, name, {.elements = e.rows * in, .tensors = tensors});
    b.cast_weights(list, name, weights(e, in, out), tensors);
  }
  b.grouped_matmul(list, name, {.groups = e.groups, .rows = e.rows, .busiest = e.largest, .n = out, .k = in});
}

void grouped_backward(const BlockBuilder& b, List& list, const std::string& name, const ExpertSizes& e, double in, double out) {
  if (b.low_precision(OpClass::gemm))
    b.cast(list, name + "_grad", {.elements = e.rows * out, .tensors = b.software.grouped_experts ? 1 : e.groups});
  b.grouped_matmul(list, name + "_dgrad", {.groups = e.groups, .rows = e.rows, .busiest = e.largest, .n = in, .k = out});
  b.grouped_matmul(list, name + "_wgrad",
                   {.groups = e.groups, .rows = e.rows, .busiest = e.largest, .n = out, .k = in, .weight_gradient = true});
  b.accumulate(list, name, weights(e, in, out));
}

/// Shared experts and the dispatch.
void dispatch(const BlockBuilder& b, List& list, const ExpertSizes& e) {
  const double width = shared_width(b);
  if (width == 0)
    return all_to_all(b, list, "dispatch", e, 0);
  b.linear(list, "shared_up", OpClass::gemm, b.size.hidden, b.gates() * width, Side::column);
  all_to_all(b, list, "dispatch", e, 1);
  activation(b, list, "shared_act", b.size.tokens * width, false);
  b.linear(list, "shared_down", OpClass::gemm, width, b.size.hidden, Side::row);
}

/// The exchange of the gradients of the outputs, and the shared experts' gradients.
void combine_backward(const BlockBuilder& b, List& list, const ExpertSizes& e) {
  const double width = shared_width(b);
  if (width == 0)
    return all_to_all(b, list, "combine_grad", e, 0);
  b.linear_backward(list, "shared_down", OpClass::gemm, width, b.size.hidden, Side::row);
  all_to_all(b, list, "combine_grad", e, 2);
  activation(b, list, "shared_act_grad", b.size.tokens * width, true);
  b.linear_backward(list, "shared_up", OpClass::gemm, b.size.hidden, b.gates() * width, Side::column);
}

} // namespace

ExpertSizes::ExpertSizes(const BlockBuilder& b)
    : tokens(b.size.shard), groups(static_cast<double>(b.model.experts.count + b.job.routing.redundant) / b.plan.ep),
      width(static_cast<double>(b.model.experts.hidden) / b.plan.expert_tensor()), duplicated(duplicates(b)) {
  const Experts& experts = b.model.experts;
  const int etp = b.plan.expert_tensor();
  RoutingLoad load{.rank = experts.capacity, .largest = experts.capacity};
  if (experts.capacity == 0)
    load = routing_load(b.job.routing, tokens * b.plan.ep * etp, experts.count, experts.top_k, b.plan.ep, experts.groups);
  routed = tokens * experts.top_k * load.rank;
  rows = routed * etp;
  largest = std::min(rows, tokens * experts.top_k * etp / groups * load.largest);
  travels = tokens * crossings(b) * (experts.capacity == 0 ? std::max(1.0, load.rank) : load.rank);
}

void experts_forward(const BlockBuilder& b, List& list) {
  const ExpertSizes e(b);
  const double experts = b.model.experts.count;
  const double scores = e.tokens * experts * fp32_bytes;
  b.norm(list, "ffn_norm");
  b.plain_matmul(list, "router", OpClass::gemm, {.m = e.tokens, .n = experts, .k = b.size.hidden});
  b.streaming(list, "routing", OpClass::softmax, 4 * scores, 3 * scores, b.software.fused_routing ? 3 : routing_kernels);
  b.collective_over(list, "expert_counts", CollectiveKind::all_gather, Group::expert, b.plan.ep, b.plan.ep * experts * fp32_bytes);
  if (e.duplicated)
    permutation(b, list, "permute", e.tokens, e.tokens * b.model.experts.top_k);
  dispatch(b, list, e);
  share_rows(b, list, "expert_gather", CollectiveKind::all_gather, e);
  if (sorts(b, e))
    permutation(b, list, "expert_sort", arriving(b, e), e.rows);
  padding(b, list, "expert_pad", e);
  grouped_forward(b, list, "expert_up", e, b.size.hidden, b.gates() * e.width);
  activation(b, list, "expert_act", e.rows * e.width, false);
  grouped_forward(b, list, "expert_down", e, e.width, b.size.hidden);
  padding(b, list, "expert_unpad", e);
  if (sorts(b, e))
    permutation(b, list, "expert_unsort", e.rows, arriving(b, e));
  share_rows(b, list, "expert_scatter", CollectiveKind::reduce_scatter, e);
  all_to_all(b, list, "combine", e, 0);
  permutation(b, list, "unpermute", e.tokens * copies_sent(b), e.tokens);
  if (shared_width(b) > 0)
    b.streaming(list, "shared_sum", OpClass::elementwise, 2 * b.shard(), b.shard());
  b.residual(list, "ffn_residual");
}

void experts_backward(const BlockBuilder& b, List& list) {
  const ExpertSizes e(b);
  const double experts = b.model.experts.count;
  const double scores = e.tokens * experts * fp32_bytes;
  b.residual_backward(list, "ffn_residual");
  permutation(b, list, "unpermute_grad", e.tokens, e.tokens * copies_sent(b));
  combine_backward(b, list, e);
  share_rows(b, list, "scatter_grad", CollectiveKind::all_gather, e);
  if (sorts(b, e))
    permutation(b, list, "unsort_grad", arriving(b, e), e.rows);
  padding(b, list, "unpad_grad", e);
  grouped_backward(b, list, "expert_down", e, e.width, b.size.hidden);
  activation(b, list, "expert_act_grad", e.rows * e.width, true);
  grouped_backward(b, list, "expert_up", e, b.size.hidden, b.gates() * e.width);
  padding(b, list, "pad_grad", e);
  if (sorts(b, e))
    permutation(b, list, "sort_grad", e.rows, arriving(b, e));
  share_rows(b, list, "gather_grad", CollectiveKind::reduce_scatter, e);
  all_to_all(b, list, "dispatch_grad", e, 0);
  permutation(b, list, "permute_grad", e.tokens * copies_sent(b), e.tokens);
  b.streaming(list, "routing_grad", OpClass::softmax, 4 * scores, 3 * scores, b.software.fused_routing ? 3 : routing_kernels);
  b.plain_matmul(list, "router_dgrad", OpClass::gemm, {.m = e.tokens, .n = b.size.hidden, .k = experts});
  b.plain_matmul(list, "router_wgrad", OpClass::gemm, {.m = experts, .n = b.size.hidden, .k = e.tokens});
  list.back().weight_gradient = true;
  b.norm_backward(list, "ffn_norm");
}

double experts_kept(const BlockBuilder& b) {
  const ExpertSizes e(b);
  const double inner = b.gates() * b.size.element + b.linear_input_bytes(); // the input of the activation, and its output
  const double shared = b.size.tokens * inner * shared_width(b);
  const double scores = 2 * e.tokens * b.model.experts.count * fp32_bytes;
  return e.rows * (b.size.hidden * b.linear_input_bytes() + inner * e.width) + shared + scores;
}

double experts_working_set(const BlockBuilder& b) {
  const ExpertSizes e(b);
  return e.rows * (b.gates() * e.width + b.size.hidden) * b.size.element;
}

double expert_rank_parameters(const BlockBuilder& b) {
  const ExpertSizes e(b);
  const double biases = b.model.biases ? b.gates() * e.width + b.size.hidden : 0;
  return e.groups * ((b.gates() + 1) * b.size.hidden * e.width + biases);
}

double router_rank_parameters(const BlockBuilder& b) {
  return b.size.hidden * b.model.experts.count + (b.gates() + 1) * b.size.hidden * shared_width(b);
}

} // namespace orrery
