// The half of a serving layer that has experts: router, shared experts, the way to the experts' ranks and their products.
#include "workloads/expert_tiles.hpp"
#include "workloads/serving_graph.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace orrery {

namespace {

constexpr int serving_routing_kernels = 2; // choice of experts and the order of the rows
constexpr double dispatched_bytes = 1;     // of an element on its way to the experts (DeepEP dispatches FP8)
constexpr double mixed_multiple = 256; // of an expert's sizes, for kernels of FP4 weights beside wider rows (vLLM, quantization/mxfp4.py)

/// What starts at `first` runs on a second stream beside the rest: its kernels start while others run and share memory and multiprocessors
/// with them. Its launches count with the product before it.
void second_stream(std::vector<Operator>& list, std::size_t first) {
  for (std::size_t i = first; i < list.size(); ++i)
    list[first - 1].kernels += std::exchange(list[i].kernels, 0);
}

} // namespace

ServingGraph::Arrivals ServingGraph::arrivals(double all) const {
  const Experts& e = job_.model.experts;
  Arrivals out{.all = all, .load = routing_load(job_.routing, all, e.count, e.top_k, plan_.ep, e.groups)};
  out.gathered = plan_.attention_dp == 1 || software_.serving.expert_exchange != ExpertExchange::dispatch || plan_.ep == 1;
  // A token goes once to a rank, which stands for as many experts as its share of all rows has.
  out.tokens = out.gathered ? all : all / plan_.ep * out.load.rank * ranks_reached(e.count, e.top_k, plan_.ep / out.load.rank);
  return out;
}

/// Tokens to the experts' ranks, or `back`.
void ServingGraph::exchange(const BlockBuilder& b, List& list, const Arrivals& arrivals, bool back) const {
  const Sizes& s = b.size;
  const int ranks = plan_.tp * plan_.attention_dp;
  if (plan_.attention_dp == 1)
    return back ? sum(b, list, "expert_sum") : void();
  const ExpertExchange kind = software_.serving.expert_exchange;
  if (kind == ExpertExchange::dispatch && plan_.ep > 1) {
    const double copies = ranks_reached(b.model.experts.count, b.model.experts.top_k, plan_.ep);
    const double rows = std::max(s.tokens / plan_.tp * copies, arrivals.tokens); // links are as fast both ways
    const double row = s.hidden * (back || !job_.weights.casts ? s.element : dispatched_bytes);
    return b.collective_over(list, back ? "combine" : "dispatch", CollectiveKind::all_to_all, Group::expert, ranks, rows * row);
  }
  const bool narrow = !back && kind == ExpertExchange::gather_quantised && job_.weights.casts;
  b.collective_over(list, back ? "expert_scatter" : "expert_gather", back ? CollectiveKind::reduce_scatter : CollectiveKind::all_gather,
                    Group::expert, ranks, arrivals.all * s.hidden * (narrow ? element_bytes(job_.weights.operand) : s.element));
}

void ServingGraph::shared_experts(const BlockBuilder& b, List& list) const {
  const Sizes& s = b.size;
  const double shared = static_cast<double>(b.model.experts.shared_hidden) / b.plan.tp;
  const std::size_t first = list.size();
  linear(b, list, "shared_up", s.hidden, b.gates() * shared, false);
  b.streaming(list, "shared_act", OpClass::elementwise, b.gates() * s.tokens * shared * s.element, s.tokens * shared * s.element);
  linear(b, list, "shared_down", shared, s.hidden, false);
  if (software_.overlap_shared_experts)
    second_stream(list, first);
}

