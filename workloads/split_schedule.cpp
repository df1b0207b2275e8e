#include "workloads/split_schedule.hpp"

#include <algorithm>
#include <cassert>
#include <limits>
#include <queue>

namespace orrery {

namespace {

constexpr double never = std::numeric_limits<double>::infinity();
constexpr double whole_pass = 16; // a forward pass, and a chunk's activations

class ListScheduler {
public:
  ListScheduler(ScheduleKind kind, int stages, int micro_batches, const PassRatios& ratios, bool alternate)
      : kind_(kind), stages_(stages), chunks_(chunks_per_stage(kind, 1)), per_chunk_(micro_batches_per_chunk(kind, micro_batches)),
        last_(model_chunks(kind, stages, 1) - 1), limit_(split_limit(kind, stages, micro_batches)), alternate_(alternate), ratios_(ratios),
        lanes_(static_cast<std::size_t>(stages)), lines_(static_cast<std::size_t>(stages * chunks_)) {
    passes_ = static_cast<std::size_t>(3 * per_chunk_ * chunks_);
    order_.slots.resize(passes_ * static_cast<std::size_t>(stages));
    for (int s = 0; s <= stages; ++s)
      order_.first.push_back(static_cast<std::size_t>(s) * passes_);
    for (int s = 0; s < stages; ++s)
      for (int c = 0; c < chunks_; ++c) {
        Line& line = lines_[index(s, c)];
        line.position = chunk_at(kind, stages, s, c);
        line.ahead = static_cast<std::size_t>(split_ahead(kind, stages, micro_batches, line.position));
        line.first_micro_batch = kind == ScheduleKind::dualpipe ? c * per_chunk_ : 0;
        line.forward.assign(static_cast<std::size_t>(per_chunk_), line.position == 0 ? 0 : never);
        line.backward.assign(static_cast<std::size_t>(per_chunk_), never);
      }
    for (int s = 0; s < stages; ++s)
      for (int c = 0; c < chunks_; ++c)
        for (int other = 0; other < chunks_; ++other)
          lines_[index(s, c)].later += lines_[index(s, other)].position > lines_[index(s, c)].position ? 1 : 0;
  }

  /// The longest that a stage is busy with the step, from its first pass to its last.
  double run() {
    for (int s = 0; s < stages_; ++s)
      decide(s);
    while (!queue_.empty()) {
      const Choice choice = queue_.top();
      queue_.pop();
      if (choice.version == lanes_[static_cast<std::size_t>(choice.stage)].version)
        commit(choice);
    }
    assert(std::all_of(lanes_.begin(), lanes_.end(), [&](const Lane& lane) { return lane.count == passes_; }));
    double longest = 0;
    for (const Lane& lane : lanes_)
      longest = std::max(longest, lane.clock - lane.begin);
    return longest;
  }

  PassOrder take() { return std::move(order_); }

private:
  /// A chunk of a stage.
  struct Line {
    int position = 0;
    int first_micro_batch = 0;
    int later = 0;                ///< chunks of the stage further on in the model: memory is kept free for them
    std::vector<double> forward;  ///< arrivals of inputs
    std::vector<double> backward; ///< arrivals of output gradients
    std::size_t ahead = 0;        ///< forward passes that may be ahead of their backward passes
    std::size_t forwards = 0, backwards = 0, weights = 0;

    /// A burst of forward passes would come back as a burst of backward passes that holds up the passes behind it.
    [[nodiscard]] bool may_go_ahead() const { return forwards - backwards < ahead; }
    [[nodiscard]] double next_forward() const { return forwards < forward.size() ? forward[forwards] : never; }
    [[nodiscard]] double next_backward() const { return backwards < backward.size() ? backward[backwards] : never; }
  };
  struct Lane {
    double clock = 0;
    double begin = -1; ///< of its first pass
    double held = 0;   ///< activations, in chunk-micro-batches
    double bubble = 0; ///< waited between passes
    std::size_t count = 0;
    std::size_t version = 0;
    std::vector<std::int16_t> pending; ///< chunks whose weight gradients are due, oldest first
    std::size_t done = 0;              ///< of those
    bool after_backward = false;
  };
  struct Choice {
    double begin = never;
    int stage = 0;
    int chunk = 0;
    PassKind kind = PassKind::forward;
    std::size_t version = 0;

    bool operator<(const Choice& other) const { return begin != other.begin ? begin > other.begin : stage > other.stage; }
  };

  [[nodiscard]] std::size_t index(int stage, int chunk) const { return static_cast<std::size_t>(stage * chunks_ + chunk); }

  [[nodiscard]] bool has_memory(const Lane& lane, const Line& line) const {
    constexpr double rounding = 1e-9; // of sums of shares
    return lane.held + 1 + line.later <= limit_ + rounding;
  }

  /// The pass of a kind that can begin first; of several the one furthest on in the model.
  [[nodiscard]] Choice earliest(int s, PassKind kind) const {
    const Lane& lane = lanes_[static_cast<std::size_t>(s)];
    Choice best{.stage = s, .kind = kind, .version = lane.version};
    int position = -1;
    for (int c = 0; c < chunks_; ++c) {
      const Line& line = lines_[index(s, c)];
      const double arrival = kind == PassKind::forward ? line.next_forward() : line.next_backward();
      if (arrival == never || (kind == PassKind::forward && (!has_memory(lane, line) || !line.may_go_ahead())))
        continue;
      const double begin = std::max(lane.clock, arrival);
      if (begin < best.begin || (begin == best.begin && line.position > position)) {
        best.begin = begin;
        best.chunk = c;
        position = line.position;
      }
    }
    return best;
  }

