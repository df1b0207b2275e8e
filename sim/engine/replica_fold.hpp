// Which replicas of a step are simulated once on behalf of several.
//
// What:    replicas whose stages all run at the same clocks do the same at the same times, so one of them stands for all of them. A device
//          that is slower than the others takes its own replica out of the fold, and leaves the others in it.
// Valid:   without jitter, which makes every replica differ.
// Error:   none, but where flows of one fold meet on a link that their own replica alone would not load: the fold bears the worst of its
//          replicas (sim/engine/step_traffic.hpp).
#pragma once

#include <map>
#include <utility>
#include <vector>

namespace orrery {

/// Relative clock by replica and stage; 1 where there is none.
using LaneClocks = std::map<std::pair<int, int>, double>;

struct ReplicaFold {
  std::vector<std::vector<int>> classes; ///< the first of each is simulated

  /// Replicas that each simulated one stands for.
  [[nodiscard]] std::vector<int> weights() const;
};

ReplicaFold one_for_all(int replicas);
ReplicaFold each_by_itself(int replicas);
/// One for all those of the same clocks.
ReplicaFold fold_by_clocks(int replicas, const LaneClocks& clocks);

/// StepOptions::clocks of the simulated replicas; empty where no clock differs from 1.
std::vector<double> simulated_clocks(const ReplicaFold& fold, int stages, const LaneClocks& clocks);

} // namespace orrery
