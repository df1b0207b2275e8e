// Which rank holds which expert, where experts are not equally popular.
//
// What:    spreads experts, the hottest of them several times where there is room, so that the busiest rank has least to do.
// Formula: copies go one by one to the expert with the most rows per copy; copies go, the largest first, to the rank with the least rows
//          that has room and no copy of that expert (longest processing time first); then copies of the busiest rank are exchanged with
//          those of others while that lowers the larger load of the two.
// Source:  DeepSeek's expert-parallel load balancer (EPLB) for copies; Graham 1969 for the order, 4/3 of the optimum at most without the
//          bound on copies; MoETuner (arXiv 2502.06643) states the same as an integer program.
// Units:   shares of rows, of any sum.
// Valid:   as many copies on each rank; experts + redundant divisible by ranks.
// Error:   within 4% of the optimum on small instances solved exhaustively (closed-form test).
#pragma once

#include <vector>

namespace orrery {

struct ExpertPlacement {
  std::vector<std::vector<int>> held; ///< experts by rank
  double busiest = 1;                 ///< rows of the busiest rank over the mean
};

/// `ranks` ranks, `redundant` copies beyond one for each expert.
ExpertPlacement place_experts(const std::vector<double>& shares, int ranks, int redundant = 0);

} // namespace orrery