  /// Whether a forward pass has its input and waits for memory alone.
  [[nodiscard]] bool lacks_memory(int s) const {
    const Lane& lane = lanes_[static_cast<std::size_t>(s)];
    for (int c = 0; c < chunks_; ++c)
      if (const Line& line = lines_[index(s, c)]; line.next_forward() <= lane.clock && line.may_go_ahead() && !has_memory(lane, line))
        return true;
    return false;
  }

  void decide(int s) {
    Lane& lane = lanes_[static_cast<std::size_t>(s)];
    ++lane.version;
    const Choice backward = earliest(s, PassKind::backward);
    const Choice forward = earliest(s, PassKind::forward);
    const bool forward_turn = alternate_ && lane.after_backward;
    const bool takes_forward = forward_turn ? forward.begin <= backward.begin : forward.begin < backward.begin;
    Choice next = takes_forward ? forward : backward;
    if (lane.done < lane.pending.size()) {
      const int chunk = lane.pending[lane.done];
      const double gap = next.begin - lane.clock;
      const bool fits = gap >= ratios_.weight || lane.bubble + gap > widest_;
      const bool makes_room = (gap > 0 || forward_turn) && !takes_forward && lacks_memory(s);
      if ((gap > 0 && fits) || makes_room)
        next = {.begin = lane.clock, .stage = s, .chunk = chunk, .kind = PassKind::weight, .version = lane.version};
    }
    if (next.begin < never)
      queue_.push(next);
  }

  void commit(const Choice& choice) {
    Lane& lane = lanes_[static_cast<std::size_t>(choice.stage)];
    Line& line = lines_[index(choice.stage, choice.chunk)];
    if (lane.begin < 0)
      lane.begin = choice.begin;
    else
      lane.bubble += choice.begin - lane.clock;
    widest_ = std::max(widest_, lane.bubble);
    const bool forward = choice.kind == PassKind::forward;
    std::size_t& ordinal = forward ? line.forwards : choice.kind == PassKind::backward ? line.backwards : line.weights;
    order_.slots[static_cast<std::size_t>(choice.stage) * passes_ + lane.count++] = {.micro_batch = static_cast<std::int32_t>(ordinal) +
                                                                                                    line.first_micro_batch,
                                                                                     .chunk = static_cast<std::int16_t>(choice.chunk),
                                                                                     .kind = choice.kind};
    if (choice.kind == PassKind::weight) {
      lane.clock = choice.begin + ratios_.weight;
      lane.held -= ratios_.weight_held / whole_pass;
      ++lane.done;
    } else {
      lane.clock = choice.begin + (forward ? whole_pass : ratios_.backward);
      lane.held += forward ? 1 : ratios_.weight_held / whole_pass - 1;
      lane.after_backward = !forward;
      if (!forward)
        lane.pending.push_back(static_cast<std::int16_t>(choice.chunk));
      deliver(choice, ordinal, lane.clock);
    }
    ++ordinal;
    decide(choice.stage);
  }

  void deliver(const Choice& choice, std::size_t ordinal, double end) {
    const bool backward = choice.kind == PassKind::backward;
    Line& own = lines_[index(choice.stage, choice.chunk)];
    if (!backward && own.position == last_)
      own.backward[ordinal] = end;
    const auto to = neighbour(kind_, stages_, 1, {choice.stage, choice.chunk}, backward);
    if (!to)
      return;
    Line& line = lines_[index(to->stage, to->chunk)];
    (backward ? line.backward : line.forward)[ordinal] = end;
    if (to->stage != choice.stage)
      decide(to->stage);
  }

  ScheduleKind kind_;
  int stages_;
  int chunks_;
  int per_chunk_;
  int last_;
  double limit_;
  std::size_t passes_ = 0; ///< of a stage
  bool alternate_;         ///< after a backward pass a forward pass, with the weight gradients that make room for it
  PassRatios ratios_;
  std::vector<Lane> lanes_;
  std::vector<Line> lines_;
  std::priority_queue<Choice> queue_;
  double widest_ = 0;
  PassOrder order_;
};

} // namespace

int split_limit(ScheduleKind kind, int stages, int micro_batches) {
  switch (kind) {
  case ScheduleKind::zb_1p:
    return std::min(stages, micro_batches);
  case ScheduleKind::zb_2p:
    return std::min(2 * stages, micro_batches);
  case ScheduleKind::zb_v:
    return 2 * std::min(stages, micro_batches);
  default:
    return std::min(stages + 1, micro_batches);
  }
}

int split_ahead(ScheduleKind kind, int stages, int micro_batches, int position) {
  const int last = model_chunks(kind, stages, 1) - 1;
  return (split_limit(kind, stages, micro_batches) * (last + 1 - position) + last) / (last + 1);
}

PassOrder split_order(ScheduleKind kind, int stages, int micro_batches, const PassRatios& ratios) {
  ListScheduler plain(kind, stages, micro_batches, ratios, false);
  ListScheduler alternating(kind, stages, micro_batches, ratios, true);
  return plain.run() <= alternating.run() ? plain.take() : alternating.take();
}

} // namespace orrery
