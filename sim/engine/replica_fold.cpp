#include "sim/engine/replica_fold.hpp"

#include <algorithm>
#include <numeric>

namespace orrery {

std::vector<int> ReplicaFold::weights() const {
  std::vector<int> weights;
  for (const std::vector<int>& replicas : classes)
    weights.push_back(static_cast<int>(replicas.size()));
  return weights;
}

ReplicaFold one_for_all(int replicas) {
  std::vector<int> all(static_cast<std::size_t>(replicas));
  std::iota(all.begin(), all.end(), 0);
  return {.classes = {std::move(all)}};
}

ReplicaFold each_by_itself(int replicas) {
  ReplicaFold fold;
  for (int r = 0; r < replicas; ++r)
    fold.classes.push_back({r});
  return fold;
}

ReplicaFold fold_by_clocks(int replicas, const LaneClocks& clocks) {
  std::map<int, std::vector<std::pair<int, double>>> slow; // stages and their clocks, by replica
  for (const auto& [lane, clock] : clocks)
    if (clock != 1)
      slow[lane.first].emplace_back(lane.second, clock);
  std::map<std::vector<std::pair<int, double>>, std::size_t> index;
  ReplicaFold fold;
  for (int r = 0; r < replicas; ++r) {
    const auto found = slow.find(r);
    const auto [place, fresh] =
        index.try_emplace(found == slow.end() ? std::vector<std::pair<int, double>>{} : found->second, fold.classes.size());
    if (fresh)
      fold.classes.emplace_back();
    fold.classes[place->second].push_back(r);
  }
  return fold;
}

std::vector<double> simulated_clocks(const ReplicaFold& fold, int stages, const LaneClocks& clocks) {
  if (std::ranges::all_of(clocks, [](const auto& lane) { return lane.second == 1; }))
    return {};
  std::vector<double> simulated;
  for (const std::vector<int>& replicas : fold.classes)
    for (int s = 0; s < stages; ++s) {
      const auto found = clocks.find({replicas.front(), s});
      simulated.push_back(found == clocks.end() ? 1 : found->second);
    }
  return simulated;
}

} // namespace orrery
