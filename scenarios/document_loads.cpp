#include "scenarios/document_loads.hpp"

#include "sim/base/random.hpp"

#include <algorithm>
#include <functional>
#include <numeric>

namespace orrery {

namespace {

/// Steps that stand for a run: as many as have the sequences that costs are the mean of.
std::size_t drawn_steps(const TrainingJob& job) {
  return static_cast<std::size_t>((drawn_for_means + job.global_batch - 1) / job.global_batch);
}

/// Part of a pass that its fused attention kernels take.
double attention_share(const Stages& stages, const Chunk& chunk, const Span& pass, bool backward) {
  double sum = 0;
  for (const BlockUse& use : chunk.blocks) {
    const Block& block = stages.graph.blocks[static_cast<std::size_t>(use.block)];
    const CostedBlock& costs = stages.costs.blocks[static_cast<std::size_t>(use.block)];
    const std::vector<Operator>& operators = backward ? block.backward : block.forward;
    const std::vector<OpCost>& times = backward ? costs.backward : costs.forward;
    for (std::size_t i = 0; i < operators.size(); ++i)
      if (std::holds_alternative<FusedAttention>(operators[i].shape))
        sum += use.count * times[i].time.si();
  }
  const double whole = pass.total().si();
  return whole > 0 ? sum / whole : 0;
}

/// The sequences in another order, so that replicas, which take equal numbers one after the other, have as equal work as whole sequences
/// allow: by falling work, each to the replica with the least so far.
std::vector<double> dealt_to_replicas(std::vector<double> lengths, std::size_t replicas) {
  const std::size_t each = lengths.size() / replicas;
  std::vector<std::vector<double>> own(replicas);
  std::vector<double> sums(replicas);
  std::ranges::sort(lengths, std::greater<>{});
  for (const double length : lengths) {
    std::size_t least = replicas;
    for (std::size_t r = 0; r < replicas; ++r)
      if (own[r].size() < each && (least == replicas || sums[r] < sums[least]))
        least = r;
    own[least].push_back(length);
    sums[least] += length;
  }
  lengths.clear();
  for (const std::vector<double>& sequences : own)
    lengths.insert(lengths.end(), sequences.begin(), sequences.end());
  return lengths;
}

/// Parts of all kinds of pass, in the order of PassLoads::shares.
std::vector<double> attention_shares(const Stages& stages) {
  std::vector<double> shares;
  for (std::size_t s = 0; s < stages.graph.stages.size(); ++s)
    for (std::size_t v = 0; v < stages.graph.stages[s].chunks.size(); ++v) {
      const Chunk& chunk = stages.graph.chunks[static_cast<std::size_t>(stages.graph.stages[s].chunks[v])];
      const CostedChunk& costs = stages.costs.stages[s].chunks[v];
      shares.push_back(attention_share(stages, chunk, costs.forward, false));
      shares.push_back(attention_share(stages, chunk, costs.backward, true));
      shares.push_back(0); // gradients of weights
    }
  return shares;
}

/// Of a rank of a data group, whose ranks are ordered as all ranks are.
int replica_of(const Plan& plan, int rank) {
  const bool context_first = std::ranges::find(plan.order, RankAxis::context) < std::ranges::find(plan.order, RankAxis::data);
  return context_first ? rank / plan.cp : rank % plan.dp;
}

/// Of the micro-batches of all replicas, whose sequences have these attended lengths.
std::vector<double> factors(const TrainingScenario& job, const std::vector<double>& lengths, double mean) {
  std::vector<double> loads;
  const int count = job.plan.micro_batch;
  const int each = job.job->global_batch / job.plan.dp;
  for (int rank = 0; rank < job.plan.dp * job.plan.cp; ++rank) {
    const auto own = lengths.begin() + std::ptrdiff_t{each} * replica_of(job.plan, rank);
    for (auto first = own; first != own + each; first += count)
      loads.push_back(std::accumulate(first, first + count, 0.0) / count / mean);
  }
  return loads;
}

} // namespace

bool has_unequal_passes(const TrainingScenario& job) { return job.job && job.job->documents.unequal() && !job.plan.attention_servers; }

std::vector<PassLoads> document_loads(const TrainingScenario& job, const Stages& stages, std::uint64_t seed) {
  if (!has_unequal_passes(job))
    return {PassLoads{}};
  const int sequences = job.job->global_batch;
  RandomStream seeds(seed, "documents of steps");
  std::vector<std::vector<double>> steps(drawn_steps(*job.job));
  double all = 0;
  for (std::vector<double>& lengths : steps) {
    lengths = attended_lengths(job.job->documents, job.job->sequence, sequences, seeds.next());
    if (job.job->documents.balanced)
      lengths = dealt_to_replicas(std::move(lengths), static_cast<std::size_t>(job.plan.dp));
    all += std::accumulate(lengths.begin(), lengths.end(), 0.0);
  }
  const double mean = all / (static_cast<double>(steps.size()) * sequences);
  const std::vector<double> shares = attention_shares(stages);
  std::vector<PassLoads> loads;
  for (const std::vector<double>& lengths : steps)
    loads.push_back({.factors = factors(job, lengths, mean), .shares = shares});
  return loads;
}

} // namespace orrery
