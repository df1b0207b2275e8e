// What a simulated training step looked like.
#pragma once

#include "models/training_estimate.hpp"
#include "sim/base/units.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace orrery {

enum class Stream { compute, communication };

enum class SpanKind { forward, backward, weight, send, reduction, optimizer, gather, host };

/// One thing that a stage of a replica did.
struct TimelineSpan {
  int stage = 0;
  int replica = 0;
  Stream stream = Stream::compute;
  SpanKind kind = SpanKind::forward;
  int chunk = 0;       ///< of a pass or a send; position in the stage's list for reductions and gathers
  int micro_batch = 0; ///< of a pass or a send
  Seconds begin;
  Seconds end;
};

struct LinkTraffic {
  std::string link;
  Bytes delivered;
};

struct StepTimeline {
  Seconds step;
  std::vector<StageTimes> stages;   ///< mean over the replicas; the parts of each add up to `step`
  std::vector<TimelineSpan> spans;  ///< in the order in which they ended; empty unless recorded
  std::vector<LinkTraffic> traffic; ///< of the flows, by link
  int replicas = 1;
  int simulated_replicas = 1;
  std::uint64_t events = 0;

  /// What was simulated once on behalf of many.
  [[nodiscard]] std::string fold() const;
};

} // namespace orrery
