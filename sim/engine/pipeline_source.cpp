#include "sim/engine/pipeline_source.hpp"

#include "sim/engine/noise.hpp"
#include "workloads/schedule.hpp"

#include <algorithm>

namespace orrery {

namespace {

int simulated_replicas(const CostedGraph& graph, const StepOptions& options) { return options.unfold_replicas ? graph.replicas : 1; }

} // namespace

PipelineSource::PipelineSource(const CostedGraph& graph, const StepOptions& options)
    : graph_(graph), options_(options), stages_(static_cast<int>(graph.stages.size())),
      transfers_(plan_transfers(graph, simulated_replicas(graph, options), options.traffic)), lanes_(transfers_.messages.size()),
      arrived_(lanes_.size() * static_cast<std::size_t>(graph.virtual_stages) * 2, 0) {
  build_orders();
  if (options.record)
    send_begins_.resize(lanes_.size() * orders_.front().size());
}

void PipelineSource::build_orders() {
  const int last = stages_ * graph_.virtual_stages - 1;
  for (int s = 0; s < stages_; ++s) {
    std::vector<Pass> passes;
    std::vector<std::int32_t> count(static_cast<std::size_t>(graph_.virtual_stages) * 2, 0);
    for (const Slot& slot : schedule_order(graph_.schedule, stages_, graph_.virtual_stages, graph_.micro_batches, s)) {
      const int index = slot.chunk * stages_ + s;
      const int outer = slot.backward ? last : 0;
      const int inner = last - outer;
      passes.push_back({.micro_batch = slot.micro_batch,
                        .ordinal = count[static_cast<std::size_t>(slot.chunk) * 2 + (slot.backward ? 1 : 0)]++,
                        .chunk = slot.chunk,
                        .backward = slot.backward,
                        .needs_input = index != outer,
                        .sends = index != inner});
    }
    orders_.push_back(std::move(passes));
  }
}

void PipelineSource::start(WorkScheduler& scheduler) {
  if (!options_.clocks.empty())
    for (std::uint32_t lane = 0; lane < lanes_.size(); ++lane)
      scheduler.set_clock(lane, options_.clocks[lane % options_.clocks.size()]);
  for (std::uint32_t lane = 0; lane < lanes_.size(); ++lane)
    go_on(lane, scheduler);
}

void PipelineSource::completed(WorkId /*id*/, const Work& work, WorkScheduler& scheduler) {
  const auto argument = static_cast<std::uint32_t>(work.tag);
  const std::uint32_t lane = work.actor;
  switch (static_cast<Event>(work.tag >> 32)) {
  case Event::pass:
    return pass_ended(lane, scheduler);
  case Event::message:
    return message_arrived(lane, argument, scheduler);
  case Event::collective:
    return meeting_ended(argument, scheduler);
  case Event::last_bucket:
    lanes_[lane].in_last_bucket = false;
    return reduction_may_end(lane, scheduler);
  case Event::optimizer:
    return update_ended(lane, scheduler);
  case Event::gather_latency:
    ++lanes_[lane].next;
    return run_gathers(lane, scheduler);
  case Event::host:
    return;
  }
}

void PipelineSource::submit_span(Event event, std::uint32_t lane, const Span& span, double factor, WorkScheduler& scheduler) {
  work_.actor = lane;
  work_.tag = static_cast<std::uint64_t>(event) << 32;
  work_.stretchable = span.stretchable * factor;
  work_.rigid = span.rigid * factor;
  scheduler.submit(work_);
}

void PipelineSource::submit_wait(Event event, std::uint32_t lane, Seconds time, WorkScheduler& scheduler) {
  scheduler.submit({.actor = lane, .tag = static_cast<std::uint64_t>(event) << 32, .rigid = time});
}

void PipelineSource::submit_transfer(Event event, std::uint32_t lane, std::uint32_t argument, const Transfer& transfer,
                                     WorkScheduler& scheduler) {
  const std::uint64_t tag = (static_cast<std::uint64_t>(event) << 32) | argument;
  if (transfer.route.empty())
    scheduler.submit({.actor = lane, .tag = tag, .rigid = transfer.time});
  else
    scheduler.submit({.actor = lane, .tag = tag, .bytes = transfer.bytes, .latency = transfer.latency, .route = transfer.route});
}

void PipelineSource::try_pass(std::uint32_t lane, WorkScheduler& scheduler) {
  Lane& state = lanes_[lane];
  const std::vector<Pass>& passes = order(lane);
  if (state.busy || state.next == passes.size())
    return;
  const Pass& pass = passes[state.next];
  if (pass.needs_input && arrived(lane, pass.chunk, pass.backward) <= pass.ordinal)
    return;
  const double now = scheduler.now().si();
  state.bubble += now - state.idle_since;
  state.begin = now;
  state.busy = true;
  if (pass.backward && pass.micro_batch == graph_.micro_batches - 1 && !state.overlapped_started)
    start_overlapped(lane, scheduler);
  const CostedChunk& chunk = costs(lane).chunks[static_cast<std::size_t>(pass.chunk)];
  const double factor = options_.jitter > 0 ? log_normal_factor(options_.jitter, options_.seed, lane, state.next) : 1.0;
  submit_span(Event::pass, lane, pass.backward ? chunk.backward : chunk.forward, factor, scheduler);
}

void PipelineSource::pass_ended(std::uint32_t lane, WorkScheduler& scheduler) {
  Lane& state = lanes_[lane];
  const std::uint32_t index = state.next++;
  const Pass& pass = order(lane)[index];
  const double now = scheduler.now().si();
  record(lane, Stream::compute, pass.backward ? SpanKind::backward : SpanKind::forward, pass.chunk, pass.micro_batch, state.begin, now);
  state.compute += now - state.begin;
  state.begin = now;
  const bool holds = pass.sends && !graph_.overlap_p2p;
  if (pass.sends) {
    if (options_.record)
      send_begin(lane, index) = now;
    const Transfer& message = transfers_.messages[lane][pass.backward ? 1 : 0];
    if (message.bytes > Bytes{})
      submit_transfer(Event::message, lane, index, message, scheduler);
    else
      return message_arrived(lane, index, scheduler);
  }
  if (!holds)
    go_on(lane, scheduler);
}

void PipelineSource::message_arrived(std::uint32_t lane, std::uint32_t index, WorkScheduler& scheduler) {
  Lane& state = lanes_[lane];
  const Pass& pass = order(lane)[index];
  const double now = scheduler.now().si();
  const int total = stages_ * graph_.virtual_stages;
  const int target = pass.chunk * stages_ + stage_of(lane) + (pass.backward ? -1 : 1);
  const auto receiver = lane - static_cast<std::uint32_t>(stage_of(lane)) + static_cast<std::uint32_t>(target % stages_);
  if (target >= 0 && target < total)
    ++arrived(receiver, target / stages_, pass.backward);
  const bool held = !graph_.overlap_p2p || transfers_.messages[lane][pass.backward ? 1 : 0].bytes == Bytes{};
  if (options_.record)
    record(lane, Stream::communication, SpanKind::send, pass.chunk, pass.micro_batch, send_begin(lane, index), now);
  if (held) {
    state.send += now - state.begin;
    go_on(lane, scheduler);
  }
  if (receiver != lane || !held)
    try_pass(receiver, scheduler);
}

void PipelineSource::go_on(std::uint32_t lane, WorkScheduler& scheduler) {
  Lane& state = lanes_[lane];
  state.busy = false;
  state.idle_since = scheduler.now().si();
  if (state.next < order(lane).size()) {
    try_pass(lane, scheduler);
    return;
  }
  state.busy = true;
  state.next = 0;
  state.phase = Phase::reductions;
  state.phase_begin = state.idle_since;
  run_reductions(lane, scheduler);
}

void PipelineSource::start_overlapped(std::uint32_t lane, WorkScheduler& scheduler) {
  lanes_[lane].overlapped_started = true;
  for (const std::uint32_t index : transfers_.reductions[lane])
    if (transfers_.meetings[index].overlapped)
      join(index, scheduler);
}

void PipelineSource::run_reductions(std::uint32_t lane, WorkScheduler& scheduler) {
  Lane& state = lanes_[lane];
  const std::vector<std::uint32_t>& list = transfers_.reductions[lane];
  if (state.next == list.size())
    return reach_barrier(lane, scheduler);
  const Meeting& meeting = transfers_.meetings[list[state.next]];
  if (!meeting.overlapped)
    return join(list[state.next], scheduler);
  state.in_last_bucket = true;
  submit_wait(Event::last_bucket, lane, meeting.transfer.latency, scheduler);
}

void PipelineSource::reduction_may_end(std::uint32_t lane, WorkScheduler& scheduler) {
  Lane& state = lanes_[lane];
  if (state.in_last_bucket || !transfers_.meetings[transfers_.reductions[lane][state.next]].ended)
    return;
  ++state.next;
  run_reductions(lane, scheduler);
}

void PipelineSource::join(std::uint32_t index, WorkScheduler& scheduler) {
  Meeting& meeting = transfers_.meetings[index];
  if (++meeting.joined < meeting.members.size())
    return;
  meeting.begin = scheduler.now().si();
  submit_transfer(Event::collective, meeting.members.front(), index, meeting.transfer, scheduler);
}

void PipelineSource::meeting_ended(std::uint32_t index, WorkScheduler& scheduler) {
  Meeting& meeting = transfers_.meetings[index];
  meeting.ended = true;
  const double now = scheduler.now().si();
  for (const std::uint32_t lane : meeting.members) {
    record(lane, Stream::communication, meeting.kind, meeting.position, 0, meeting.begin, now);
    Lane& state = lanes_[lane];
    if (meeting.kind == SpanKind::gather) {
      ++state.next;
      run_gathers(lane, scheduler);
    } else if (state.phase == Phase::reductions && transfers_.reductions[lane][state.next] == index) {
      reduction_may_end(lane, scheduler);
    }
  }
}

void PipelineSource::reach_barrier(std::uint32_t lane, WorkScheduler& scheduler) {
  Lane& state = lanes_[lane];
  const double now = scheduler.now().si();
  state.reduction = now - state.phase_begin;
  state.phase_begin = now;
  state.phase = Phase::update;
  if (++at_barrier_ < lanes_.size())
    return;
  for (std::uint32_t each = 0; each < lanes_.size(); ++each) {
    lanes_[each].bubble += now - lanes_[each].phase_begin;
    lanes_[each].phase_begin = now;
    submit_span(Event::optimizer, each, costs(each).optimizer, 1.0, scheduler);
  }
}

void PipelineSource::update_ended(std::uint32_t lane, WorkScheduler& scheduler) {
  Lane& state = lanes_[lane];
  const double now = scheduler.now().si();
  record(lane, Stream::compute, SpanKind::optimizer, 0, 0, state.phase_begin, now);
  state.optimizer = now - state.phase_begin;
  state.phase_begin = now;
  state.phase = Phase::gathers;
  state.next = 0;
  run_gathers(lane, scheduler);
}

void PipelineSource::run_gathers(std::uint32_t lane, WorkScheduler& scheduler) {
  const std::uint32_t next = lanes_[lane].next;
  if (next == transfers_.gathers[lane].size())
    return finish(lane, scheduler);
  const std::uint32_t index = transfers_.gathers[lane][next];
  const Meeting& meeting = transfers_.meetings[index];
  if (!meeting.overlapped)
    return join(index, scheduler);
  submit_wait(Event::gather_latency, lane, meeting.transfer.latency, scheduler);
}

void PipelineSource::finish(std::uint32_t lane, WorkScheduler& scheduler) {
  Lane& state = lanes_[lane];
  const double now = scheduler.now().si();
  state.gather = now - state.phase_begin;
  state.phase_begin = now;
  state.phase = Phase::finished;
  if (++finished_ < lanes_.size())
    return;
  for (std::uint32_t each = 0; each < lanes_.size(); ++each) {
    lanes_[each].bubble += now - lanes_[each].phase_begin;
    record(each, Stream::compute, SpanKind::host, 0, 0, now, now + graph_.step_host.si());
  }
  submit_wait(Event::host, 0, graph_.step_host, scheduler);
}

void PipelineSource::record(std::uint32_t lane, Stream stream, SpanKind kind, int chunk, int micro_batch, double begin, double end) {
  if (!options_.record || begin == end)
    return;
  spans_.push_back({.stage = stage_of(lane),
                    .replica = static_cast<int>(lane) / stages_,
                    .stream = stream,
                    .kind = kind,
                    .chunk = chunk,
                    .micro_batch = micro_batch,
                    .begin = Seconds{begin},
                    .end = Seconds{end}});
}

void PipelineSource::report(StepTimeline& timeline) {
  timeline.simulated_replicas = static_cast<int>(lanes_.size()) / stages_;
  timeline.stages.assign(graph_.stages.size(), {});
  for (std::uint32_t lane = 0; lane < lanes_.size(); ++lane) {
    const Lane& state = lanes_[lane];
    StageTimes& times = timeline.stages[static_cast<std::size_t>(stage_of(lane))];
    times.compute += Seconds{state.compute};
    times.send += Seconds{state.send};
    times.bubble += Seconds{state.bubble};
    times.reduction += Seconds{state.reduction};
    times.optimizer += Seconds{state.optimizer};
    times.gather += Seconds{state.gather};
  }
  for (StageTimes& times : timeline.stages) {
    for (Seconds* part : {&times.compute, &times.send, &times.bubble, &times.reduction, &times.optimizer, &times.gather})
      *part /= timeline.simulated_replicas;
    times.host = graph_.step_host;
  }
  timeline.spans = std::move(spans_);
}

} // namespace orrery