void ServingGraph::experts(const BlockBuilder& b, List& list, double all) const {
  const Sizes& s = b.size;
  const double scores = s.tokens * b.model.experts.count * fp32_bytes;
  norm(b, list, "ffn_norm", true);
  b.plain_matmul(list, "router", OpClass::gemm, {.m = s.tokens, .n = static_cast<double>(b.model.experts.count), .k = s.hidden});
  if (b.model.experts.shared_hidden > 0)
    shared_experts(b, list);
  b.streaming(list, "routing", OpClass::elementwise, scores, scores, serving_routing_kernels);
  const bool early = plan_.attention_dp > 1 && software_.serving.expert_exchange != ExpertExchange::gather; // quantised before they travel
  if (early)
    quantise(b, list, "expert_cast", s.tokens * s.hidden, true);
  const Arrivals busiest = arrivals(all);
  exchange(b, list, busiest, false);
  expert_products(b, list, busiest, early);
  exchange(b, list, busiest, true);
}

/// Of the rows that arrived, which are `cast` already or not.
void ServingGraph::expert_products(const BlockBuilder& b, List& list, const Arrivals& arrivals, bool cast) const {
  const Sizes& s = b.size;
  const Experts& e = b.model.experts;
  const double held = static_cast<double>(e.count + job_.routing.redundant) / plan_.ep;
  const auto& [all, load, gathered, arriving] = arrivals;
  const double rows = all * e.top_k / plan_.ep * load.rank;
  const double touched = held * load.touched;
  // Triton's kernels go over the rows of other ranks' experts too, where their tokens are here.
  const bool four_bits = job_.weights.operand == Precision::fp4 || job_.weights.mixed;
  const bool triton = software_.experts == ExpertKernel::fused_moe && !four_bits;
  const double slots = triton && gathered ? std::max(rows, all * e.top_k) : rows;
  const auto padded = [&](double size) { return job_.weights.mixed ? std::ceil(size / mixed_multiple) * mixed_multiple : size; };
  const double inner = padded(static_cast<double>(e.hidden) / b.plan.expert_tensor());
  const double outer = padded(s.hidden);
  // Rows that arrive are put in the order of the experts for kernels that do not look for them (DeepGEMM, CUTLASS), and the rows of a token
  // are summed up before they go back, once for each token that arrived.
  if (software_.experts == ExpertKernel::tuned_moe && !four_bits) {
    const double operand = element_bytes(job_.weights.casts ? job_.weights.operand : job_.precision);
    b.streaming(list, "expert_sort", OpClass::elementwise, std::min(arriving, rows) * s.hidden * operand, rows * s.hidden * operand);
  }
  const bool widened = job_.weights.weight_bytes < element_bytes(job_.weights.operand);
  const ExpertTile tile =
      triton && !widened && plan_.ep > 1 ? default_tile(software_.expert_tiles, job_.weights.block_scaled(), arriving, held) : ExpertTile{};
  const double others = e.count * load.any - touched;
  const auto product = [&](const char* name, double in, double out) {
    list.push_back({.name = name,
                    .op_class = OpClass::gemm,
                    .precision = job_.weights.operand,
                    .shape = GroupedMatmul{.groups = std::max(1.0, touched),
                                           .rows = rows,
                                           .busiest = std::min(rows, rows / std::max(1.0, touched) * std::max(2.0, load.largest)),
                                           .n = out,
                                           .k = in,
                                           .weight_bytes = job_.weights.weight_bytes,
                                           .mixed = job_.weights.mixed,
                                           .block_scaled = job_.weights.block_scaled(),
                                           .tile = tile,
                                           .idle = idle_tiles(tile, arriving, others, slots - rows, out)}});
  };
  if (!cast)
    quantise(b, list, "expert_cast", std::min(all, rows) * outer, true);
  product("expert_up", outer, b.gates() * inner);
  b.streaming(list, "expert_act", OpClass::elementwise, b.gates() * slots * inner * s.element, slots * inner * s.element);
  quantise(b, list, "expert_act_cast", slots * inner, true);
  product("expert_down", inner, outer);
  b.streaming(list, "expert_join", OpClass::elementwise, (slots + (e.shared_hidden > 0 ? s.tokens : 0)) * s.hidden * s.element,
              arriving * s.hidden * s.element);
}

} // namespace orrery
