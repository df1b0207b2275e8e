#include "workloads/expert_placement.hpp"

#include <algorithm>
#include <cassert>
#include <numeric>

namespace orrery {

namespace {

struct Copy {
  int expert;
  double rows;
};

/// The largest first.
std::vector<Copy> copies_of(const std::vector<double>& shares, int redundant) {
  std::vector<int> count(shares.size(), 1);
  const auto per_copy = [&](std::size_t e) { return shares[e] / count[e]; };
  for (int i = 0; i < redundant; ++i) {
    std::size_t hottest = 0;
    for (std::size_t e = 1; e < shares.size(); ++e)
      if (per_copy(e) > per_copy(hottest))
        hottest = e;
    ++count[hottest];
  }
  std::vector<Copy> copies;
  for (std::size_t e = 0; e < shares.size(); ++e)
    copies.insert(copies.end(), static_cast<std::size_t>(count[e]), {static_cast<int>(e), per_copy(e)});
  std::ranges::stable_sort(copies, [](const Copy& a, const Copy& b) { return a.rows > b.rows; });
  return copies;
}

struct Rank {
  std::vector<Copy> copies;
  double rows = 0;

  [[nodiscard]] bool holds(int expert) const {
    return std::ranges::any_of(copies, [&](const Copy& copy) { return copy.expert == expert; });
  }
};

/// Two copies of one expert on a rank serve no purpose, but are better than none where every rank with room has one.
Rank& rank_for(std::vector<Rank>& ranks, const Copy& copy, std::size_t room) {
  Rank* best = nullptr;
  for (const bool apart : {true, false}) {
    for (Rank& rank : ranks)
      if (rank.copies.size() < room && !(apart && rank.holds(copy.expert)) && (best == nullptr || rank.rows < best->rows))
        best = &rank;
    if (best != nullptr)
      break;
  }
  return *best;
}

/// The exchange between the busiest rank and another one that lowers the larger load of the two most. Whether there was one.
bool exchange(std::vector<Rank>& ranks) {
  Rank& busiest = *std::ranges::max_element(ranks, {}, &Rank::rows);
  double best = busiest.rows * (1 - 1e-12);
  Rank* partner = nullptr;
  std::size_t out = 0;
  std::size_t in = 0;
  for (Rank& other : ranks)
    for (std::size_t i = 0; i < busiest.copies.size(); ++i)
      for (std::size_t j = 0; &other != &busiest && j < other.copies.size(); ++j) {
        const double moved = busiest.copies[i].rows - other.copies[j].rows;
        const double larger = std::max(busiest.rows - moved, other.rows + moved);
        if (larger < best && !other.holds(busiest.copies[i].expert) && !busiest.holds(other.copies[j].expert)) {
          best = larger;
          partner = &other;
          out = i;
          in = j;
        }
      }
  if (partner == nullptr)
    return false;
  const double moved = busiest.copies[out].rows - partner->copies[in].rows;
  busiest.rows -= moved;
  partner->rows += moved;
  std::swap(busiest.copies[out], partner->copies[in]);
  return true;
}

} // namespace

ExpertPlacement place_experts(const std::vector<double>& shares, int ranks, int redundant) {
  assert(ranks > 0 && (static_cast<int>(shares.size()) + redundant) % ranks == 0);
  const std::size_t room = (shares.size() + static_cast<std::size_t>(redundant)) / static_cast<std::size_t>(ranks);
  std::vector<Rank> held(static_cast<std::size_t>(ranks));
  for (const Copy& copy : copies_of(shares, redundant)) {
    Rank& rank = rank_for(held, copy, room);
    rank.copies.push_back(copy);
    rank.rows += copy.rows;
  }
  while (exchange(held)) {
  }
  ExpertPlacement placement;
  double most = 0;
  for (const Rank& rank : held) {
    std::vector<int>& experts = placement.held.emplace_back();
    for (const Copy& copy : rank.copies)
      experts.push_back(copy.expert);
    std::ranges::sort(experts);
    most = std::max(most, rank.rows);
  }
  const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
  placement.busiest = sum > 0 ? most * ranks / sum : 1;
  return placement;
}

} // namespace orrery
