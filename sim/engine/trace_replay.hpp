// Replay of an execution trace: what every rank recorded, with its dependencies, on the engine's clock.
//
// What:    spans on the lanes of a rank, and transfers between ranks.
// Semantics:
//   - A task may begin when all its dependencies have ended. Each lane of a rank (device, host, memory) runs one task at a time, of those
//     that may begin the one that comes first in the list.
//   - A collective starts when all its members may begin; those of one group run one at a time. It ends for all members at once.
//   - A message leaves when its send may begin, whether or not the receive waits for it (buffered). It ends the send when it has arrived,
//     and the receive as soon as that may begin, too.
//   - A transfer with a route shares the links with others; one without takes its costed time.
// Precondition: the tasks together with the transfers that join them have no cycle (scenarios/traces/trace_graph.hpp reports one).
// Error:   none against its inputs; what ran beside what is decided anew, not taken from the recorded start times.
#pragma once

#include "sim/base/work.hpp"
#include "sim/engine/network.hpp"

#include <cstdint>
#include <vector>

namespace orrery {

enum class ReplayLane : std::uint8_t { device, host, memory };

inline constexpr std::uint32_t no_index = ~0U;

struct ReplayTask {
  std::uint32_t rank = 0;
  ReplayLane lane = ReplayLane::device;
  Seconds time;                      ///< on its lane; 0 = no lane is needed
  std::uint32_t transfer = no_index; ///< that it is a part of, instead of a time
  bool starts_transfer = true;       ///< the transfer waits for it; not so for a receive
  std::vector<std::uint32_t> dependencies;
};

struct ReplayTransfer {
  Seconds latency;
  Seconds time; ///< with nothing else on its links
  Bytes bytes;  ///< over its route
  std::uint32_t route = no_index;
  std::uint32_t queue = no_index; ///< transfers of one queue run one at a time
  std::uint32_t starters = 0;     ///< tasks that it waits for
};

struct ReplayGraph {
  int ranks = 0;
  std::vector<ReplayTask> tasks;
  std::vector<ReplayTransfer> transfers;
  std::uint32_t queues = 0;
  Network network;
  std::vector<std::vector<LinkLoad>> routes;
};

/// Where the time of a rank goes. compute + exposed + host + waiting = the whole.
struct RankTimes {
  Seconds compute; ///< the device lane is busy
  Seconds exposed; ///< a transfer of the rank is in flight, and the device is not busy
  Seconds host;    ///< nothing of both, but the host or memory lane is busy
  Seconds waiting;
  Seconds communication; ///< a transfer of the rank is in flight, hidden or not
  Seconds end;           ///< of its last task
};

/// One task of the longest chain; it begins where the one before ends.
struct PathStep {
  std::uint32_t task = 0;
  Seconds begin;
  Seconds end;
};

struct Replay {
  Seconds total;
  std::vector<RankTimes> ranks;
  std::vector<Seconds> begins; ///< by task: when its span, or its transfer, began
  std::vector<Seconds> ends;
  std::vector<PathStep> critical_path; ///< of the tasks that take time, from zero to `total`
  std::uint64_t events = 0;
};

Replay replay_trace(const ReplayGraph& graph);

} // namespace orrery
