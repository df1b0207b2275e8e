#include "sim/engine/trace_replay.hpp"

#include "sim/engine/engine.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <functional>
#include <queue>

namespace orrery {

namespace {

using Index = std::uint32_t;
using Waiting = std::priority_queue<Index, std::vector<Index>, std::greater<>>;

class TraceSource final : public WorkSource {
public:
  explicit TraceSource(const ReplayGraph& graph)
      : graph_(graph), tasks_(graph.tasks.size()), transfers_(graph.transfers.size()), ranks_(static_cast<std::size_t>(graph.ranks)),
        queues_(graph.queues) {
    for (Index i = 0; i < graph.tasks.size(); ++i) {
      tasks_[i].missing = static_cast<Index>(graph.tasks[i].dependencies.size());
      for (const Index before : graph.tasks[i].dependencies)
        tasks_[before].successors.push_back(i);
    }
  }

  void start(WorkScheduler& scheduler) override {
    for (Index i = 0; i < tasks_.size(); ++i)
      if (tasks_[i].missing == 0)
        may_begin(i, scheduler);
    go_on(scheduler);
  }

  void completed(WorkId /*id*/, const Work& work, WorkScheduler& scheduler) override {
    const auto index = static_cast<Index>(work.tag >> 1U);
    if ((work.tag & 1U) != 0) {
      transfer_ended(index, scheduler);
    } else {
      const ReplayTask& task = graph_.tasks[index];
      account(task.rank, scheduler.now());
      ranks_[task.rank].lanes[static_cast<std::size_t>(task.lane)].busy = false;
      dirty_.push_back(task.rank);
      ended_.push_back(index);
    }
    go_on(scheduler);
  }

  Replay report(Seconds total) {
    Replay replay{.total = total};
    for (Index r = 0; r < ranks_.size(); ++r) {
      account(r, total);
      replay.ranks.push_back(ranks_[r].times);
    }
    for (Index i = 0; i < tasks_.size(); ++i) {
      assert(tasks_[i].done && "a graph without cycles ends");
      replay.begins.push_back(begin_of(i));
      replay.ends.push_back(tasks_[i].end);
    }
    replay.critical_path = critical_path();
    return replay;
  }

private:
  struct Task {
    Index missing = 0;      ///< dependencies that have not ended
    Index cause = no_index; ///< the task whose end let it begin
    bool carried = false;   ///< it ended with its transfer
    bool done = false;
    Seconds begin;
    Seconds end;
    std::vector<Index> successors;
  };
  struct Flow {
    Index arrived = 0;
    Index cause = no_index;
    bool running = false;
    bool ended = false;
    Seconds begin;
    std::vector<Index> members; ///< that wait for its end
  };
  /// Of a rank, or a queue of transfers: one runs at a time.
  struct Lane {
    bool busy = false;
    Waiting waiting;

    [[nodiscard]] bool may_run() const { return !busy && !waiting.empty(); }
    /// The next one, which runs from now on.
    Index run() {
      busy = true;
      const Index next = waiting.top();
      waiting.pop();
      return next;
    }
  };
  struct Rank {
    std::array<Lane, 3> lanes;
    int in_flight = 0;
    Seconds since;
    RankTimes times;
  };

  [[nodiscard]] Seconds begin_of(Index i) const { return tasks_[i].carried ? transfers_[graph_.tasks[i].transfer].begin : tasks_[i].begin; }

  /// Adds the time since the last change of a rank's state to what it was.
  void account(Index index, Seconds now) {
    Rank& rank = ranks_[index];
    const Seconds passed = now - rank.since;
    rank.since = now;
    if (rank.in_flight > 0)
      rank.times.communication += passed;
    if (rank.lanes[static_cast<std::size_t>(ReplayLane::device)].busy)
      rank.times.compute += passed;
    else if (rank.in_flight > 0)
      rank.times.exposed += passed;
    else if (rank.lanes[static_cast<std::size_t>(ReplayLane::host)].busy || rank.lanes[static_cast<std::size_t>(ReplayLane::memory)].busy)
      rank.times.host += passed;
    else
      rank.times.waiting += passed;
  }

  void may_begin(Index i, WorkScheduler& scheduler) {
    const ReplayTask& task = graph_.tasks[i];
    tasks_[i].cause = current_;
    tasks_[i].begin = scheduler.now();
    if (task.transfer != no_index) {
      join(i, scheduler);
    } else if (task.time == Seconds{}) {
      ended_.push_back(i);
    } else {
      ranks_[task.rank].lanes[static_cast<std::size_t>(task.lane)].waiting.push(i);
      dirty_.push_back(task.rank);
    }
  }

