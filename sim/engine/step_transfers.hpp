// Who sends what to whom in a step: messages and collectives of the simulated stages, ready for the engine.
#pragma once

#include "models/cost.hpp"
#include "sim/engine/step_traffic.hpp"
#include "sim/engine/timeline.hpp"

#include <cstdint>
#include <vector>

namespace orrery {

/// One transfer: over shared links where its route names any, of its costed time otherwise.
struct Transfer {
  Seconds time;
  Seconds latency;
  Bytes bytes;
  std::vector<LinkLoad> route;
};

/// A collective and the stages (of replicas) that must be there before it starts.
struct Meeting {
  Transfer transfer;
  SpanKind kind = SpanKind::reduction;
  int position = 0; ///< in the list of its first member's stage
  bool overlapped = false;
  std::vector<std::uint32_t> members; ///< lanes
  std::uint32_t joined = 0;
  bool ended = false;
  double begin = 0;
};

/// A lane is one stage of one simulated replica: replica * stages + stage.
struct StepTransfers {
  Network network;
  std::vector<std::vector<Transfer>> messages; ///< by lane and index of CostedStage::message()
  std::vector<Meeting> meetings;
  std::vector<std::vector<std::uint32_t>> reductions; ///< by lane: indices into meetings
  std::vector<std::vector<std::uint32_t>> gathers;
};

/// `traffic` may be null. Links that only one transfer loads are left out of its route; one link of its own keeps it to its costed
/// bandwidth.
StepTransfers plan_transfers(const CostedGraph& graph, int simulated_replicas, const StepTraffic* traffic);

} // namespace orrery
