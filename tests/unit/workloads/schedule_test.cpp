#include "workloads/schedule.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <tuple>

namespace orrery::schedule_test {

namespace {

struct Case {
  ScheduleKind kind;
  int stages, virtual_stages, micro_batches;
  int skip_stages = 0;
};

PassOrder order_of(const Case& c, const PassRatios& ratios = {}) {
  return schedule_order(c.kind, c.stages, c.virtual_stages, c.micro_batches, ratios, c.skip_stages);
}

const Case cases[] = {{ScheduleKind::gpipe, 4, 1, 6},       {ScheduleKind::one_f_one_b, 4, 1, 6},  {ScheduleKind::one_f_one_b, 4, 1, 2},
                      {ScheduleKind::one_f_one_b, 1, 1, 3}, {ScheduleKind::interleaved, 4, 3, 8},  {ScheduleKind::interleaved, 4, 2, 4},
                      {ScheduleKind::interleaved, 2, 4, 6}, {ScheduleKind::zb_1p, 4, 1, 9},        {ScheduleKind::zb_1p, 4, 1, 2},
                      {ScheduleKind::zb_2p, 4, 1, 9},       {ScheduleKind::zb_2p, 2, 1, 1},        {ScheduleKind::zb_v, 4, 2, 9},
                      {ScheduleKind::zb_v, 4, 2, 1},        {ScheduleKind::dualpipe, 4, 2, 8},     {ScheduleKind::dualpipe, 2, 2, 2},
                      {ScheduleKind::skip_pipe, 4, 1, 9},   {ScheduleKind::skip_pipe, 6, 1, 9, 2}, {ScheduleKind::skip_pipe, 8, 1, 30, 5}};

/// What passes take, alike on all stages.
struct Times {
  double forward = 16;
  double backward = 16;
  double weight = 16;
  double message = 0;
};

constexpr PassRatios uneven{.backward = 19, .weight = 9, .weight_held = 6};

struct Replayed {
  int passes = 0;     ///< run before a deadlock, or all
  double busiest = 0; ///< longest time from a stage's first pass to its last
};

Replayed replay(const Case& c, const PassOrder& order, const Times& time = {}) {
  std::map<std::tuple<int, int, int, bool>, double> arrived; // stage, chunk, micro-batch, backward
  std::set<std::tuple<int, int, int>> forwards, backwards, weights;
  std::map<int, std::size_t> next; // by stage
  std::map<int, double> clock, begin;
  const int last = model_chunks(c.kind, c.stages, c.virtual_stages) - 1;
  Replayed result;
  const auto step = [&](int s) {
    if (next[s] == order.of(s).size())
      return false;
    const Slot slot = order.of(s)[next[s]];
    const std::tuple pass(s, static_cast<int>(slot.chunk), slot.micro_batch);
    const bool backward = slot.kind == PassKind::backward;
    const int position = chunk_at(c.kind, c.stages, s, slot.chunk);
    double ready = 0;
    if (slot.kind == PassKind::weight) {
      if (!backwards.contains(pass))
        return false;
    } else if (position != (backward ? last : 0)) {
      const auto input = arrived.find({s, slot.chunk, slot.micro_batch, backward});
      if (input == arrived.end())
        return false;
      ready = input->second;
    }
    if (backward && !forwards.contains(pass))
      return false;
    auto& done = slot.kind == PassKind::forward ? forwards : backward ? backwards : weights;
    if (!done.insert(pass).second)
      return false;
    const double from = std::max(clock[s], ready);
    begin.try_emplace(s, from);
    clock[s] = from + (slot.kind == PassKind::forward ? time.forward : backward ? time.backward : time.weight);
    if (slot.kind != PassKind::weight)
      if (const auto to = next_place(order, c.kind, c.virtual_stages, s, slot))
        arrived[{to->stage, to->chunk, slot.micro_batch, backward}] = clock[s] + (to->stage == s ? 0 : time.message);
    ++next[s];
    ++result.passes;
    return true;
  };
  for (bool progress = true; progress;) {
    progress = false;
    for (int s = 0; s < c.stages; ++s)
      while (step(s))
        progress = true;
  }
  for (int s = 0; s < c.stages; ++s)
    result.busiest = std::max(result.busiest, clock[s] - begin[s]);
  return result;
}

} // namespace

TEST_CASE("every schedule runs each pass of each chunk once and never deadlocks", "[schedule]") {
  for (const Case& c : cases)
    for (const bool even : {true, false}) {
      CAPTURE(static_cast<int>(c.kind), c.stages, c.virtual_stages, c.micro_batches, even);
      const int kinds = splits_backward(c.kind) ? 3 : 2;
      int passes = 0;
      for (int s = 0; s < c.stages; ++s)
        passes += kinds * c.virtual_stages * micro_batches_of_stage(c.kind, c.stages, c.skip_stages, c.micro_batches, s);
      CHECK(replay(c, order_of(c, even ? PassRatios{} : uneven)).passes == passes);
    }
}

TEST_CASE("peak of micro-batches in flight is what the order holds; a split order keeps to its limit", "[schedule]") {
  for (const Case& c : cases)
    for (const bool even : {true, false}) {
      const PassRatios ratios = even ? PassRatios{} : uneven;
      const double share = ratios.weight_held / 16.0;
      const PassOrder order = order_of(c, ratios);
      for (int s = 0; s < c.stages; ++s) {
        double held = 0;
        double peak = 0;
        for (const Slot& slot : order.of(s)) {
          const bool split = splits_backward(c.kind);
          held += slot.kind == PassKind::forward ? 1 : slot.kind == PassKind::weight ? -share : split ? share - 1 : -1;
          peak = std::max(peak, held);
        }
        CAPTURE(static_cast<int>(c.kind), s, even);
        CHECK(held == Approx(0).margin(1e-9));
        const int limit = peak_in_flight(c.kind, c.stages, c.virtual_stages, c.micro_batches, s);
        CHECK(peak <= limit + 1e-9);
        if (!splits_backward(c.kind) && c.kind != ScheduleKind::skip_pipe)
          CHECK(peak == limit);
      }
    }
}

TEST_CASE("a chunk's neighbours lead through the model and back", "[schedule]") {
  for (const Case& c : cases) {
    const int chunks = model_chunks(c.kind, c.stages, c.virtual_stages);
    std::map<int, int> holders;
    for (int s = 0; s < c.stages; ++s)
      for (int v = 0; v < c.virtual_stages; ++v) {
        const ChunkPlace place{s, v};
        const int position = chunk_at(c.kind, c.stages, s, v);
        ++holders[position];
        const auto next = neighbour(c.kind, c.stages, c.virtual_stages, place, false);
        CHECK(next.has_value() == (position < chunks - 1));
        if (!next)
          continue;
        CHECK(chunk_at(c.kind, c.stages, next->stage, next->chunk) == position + 1);
        CHECK(neighbour(c.kind, c.stages, c.virtual_stages, *next, true) == place);
      }
    CHECK(holders.size() == static_cast<std::size_t>(chunks));
    for (const auto& [position, count] : holders)
      CHECK(count == (c.kind == ScheduleKind::dualpipe ? 2 : 1));
  }
}

TEST_CASE("split schedules have the bubbles of the papers' closed forms where all passes are alike", "[schedule]") {
  // ZB-H1 and ZB-H2 (Qi et al., table 2): (p - 1)(F + B - W) and (p - 1)(F + B - 2 W), here in units of a pass.
  const int stages = GENERATE(4, 8);
  const int m = stages * GENERATE(2, 8);
  const auto bubble = [&](ScheduleKind kind) {
    const Case c{kind, stages, chunks_per_stage(kind, 1), m};
    return replay(c, schedule_order(kind, stages, c.virtual_stages, m)).busiest / 16 - 3 * m;
  };
  CHECK(bubble(ScheduleKind::zb_1p) == Approx(stages - 1).margin(0.5));
  CHECK(bubble(ScheduleKind::zb_2p) == Approx(0).margin(1e-9));
}

TEST_CASE("the list scheduler finds the bubbles that Qi et al. print for their profile", "[schedule]") {
  // "Zero Bubble Pipeline Parallelism", tables 5 (bubble rates) and 9 (ms per pass), 1.5B on 8 stages. Shares of memory from its section 3:
  // M_W / M_B = 32 h / (34 h + 5 a s).
  const Times profile{.forward = 18.522, .backward = 18.086, .weight = 9.337, .message = 0.601};
  const auto sixteenths = [](double value) { return static_cast<int>(std::lround(16 * value)); };
  const PassRatios ratios{.backward = sixteenths(profile.backward / profile.forward),
                          .weight = sixteenths(profile.weight / profile.forward),
                          .weight_held = sixteenths(32 * 2304.0 / (34 * 2304.0 + 5 * 24 * 1024.0))};
  struct Published {
    ScheduleKind kind;
    int micro_batches;
    double rate;
  };
  for (const Published& row : {Published{ScheduleKind::zb_1p, 24, 0.1585}, Published{ScheduleKind::zb_1p, 32, 0.1242},
                               Published{ScheduleKind::zb_1p, 64, 0.0674}, Published{ScheduleKind::zb_2p, 24, 0.0433},
                               Published{ScheduleKind::zb_2p, 32, 0.0039}, Published{ScheduleKind::zb_2p, 64, 0.0026}}) {
    const PassOrder order = schedule_order(row.kind, 8, 1, row.micro_batches, ratios);
    const double busiest = replay({row.kind, 8, 1, row.micro_batches}, order, profile).busiest;
    const double work = row.micro_batches * (profile.forward + profile.backward + profile.weight);
    CAPTURE(static_cast<int>(row.kind), row.micro_batches);
    CHECK(1 - work / busiest == Approx(row.rate).margin(0.007));
  }
}

} // namespace orrery::schedule_test
