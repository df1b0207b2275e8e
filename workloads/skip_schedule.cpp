#include "workloads/skip_schedule.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <deque>
#include <queue>
#include <tuple>
#include <utility>

namespace orrery {

namespace {

using Ticks = std::int64_t; // sixteenths of a forward pass

/// The same with stages left out side by side, round and round.
bool skips_neighbours(int stages, int skip_stages, int micro_batch, int stage) {
  const int between = stages - 2;
  return stage > 0 && stage <= between && (stage - 1 + between - micro_batch % between) % between < skip_stages;
}

class PathScheduler {
public:
  PathScheduler(int stages, int micro_batches, int skip_stages, const PassRatios& ratios, bool neighbours)
      : stages_(stages), micro_batches_(micro_batches), ratios_(ratios), lanes_(static_cast<std::size_t>(stages)),
        paths_(static_cast<std::size_t>(micro_batches)), passes_(static_cast<std::size_t>(stages)) {
    const int in_rounds = neighbours && stages > 2 ? micro_batches / (stages - 2) * (stages - 2) : 0;
    for (int m = 0; m < micro_batches; ++m)
      for (int s = 0; s < stages; ++s)
        if (!(m < in_rounds ? skips_neighbours(stages, skip_stages, m, s) : skips(stages, skip_stages, m, s)))
          paths_[static_cast<std::size_t>(m)].stages.push_back(static_cast<std::int16_t>(s));
  }

  /// When the last pass ends.
  Ticks run() {
    release();
    serve(0);
    std::vector<Event> events;
    while (!queue_.empty()) {
      now_ = queue_.top().time;
      events.clear();
      for (; !queue_.empty() && queue_.top().time == now_; queue_.pop())
        events.push_back(queue_.top());
      for (const Event& event : events) {
        if (event.arrives)
          arrive(event.stage, event.micro_batch, event.backward);
        else
          leave(event);
      }
      for (int s = 0; s < stages_; ++s)
        serve(s);
    }
    assert(ended_ == micro_batches_);
    return now_;
  }

  [[nodiscard]] PassOrder order() const {
    PassOrder order;
    for (const std::vector<Slot>& of_stage : passes_) {
      order.first.push_back(order.slots.size());
      order.slots.insert(order.slots.end(), of_stage.begin(), of_stage.end());
    }
    order.first.push_back(order.slots.size());
    order.links.resize(static_cast<std::size_t>(stages_) * static_cast<std::size_t>(micro_batches_));
    for (int m = 0; m < micro_batches_; ++m) {
      const std::vector<std::int16_t>& stages = paths_[static_cast<std::size_t>(m)].stages;
      for (std::size_t i = 0; i < stages.size(); ++i)
        order.links[static_cast<std::size_t>(m * stages_ + stages[i])] = {
            .previous = i == 0 ? std::int16_t{-1} : stages[i - 1], .next = i + 1 == stages.size() ? std::int16_t{-1} : stages[i + 1]};
    }
    return order;
  }

private:
  struct Path {
    std::vector<std::int16_t> stages;
    std::size_t at = 0;      ///< of the pass that runs or waits
    std::size_t put_off = 0; ///< place of a stage that comes later than it should
  };
  struct Lane {
    Ticks free = 0;
    Ticks sent = 0;          ///< its port is busy with messages until then
    Ticks received = 0;      ///< the same of messages to it
    std::deque<int> forward; ///< micro-batches that wait, in order of arrival
    std::deque<int> backward;
  };
  /// The end of a pass, or the arrival of what one sent.
  struct Event {
    Ticks time = 0;
    int stage = 0;
    int micro_batch = 0;
    bool backward = false;
    bool arrives = false;

    bool operator<(const Event& other) const { // the earliest is on top
      return std::tie(time, stage, micro_batch, backward, arrives) >
             std::tie(other.time, other.stage, other.micro_batch, other.backward, other.arrives);
    }
  };

  Lane& lane(int stage) { return lanes_[static_cast<std::size_t>(stage)]; }
  Path& path(int micro_batch) { return paths_[static_cast<std::size_t>(micro_batch)]; }

  [[nodiscard]] Ticks length(int stage, bool backward) const {
    if (ratios_.stages.empty())
      return backward ? ratios_.backward : 16;
    return ratios_.stages[static_cast<std::size_t>(2 * stage + (backward ? 1 : 0))];
  }

  /// Work that a micro-batch would find before it.
  [[nodiscard]] Ticks waiting(int stage) {
    const Lane& at = lane(stage);
    return std::max<Ticks>(0, at.free - now_) + length(stage, false) * static_cast<Ticks>(at.forward.size()) +
           length(stage, true) * static_cast<Ticks>(at.backward.size());
  }

