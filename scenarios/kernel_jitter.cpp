#include "scenarios/kernel_jitter.hpp"

#include "workloads/schedule.hpp"

#include <cmath>
#include <variant>

namespace orrery {

namespace {

/// Inverse of the standard normal distribution, by bisection of erfc.
double normal_quantile(double probability) {
  double low = -10;
  double high = 10;
  for (int i = 0; i < 80; ++i) {
    const double middle = (low + high) / 2;
    (std::erfc(-middle / std::sqrt(2.0)) / 2 < probability ? low : high) = middle;
  }
  return (low + high) / 2;
}

/// Sums over a pass, of kernels that vary by their whole length.
struct PassSums {
  double stretch = 0;  ///< squares since the collective before
  double variance = 0; ///< squares of the whole pass
  double wait = 0;     ///< at its collectives

  void add(const Operator& op, Seconds time, const GroupShapes& groups) {
    const auto* collective = std::get_if<Collective>(&op.shape);
    if (collective == nullptr) {
      const double square = time.si() * time.si() / std::max(1, op.kernels);
      stretch += square;
      variance += square;
    } else if (collective->overlap != Overlap::pass && groups.at(collective->group).size > 1) {
      wait += mean_largest(groups.at(collective->group).size) * std::sqrt(stretch);
      stretch = 0;
    }
  }
};

} // namespace

double mean_largest(int n) { return n < 2 ? 0 : normal_quantile((n - 0.375) / (n + 0.25)); }

std::vector<PassNoise> kernel_noise(double sigma, const OpGraph& graph, const CostedGraph& costs) {
  if (sigma <= 0)
    return {};
  const bool split = splits_backward(graph.schedule);
  const auto sums_of = [&](const Chunk& chunk, PassKind kind) {
    PassSums sums;
    for (const BlockUse& use : chunk.blocks) {
      const Block& block = graph.blocks[static_cast<std::size_t>(use.block)];
      const CostedBlock& costed = costs.blocks[static_cast<std::size_t>(use.block)];
      const bool forward = kind == PassKind::forward;
      const std::vector<Operator>& operators = forward ? block.forward : block.backward;
      const std::vector<OpCost>& times = forward ? costed.forward : costed.backward;
      for (int repeat = 0; repeat < use.count; ++repeat)
        for (std::size_t i = 0; i < operators.size(); ++i)
          if (forward || !split || operators[i].weight_gradient == (kind == PassKind::weight))
            sums.add(operators[i], times[i].time, graph.groups);
    }
    return sums;
  };
  std::vector<PassNoise> noise;
  for (std::size_t s = 0; s < graph.stages.size(); ++s)
    for (std::size_t v = 0; v < graph.stages[s].chunks.size(); ++v) {
      const CostedChunk& times = costs.stages[s].chunks[v];
      const Chunk& chunk = graph.chunks[static_cast<std::size_t>(graph.stages[s].chunks[v])];
      for (const auto& [kind, span] : {std::pair(PassKind::forward, &times.forward), std::pair(PassKind::backward, &times.backward),
                                       std::pair(PassKind::weight, &times.weight)}) {
        const double total = span->total().si();
        const PassSums sums = total > 0 ? sums_of(chunk, kind) : PassSums{};
        noise.push_back(total > 0 ? PassNoise{.mean = 1 + sigma * sums.wait / total, .spread = sigma * std::sqrt(sums.variance) / total}
                                  : PassNoise{});
      }
    }
  return noise;
}

} // namespace orrery
