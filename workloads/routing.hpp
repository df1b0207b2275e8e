// How tokens spread over experts, and what the busiest rank gets.
//
// What:    rows on the busiest rank over the mean, rows of its largest expert, how many experts any token goes to, and how many ranks a
//          token is copied to.
// Formula: uniform: independent draws; the busiest of R ranks gets the mean and z(R) standard deviations of a binomial count.
//          zipf: the share of the i-th most popular expert is proportional to i^-s, capped at 1 / top_k (a token picks an expert once);
//          experts lie on ranks in random order, so the busiest rank gets the larger of: the mean and z(R) standard deviations of a sum
//          drawn without replacement; the most popular expert beside an average rest.
//          power_law: the loads of experts are the quantiles of a density x^-s for x from 1 to 0.8 of the tokens, from 0.01 to 2 where
//          there are no more rows than experts, capped and laid likewise.
//          Where whole groups of experts are dealt to nodes first, as EPLB does where the nodes divide the groups, copies stay on their
//          node: the busiest node's groups over the mean, as a mean over random orders of the experts, multiply what is left on its ranks.
//          measured: shares by expert, laid on ranks in the order given. z(R): quantile of the normal distribution at (R - 0.375)
//          / (R + 0.25) (Blom).
//          Touched: 1 - (1 - p)^tokens where a token goes to the expert with probability p. The loads of a power law are those of the
//          iteration itself: the mean of min(1, rows), no more than even draws reach.
// Source:  Megatron-Core's forced balance (random logits) is the uniform case; power_law is AIConfigurator's, which draws the loads of an
//          iteration from x^-s and takes s = 1.01 for DeepSeek's models, 1.2 for others (power_law_logits_v4 of its collectors, from
//          memory; its tables of expert kernels hold both). Groups on nodes: DeepSeek's balancer (EPLB, rebalance_experts), whose
//          README recommends them for prefill.
// Units:   shares and counts.
// Valid:   experts divisible by ranks.
// Error:   zipf within 10% of drawing the order of the experts at random, power_law up to 18% below drawing the loads (closed-form tests).
//          Experts' kernels under AIConfigurator's loads, mean: A100 16%, H100 6 to 7%, B200 7 to 15%; where a rank has all experts,
//          medians within 7% on H100 at any number of rows (even draws were up to 36% slow around one row an expert). The law has a step
//          there. That training with an auxiliary loss or a bias stays uniform is assumed; tables of unbalanced routing are at 1.1 to 1.4.
#pragma once

#include <vector>

namespace orrery {

enum class RoutingKind { uniform, zipf, measured, power_law };

struct Routing {
  RoutingKind kind = RoutingKind::uniform;
  double exponent = 0;        ///< of zipf and power_law
  std::vector<double> shares; ///< of a measured histogram: one number per expert, of any sum
  bool balanced = false;      ///< experts are placed on ranks by their load (workloads/expert_placement.hpp), not as they come
  int redundant = 0;          ///< copies of hot experts beyond one of each, where they are placed by their load
  int nodes = 1;              ///< among which whole groups of experts are dealt first, where they are placed by their load

  friend bool operator==(const Routing&, const Routing&) = default;
};

/// Rows over the mean.
struct RoutingLoad {
  double rank = 1;    ///< of the busiest rank over the mean rank
  double largest = 1; ///< of that rank's largest expert over the mean expert
  double any = 1;     ///< share of all experts that any token goes to
  double touched = 1; ///< the same of that rank's
};

/// A measured histogram of what lies on the ranks in their order, copies included, where experts are placed by their load; else the same.
/// Precondition: experts and copies divisible by ranks.
Routing laid_out(const Routing& routing, double tokens, int experts, int top_k, int ranks);

/// `tokens` = of all ranks together that choose among `experts` experts on `ranks` ranks.
/// `groups`: parts of the experts that stay together on a node.
RoutingLoad routing_load(const Routing& routing, double tokens, int experts, int top_k, int ranks, int groups = 1);

/// Mean number of ranks that hold one of the `top_k` experts of a token, drawn among `experts` experts on `ranks` ranks.
double ranks_reached(double experts, int top_k, double ranks);

} // namespace orrery
