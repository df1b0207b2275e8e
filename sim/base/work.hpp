// The interface between the engine and whatever decides work while time runs: schedulers, routers, recovery and power policies, pipeline
// replays.
#pragma once

#include "sim/base/units.hpp"

#include <cstdint>
#include <vector>

namespace orrery {

/// One load of a flow on one link of the engine's network. Weight 2 means that the flow's bytes cross the link twice.
struct LinkLoad {
  std::uint32_t link = 0;
  std::uint32_t weight = 1;
};

/// One piece of costed work. Either a kernel-like span (stretchable + rigid seconds) or a flow (bytes over links), never both.
struct Work {
  std::uint32_t actor = 0;     ///< whose clock stretches it; also the row it is drawn on in a trace
  std::uint64_t tag = 0;       ///< the source's own name for it; the engine hands it back untouched
  Seconds stretchable;         ///< time at clock 1.0 that scales with 1 / clock
  Seconds rigid;               ///< time that no clock changes (memory, network, latency)
  Bytes bytes;                 ///< of a flow, per unit of weight
  Seconds latency;             ///< start delay of a flow
  std::vector<LinkLoad> route; ///< empty = not a flow
};

using WorkId = std::uint64_t;

/// What a source may ask of the engine while it is called.
class WorkScheduler {
public:
  virtual ~WorkScheduler() = default;
  [[nodiscard]] virtual Seconds now() const = 0;
  /// Starts `work` now. Work of no length completes at the current time, after the present callback.
  virtual WorkId submit(const Work& work) = 0;
  /// Ends work in flight without completing it (a failure). Unknown or finished ids are ignored.
  virtual void stop(WorkId id) = 0;
  /// Sets the relative clock of an actor from now on: the stretchable part of its work in flight is re-scaled.
  virtual void set_clock(std::uint32_t actor, double clock) = 0;
};

/// Decides work. The engine calls it, and knows none by name.
class WorkSource {
public:
  virtual ~WorkSource() = default;
  virtual void start(WorkScheduler& scheduler) = 0;
  virtual void completed(WorkId id, const Work& work, WorkScheduler& scheduler) = 0;
};

} // namespace orrery
