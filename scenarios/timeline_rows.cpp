#include "scenarios/timeline_rows.hpp"

#include "models/memory.hpp"
#include "models/power.hpp"
#include "workloads/schedule.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

namespace orrery {

namespace {

/// Memory of one device of a stage as its passes come and go.
class StageMemory {
public:
  StageMemory(const Stages& stages, std::size_t stage, const MemoryFootprint& peak)
      : graph_(stages.graph), stage_(stages.graph.stages[stage]), held_(peak.total() - peak.activations) {}

  Bytes after(const TimelineSpan& span) {
    if (span.kind == SpanKind::forward)
      held_ += kept(span.chunk);
    return held_;
  }
  void end(const TimelineSpan& span) {
    if (span.kind == (splits_backward(graph_.schedule) ? SpanKind::weight : SpanKind::backward))
      held_ -= kept(span.chunk);
  }

private:
  [[nodiscard]] Bytes kept(int virtual_stage) const {
    Bytes bytes;
    for (const BlockUse& use : graph_.chunks[static_cast<std::size_t>(stage_.chunks[static_cast<std::size_t>(virtual_stage)])].blocks)
      bytes += graph_.blocks[static_cast<std::size_t>(use.block)].activations * use.count;
    return bytes;
  }

  const OpGraph& graph_;
  const Stage& stage_;
  Bytes held_;
};

std::string name_of(const TimelineSpan& span, const CostedStage& stage) {
  switch (span.kind) {
  case SpanKind::forward:
    return fmt::format("F{}.{}", span.micro_batch, span.chunk);
  case SpanKind::backward:
    return fmt::format("B{}.{}", span.micro_batch, span.chunk);
  case SpanKind::weight:
    return fmt::format("W{}.{}", span.micro_batch, span.chunk);
  case SpanKind::send:
    return fmt::format("send {}.{}", span.micro_batch, span.chunk);
  case SpanKind::reduction:
    return stage.reductions[static_cast<std::size_t>(span.chunk)].name;
  case SpanKind::optimizer:
    return "optimizer";
  case SpanKind::gather:
    return stage.gathers[static_cast<std::size_t>(span.chunk)].name;
  case SpanKind::host:
    return "framework";
  }
  return {};
}

Watts power_of(const TimelineSpan& span, const CostedStage& stage, Watts waiting) {
  const auto chunk = static_cast<std::size_t>(span.chunk);
  switch (span.kind) {
  case SpanKind::forward:
    return stage.chunks[chunk].forward.power;
  case SpanKind::backward:
    return stage.chunks[chunk].backward.power;
  case SpanKind::weight:
    return stage.chunks[chunk].weight.power;
  case SpanKind::optimizer:
    return stage.optimizer.power;
  default:
    return waiting;
  }
}

} // namespace

std::vector<RecordedSpan> timeline_rows(const StepTimeline& timeline, const Scenario& scenario, const Stages& stages) {
  std::vector<TimelineSpan> spans = timeline.spans;
  std::stable_sort(spans.begin(), spans.end(), [](const TimelineSpan& a, const TimelineSpan& b) {
    return std::tuple(a.begin.si(), a.replica, a.stage, a.end.si()) < std::tuple(b.begin.si(), b.replica, b.stage, b.end.si());
  });
  const Watts waiting = waiting_power(stages.power);
  const std::vector<MemoryFootprint> footprint = memory_footprint(stages.graph, scenario.software);
  std::map<std::pair<int, int>, StageMemory> memory;
  std::vector<RecordedSpan> rows;
  rows.reserve(spans.size());
  for (const TimelineSpan& span : spans) {
    const auto stage = static_cast<std::size_t>(span.stage);
    StageMemory& held = memory.try_emplace({span.replica, span.stage}, stages, stage, footprint[stage]).first->second;
    rows.push_back({.replica = span.replica,
                    .stage = span.stage,
                    .stream = span.stream == Stream::compute ? "compute" : "communication",
                    .name = name_of(span, stages.costs.stages[stage]),
                    .micro_batch = span.kind <= SpanKind::weight ? span.micro_batch : -1,
                    .begin = span.begin,
                    .end = span.end,
                    .power = power_of(span, stages.costs.stages[stage], waiting),
                    .memory = held.after(span)});
    held.end(span);
  }
  return rows;
}

} // namespace orrery
