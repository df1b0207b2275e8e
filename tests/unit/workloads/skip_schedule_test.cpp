#include "workloads/skip_schedule.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdlib>
#include <vector>

namespace orrery::skip_schedule_test {

namespace {

/// Stages that a micro-batch runs through, in order.
std::vector<int> path_of(const PassOrder& order, int stages, int micro_batch) {
  std::vector<int> path;
  for (int s = 0; s >= 0; s = order.links[static_cast<std::size_t>(micro_batch * stages + s)].next)
    path.push_back(s);
  return path;
}

} // namespace

TEST_CASE("every micro-batch leaves out its stages, none moves by more than a place, all are left out alike", "[schedule]") {
  const int stages = GENERATE(4, 8, 12);
  const int skip = GENERATE(0, 1);
  const int skipped = skip == 0 ? 0 : stages / 4;
  const int micro_batches = 3 * (stages - 2);
  const PassOrder order = skip_order(stages, micro_batches, skipped, {.backward = 32});
  std::vector<int> left_out(static_cast<std::size_t>(stages), micro_batches);
  for (int m = 0; m < micro_batches; ++m) {
    const std::vector<int> path = path_of(order, stages, m);
    REQUIRE(static_cast<int>(path.size()) == stages - skipped);
    CHECK(path.front() == 0);
    CHECK(path.back() == stages - 1);
    std::vector<int> sorted = path;
    std::sort(sorted.begin(), sorted.end());
    CHECK(std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end());
    for (std::size_t i = 0; i < path.size(); ++i) {
      const auto place = std::find(sorted.begin(), sorted.end(), path[i]) - sorted.begin();
      CHECK(std::abs(static_cast<int>(place) - static_cast<int>(i)) <= 1);
      --left_out[static_cast<std::size_t>(path[i])];
      if (i > 0)
        CHECK(order.links[static_cast<std::size_t>(m * stages + path[i])].previous == path[i - 1]);
    }
  }
  for (int s = 1; s + 1 < stages; ++s)
    CHECK(left_out[static_cast<std::size_t>(s)] == skipped * micro_batches / (stages - 2));
}

TEST_CASE("stages are put off where micro-batches would meet", "[schedule]") {
  const PassOrder order = skip_order(8, 24, 2, {.backward = 32});
  bool reordered = false;
  for (int m = 0; m < 24; ++m) {
    const std::vector<int> path = path_of(order, 8, m);
    reordered = reordered || !std::is_sorted(path.begin(), path.end());
  }
  CHECK(reordered);
}

TEST_CASE("paths spare slow links between sites, and every stage sees as many micro-batches as before", "[schedule]") {
  const int stages = 8, skipped = 3, micro_batches = 14; // two rounds of the six stages between the ends, and two more
  const auto site = [](int stage) { return stage / 2; };
  PassRatios slow{.backward = 32};
  for (int from = 0; from < stages; ++from)
    for (int to = 0; to < stages; ++to)
      slow.hops.insert(slow.hops.end(), 2, site(from) == site(to) ? 1 : 160);
  const auto crossings = [&](const PassOrder& order) {
    int count = 0;
    for (int m = 0; m < micro_batches; ++m) {
      const std::vector<int> path = path_of(order, stages, m);
      for (std::size_t i = 1; i < path.size(); ++i)
        count += site(path[i]) != site(path[i - 1]) ? 1 : 0;
    }
    return count;
  };
  const PassOrder sparing = skip_order(stages, micro_batches, skipped, slow);
  CHECK(crossings(sparing) < crossings(skip_order(stages, micro_batches, skipped, {.backward = 32})));
  for (int s = 0; s < stages; ++s)
    CHECK(static_cast<int>(sparing.of(s).size()) == 2 * micro_batches_of_stage(ScheduleKind::skip_pipe, stages, skipped, micro_batches, s));
}

TEST_CASE("paths that do not exist are named", "[schedule]") {
  CHECK_FALSE(skip_problem(2, 1, 0).has_value());
  CHECK_FALSE(skip_problem(8, 6, 5).has_value());
  CHECK(skip_problem(8, 16, 6) == "skip_stages 6 > pp 8 - first, last and one between");
  CHECK(skip_problem(8, 2, 2) == "micro-batches per replica 2 <= skip_stages 2: a stage would see none");
}

} // namespace orrery::skip_schedule_test