  void release() {
    for (; released_ < micro_batches_ && released_ - ended_ < stages_; ++released_)
      lane(0).forward.push_back(released_);
  }

  void serve(int stage) {
    Lane& at = lane(stage);
    if (at.free > now_ || (at.forward.empty() && at.backward.empty()))
      return;
    const bool backward = !at.backward.empty();
    std::deque<int>& list = backward ? at.backward : at.forward;
    const int micro_batch = list.front();
    list.pop_front();
    at.free = now_ + length(stage, backward);
    queue_.push({at.free, stage, micro_batch, backward, false});
    passes_[static_cast<std::size_t>(stage)].push_back(
        {.micro_batch = micro_batch, .chunk = 0, .kind = backward ? PassKind::backward : PassKind::forward});
  }

  [[nodiscard]] Ticks hop(int from, int to, bool backward) const {
    return ratios_.hops.empty() ? 0 : ratios_.hops[static_cast<std::size_t>((from * stages_ + to) * 2 + (backward ? 1 : 0))];
  }

  void arrive(int stage, int micro_batch, bool backward) { (backward ? lane(stage).backward : lane(stage).forward).push_back(micro_batch); }

  void send(int from, int to, int micro_batch, bool backward) {
    const Ticks time = hop(from, to, backward);
    if (time == 0)
      return arrive(to, micro_batch, backward);
    const Ticks end = std::max({now_, lane(from).sent, lane(to).received}) + time;
    lane(from).sent = lane(to).received = end;
    queue_.push({end, to, micro_batch, backward, true});
  }

  void leave(const Event& pass) {
    Path& along = path(pass.micro_batch);
    if (pass.backward) {
      if (along.at == 0) {
        ++ended_;
        release();
      } else {
        send(pass.stage, along.stages[--along.at], pass.micro_batch, true);
      }
      return;
    }
    if (pass.stage == stages_ - 1)
      return arrive(pass.stage, pass.micro_batch, true);
    const std::size_t next = ++along.at;
    if (next + 2 < along.stages.size() && along.put_off != next && swapping_pays(pass.stage, &along.stages[next])) {
      std::swap(along.stages[next], along.stages[next + 1]);
      along.put_off = next + 1;
    }
    send(pass.stage, along.stages[next], pass.micro_batch, false);
  }

  /// Whether the way through the next two stages to the third is better begun with the second.
  [[nodiscard]] bool swapping_pays(int from, const std::int16_t* next) {
    const auto cost = [&](int a, int b) {
      Ticks sum = waiting(a);
      for (const auto& [u, v] : {std::pair(from, a), std::pair(a, b), std::pair(b, static_cast<int>(next[2]))})
        sum += hop(u, v, false) + hop(v, u, true);
      return sum;
    };
    return cost(next[1], next[0]) < cost(next[0], next[1]);
  }

  int stages_;
  int micro_batches_;
  const PassRatios& ratios_;
  Ticks now_ = 0;
  int released_ = 0;
  int ended_ = 0;
  std::vector<Lane> lanes_;
  std::vector<Path> paths_;
  std::vector<std::vector<Slot>> passes_; ///< by stage
  std::priority_queue<Event> queue_;
};

} // namespace

std::optional<std::string> skip_problem(int stages, int micro_batches, int skip_stages) {
  if (skip_stages == 0)
    return std::nullopt;
  if (skip_stages > stages - 3)
    return fmt::format("skip_stages {} > pp {} - first, last and one between", skip_stages, stages);
  if (micro_batches <= skip_stages)
    return fmt::format("micro-batches per replica {} <= skip_stages {}: a stage would see none", micro_batches, skip_stages);
  return std::nullopt;
}

bool skips(int stages, int skip_stages, int micro_batch, int stage) {
  const int between = stages - 2;
  if (skip_stages == 0 || stage == 0 || stage == stages - 1)
    return false;
  // The i-th left out of micro-batch m is (m + i * between / skip_stages) modulo the stages between: spread over the pipeline.
  for (int i = 0; i < skip_stages; ++i)
    if ((micro_batch + i * between / skip_stages) % between == stage - 1)
      return true;
  return false;
}

PassOrder skip_order(int stages, int micro_batches, int skip_stages, const PassRatios& ratios) {
  PathScheduler apart(stages, micro_batches, skip_stages, ratios, false);
  PathScheduler neighbours(stages, micro_batches, skip_stages, ratios, true);
  return apart.run() <= neighbours.run() ? apart.order() : neighbours.order();
}

} // namespace orrery