  void join(Index i, WorkScheduler& scheduler) {
    const ReplayTask& task = graph_.tasks[i];
    Flow& flow = transfers_[task.transfer];
    if (flow.ended) {
      ended_.push_back(i);
      return;
    }
    flow.members.push_back(i);
    if (flow.running) {
      account(task.rank, scheduler.now());
      ++ranks_[task.rank].in_flight;
    }
    const ReplayTransfer& transfer = graph_.transfers[task.transfer];
    if (!task.starts_transfer || ++flow.arrived < transfer.starters)
      return;
    flow.cause = current_;
    if (transfer.queue == no_index)
      return start_transfer(task.transfer, scheduler);
    queues_[transfer.queue].waiting.push(task.transfer);
    dirty_queues_.push_back(transfer.queue);
  }

  void start_transfer(Index index, WorkScheduler& scheduler) {
    const ReplayTransfer& transfer = graph_.transfers[index];
    Flow& flow = transfers_[index];
    flow.running = true;
    flow.begin = scheduler.now();
    for (const Index member : flow.members) {
      account(graph_.tasks[member].rank, scheduler.now());
      ++ranks_[graph_.tasks[member].rank].in_flight;
    }
    Work work{.actor = graph_.tasks[flow.members.front()].rank, .tag = (static_cast<std::uint64_t>(index) << 1U) | 1U};
    if (transfer.route == no_index || transfer.bytes <= Bytes{}) {
      work.rigid = transfer.time;
    } else {
      work.bytes = transfer.bytes;
      work.latency = transfer.latency;
      work.route = graph_.routes[transfer.route];
    }
    scheduler.submit(work);
  }

  void transfer_ended(Index index, WorkScheduler& scheduler) {
    Flow& flow = transfers_[index];
    flow.ended = true;
    flow.running = false;
    for (const Index member : flow.members) {
      account(graph_.tasks[member].rank, scheduler.now());
      --ranks_[graph_.tasks[member].rank].in_flight;
      tasks_[member].carried = true;
      ended_.push_back(member);
    }
    if (const Index queue = graph_.transfers[index].queue; queue != no_index) {
      queues_[queue].busy = false;
      dirty_queues_.push_back(queue);
    }
  }

  /// Ends what has ended, then fills the lanes and queues that this left free or gave work to.
  void go_on(WorkScheduler& scheduler) {
    while (!ended_.empty() || !dirty_.empty() || !dirty_queues_.empty()) {
      for (std::size_t k = 0; k < ended_.size(); ++k)
        end_task(ended_[k], scheduler);
      ended_.clear();
      for (const Index rank : dirty_)
        for (Lane& lane : ranks_[rank].lanes)
          fill(lane, rank, scheduler);
      dirty_.clear();
      for (const Index queue : dirty_queues_)
        if (queues_[queue].may_run()) {
          const Index next = queues_[queue].run();
          transfers_[next].cause = current_;
          start_transfer(next, scheduler);
        }
      dirty_queues_.clear();
    }
  }

  void end_task(Index i, WorkScheduler& scheduler) {
    Task& task = tasks_[i];
    task.done = true;
    task.end = scheduler.now();
    RankTimes& times = ranks_[graph_.tasks[i].rank].times;
    times.end = std::max(times.end, task.end);
    current_ = i;
    for (const Index next : task.successors)
      if (--tasks_[next].missing == 0)
        may_begin(next, scheduler);
  }

  void fill(Lane& lane, Index rank, WorkScheduler& scheduler) {
    if (!lane.may_run())
      return;
    account(rank, scheduler.now());
    const Index next = lane.run();
    // It may have been free to begin for long: then the end of the task before it on the lane is what it waited for.
    Task& task = tasks_[next];
    if (task.begin < scheduler.now())
      task.cause = current_;
    task.begin = scheduler.now();
    scheduler.submit({.actor = rank, .tag = static_cast<std::uint64_t>(next) << 1U, .rigid = graph_.tasks[next].time});
  }

  [[nodiscard]] std::vector<PathStep> critical_path() const {
    std::vector<PathStep> path;
    Index last = no_index;
    for (Index i = 0; i < tasks_.size(); ++i)
      if (last == no_index || tasks_[i].end > tasks_[last].end)
        last = i;
    while (last != no_index) {
      const Seconds begin = begin_of(last);
      if (tasks_[last].end > begin)
        path.push_back({last, begin, tasks_[last].end});
      last = tasks_[last].carried ? transfers_[graph_.tasks[last].transfer].cause : tasks_[last].cause;
    }
    std::ranges::reverse(path);
    return path;
  }

  const ReplayGraph& graph_;
  std::vector<Task> tasks_;
  std::vector<Flow> transfers_;
  std::vector<Rank> ranks_;
  std::vector<Lane> queues_;
  std::vector<Index> ended_; ///< to be ended now
  std::vector<Index> dirty_; ///< ranks whose lanes may have something to do
  std::vector<Index> dirty_queues_;
  Index current_ = no_index; ///< the task that ended last
};

} // namespace

Replay replay_trace(const ReplayGraph& graph) {
  TraceSource source(graph);
  Engine engine(graph.network);
  const Seconds total = engine.run(source);
  Replay replay = source.report(total);
  replay.events = engine.completed_count();
  return replay;
}

} // namespace orrery
