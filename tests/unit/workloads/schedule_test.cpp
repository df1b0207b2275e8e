#include "workloads/schedule.hpp"

#include <catch2/catch.hpp>

#include <map>
#include <set>
#include <tuple>

using namespace orrery;

namespace {

struct Case {
  ScheduleKind kind;
  int stages, virtual_stages, micro_batches;
};

const Case cases[] = {{ScheduleKind::gpipe, 4, 1, 6},       {ScheduleKind::one_f_one_b, 4, 1, 6}, {ScheduleKind::one_f_one_b, 4, 1, 2},
                      {ScheduleKind::one_f_one_b, 1, 1, 3}, {ScheduleKind::interleaved, 4, 3, 8}, {ScheduleKind::interleaved, 4, 2, 4},
                      {ScheduleKind::interleaved, 2, 4, 6}};

/// Replays the order of every stage, each pass taking one unit, and returns the number of passes run before a deadlock (or all).
int replay(const Case& c) {
  std::vector<std::vector<Slot>> order;
  for (int s = 0; s < c.stages; ++s)
    order.push_back(schedule_order(c.kind, c.stages, c.virtual_stages, c.micro_batches, s));
  std::set<std::tuple<int, int, bool>> done; // model chunk, micro-batch, backward
  std::vector<std::size_t> next(order.size());
  const int last = c.stages * c.virtual_stages - 1;
  int run = 0;
  for (bool progress = true; progress;) {
    progress = false;
    for (int s = 0; s < c.stages; ++s) {
      if (next[s] == order[s].size())
        continue;
      const Slot slot = order[s][next[s]];
      const int chunk = slot.chunk * c.stages + s;
      const bool ready = slot.backward ? done.contains({chunk, slot.micro_batch, false}) &&
                                             (chunk == last || done.contains({chunk + 1, slot.micro_batch, true}))
                                       : chunk == 0 || done.contains({chunk - 1, slot.micro_batch, false});
      if (!ready)
        continue;
      done.insert({chunk, slot.micro_batch, slot.backward});
      ++next[s];
      ++run;
      progress = true;
    }
  }
  return run;
}

} // namespace

TEST_CASE("every schedule runs each pass of each chunk once and never deadlocks", "[schedule]") {
  for (const Case& c : cases) {
    CAPTURE(static_cast<int>(c.kind), c.stages, c.virtual_stages, c.micro_batches);
    CHECK(replay(c) == 2 * c.stages * c.virtual_stages * c.micro_batches);
  }
}

TEST_CASE("peak of micro-batches in flight is what the order holds", "[schedule]") {
  for (const Case& c : cases)
    for (int s = 0; s < c.stages; ++s) {
      int held = 0;
      int peak = 0;
      for (const Slot& slot : schedule_order(c.kind, c.stages, c.virtual_stages, c.micro_batches, s)) {
        held += slot.backward ? -1 : 1;
        peak = std::max(peak, held);
      }
      CAPTURE(static_cast<int>(c.kind), s);
      CHECK(peak == peak_in_flight(c.kind, c.stages, c.virtual_stages, c.micro_batches, s));
    }
}
