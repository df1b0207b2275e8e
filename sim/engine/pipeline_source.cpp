#include "sim/engine/pipeline_source.hpp"

#include "sim/engine/noise.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {

namespace {

SpanKind span_kind(PassKind kind) {
  return kind == PassKind::forward ? SpanKind::forward : kind == PassKind::backward ? SpanKind::backward : SpanKind::weight;
}

} // namespace

PipelineSource::PipelineSource(const CostedGraph& graph, const StepOptions& options)
    : graph_(graph), options_(options), stages_(static_cast<int>(graph.stages.size())),
      transfers_(plan_transfers(graph, static_cast<int>(std::max<std::size_t>(1, options.weights.size())), options.traffic)),
      lanes_(transfers_.messages.size()), barrier_(has_optimizer_barrier(graph.schedule)) {
  build_orders();
  arrived_.resize(lanes_.size() * longest_order_);
  if (options.record)
    send_begins_.resize(lanes_.size() * longest_order_);
}

void PipelineSource::build_orders() {
  const int last = model_chunks(graph_.schedule, stages_, graph_.virtual_stages) - 1;
  const PassOrder order = step_order(graph_, graph_.micro_batches);
  // Places in the stages' orders, by stage, chunk, direction and micro-batch.
  const auto micro_batches = static_cast<std::size_t>(graph_.micro_batches);
  std::vector<std::uint32_t> places(static_cast<std::size_t>(stages_ * graph_.virtual_stages) * 2 * micro_batches);
  const auto place = [&](ChunkPlace at, const Slot& slot) -> std::uint32_t& {
    const std::size_t line = static_cast<std::size_t>(at.stage * graph_.virtual_stages + at.chunk) * 2;
    return places[(line + (slot.kind == PassKind::backward ? 1 : 0)) * micro_batches + static_cast<std::size_t>(slot.micro_batch)];
  };
  for (int s = 0; s < stages_; ++s) {
    const std::span<const Slot> slots = order.of(s);
    longest_order_ = std::max(longest_order_, slots.size());
    last_gradients_.push_back(last_gradient_pass(order, graph_.schedule, graph_.micro_batches, s));
    for (std::uint32_t i = 0; i < slots.size(); ++i)
      if (slots[i].kind != PassKind::weight)
        place({s, slots[i].chunk}, slots[i]) = i;
  }
  for (int s = 0; s < stages_; ++s) {
    std::vector<Pass> passes;
    passes.reserve(order.of(s).size());
    for (const Slot& slot : order.of(s)) {
      Pass& pass = passes.emplace_back(Pass{.micro_batch = slot.micro_batch, .chunk = slot.chunk, .kind = slot.kind});
      if (slot.kind == PassKind::weight)
        continue;
      pass.needs_input = chunk_at(graph_.schedule, stages_, s, slot.chunk) != (pass.backward() ? last : 0);
      pass.output = pass_output(graph_, order, s, slot);
      if (pass.output)
        pass.feeds = place(pass.output->to, slot);
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

std::size_t PipelineSource::kind_of(std::uint32_t lane, const Pass& pass) const {
  const std::size_t chunk =
      static_cast<std::size_t>(stage_of(lane)) * static_cast<std::size_t>(graph_.virtual_stages) + static_cast<std::size_t>(pass.chunk);
  return chunk * 3 + static_cast<std::size_t>(pass.kind);
}

double PipelineSource::load_of(std::uint32_t lane, const Pass& pass) const {
  const PassLoads& loads = options_.loads;
  if (loads.factors.empty())
    return 1;
  const std::size_t replica = lane / static_cast<std::size_t>(stages_);
  const double factor =
      loads.factors[replica * static_cast<std::size_t>(graph_.micro_batches) + static_cast<std::size_t>(pass.micro_batch)];
  return 1 + loads.shares[kind_of(lane, pass)] * (factor - 1);
}

PassNoise PipelineSource::noise_of(std::uint32_t lane, const Pass& pass) const {
  if (options_.noise.empty())
    return {.spread = options_.jitter};
  const PassNoise& kernels = options_.noise[kind_of(lane, pass)];
  return {.mean = kernels.mean, .spread = std::hypot(options_.jitter, kernels.spread)};
}

void PipelineSource::try_pass(std::uint32_t lane, WorkScheduler& scheduler) {
  Lane& state = lanes_[lane];
  const std::vector<Pass>& passes = order(lane);
  if (state.busy || state.next == passes.size())
    return;
  const Pass& pass = passes[state.next];
  if (pass.needs_input && arrived(lane, state.next) == 0)
    return;
  const double now = scheduler.now().si();
  state.bubble += now - state.idle_since;
  state.begin = now;
  if (state.next == 0)
    state.step_begin = now;
  state.busy = true;
  if (state.next == last_gradients_[static_cast<std::size_t>(stage_of(lane))])
    start_overlapped(lane, scheduler);
  const CostedChunk& chunk = costs(lane).chunks[static_cast<std::size_t>(pass.chunk)];
  const PassNoise noise = noise_of(lane, pass);
  const double factor = noise.spread > 0 ? noise.mean * log_normal_factor(noise.spread, options_.seed, lane, state.next) : noise.mean;
  const double load = load_of(lane, pass);
  const Span& span = pass.kind == PassKind::forward ? chunk.forward : pass.backward() ? chunk.backward : chunk.weight;
  submit_span(Event::pass, lane, span, factor * load, scheduler);
}

void PipelineSource::pass_ended(std::uint32_t lane, WorkScheduler& scheduler) {
  Lane& state = lanes_[lane];
  const std::uint32_t index = state.next++;
  const Pass& pass = order(lane)[index];
  const double now = scheduler.now().si();
  record(lane, Stream::compute, span_kind(pass.kind), pass.chunk, pass.micro_batch, state.begin, now);
  state.compute += now - state.begin;
  state.begin = now;
  if (!pass.output)
    return go_on(lane, scheduler);
  if (options_.record)
    send_begin(lane, index) = now;
  const Transfer* transfer = message(lane, pass);
  if (transfer == nullptr || transfer->bytes == Bytes{})
    return message_arrived(lane, index, scheduler);
  submit_transfer(Event::message, lane, index, *transfer, scheduler);
  if (graph_.overlap_p2p)
    go_on(lane, scheduler);
}

void PipelineSource::message_arrived(std::uint32_t lane, std::uint32_t index, WorkScheduler& scheduler) {
  Lane& state = lanes_[lane];
  const Pass& pass = order(lane)[index];
  const double now = scheduler.now().si();
  const ChunkPlace to = pass.output->to;
  const std::uint32_t receiver = lane - static_cast<std::uint32_t>(stage_of(lane)) + static_cast<std::uint32_t>(to.stage);
  arrived(receiver, pass.feeds) = 1;
  const Transfer* transfer = message(lane, pass);
  const bool held = !graph_.overlap_p2p || transfer == nullptr || transfer->bytes == Bytes{};
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
  submit_wait(Event::last_bucket, lane, felt_beside_passes(meeting.transfer.time, meeting.transfer.latency), scheduler);
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
  if (!barrier_)
    return update(lane, scheduler);
  if (++at_barrier_ < lanes_.size())
    return;
  for (std::uint32_t each = 0; each < lanes_.size(); ++each)
    update(each, scheduler);
}

void PipelineSource::update(std::uint32_t lane, WorkScheduler& scheduler) {
  Lane& state = lanes_[lane];
  const double now = scheduler.now().si();
  state.bubble += now - state.phase_begin;
  state.phase_begin = now;
  submit_span(Event::optimizer, lane, costs(lane).optimizer, 1.0, scheduler);
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
  submit_wait(Event::gather_latency, lane, felt_gather(graph_, costs(lane), meeting.transfer.time, meeting.transfer.latency), scheduler);
}

void PipelineSource::finish(std::uint32_t lane, WorkScheduler& scheduler) {
  Lane& state = lanes_[lane];
  const double now = scheduler.now().si();
  state.gather = now - state.phase_begin;
  state.phase_begin = now;
  state.phase = Phase::finished;
  longest_ = std::max(longest_, now - state.step_begin);
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
    const double weight = options_.weights.empty() ? 1 : options_.weights[lane / static_cast<std::size_t>(stages_)];
    times.compute += Seconds{weight * state.compute};
    times.send += Seconds{weight * state.send};
    times.bubble += Seconds{weight * state.bubble};
    times.reduction += Seconds{weight * state.reduction};
    times.optimizer += Seconds{weight * state.optimizer};
    times.gather += Seconds{weight * state.gather};
  }
  for (StageTimes& times : timeline.stages) {
    for (Seconds* part : {&times.compute, &times.send, &times.bubble, &times.reduction, &times.optimizer, &times.gather})
      *part /= options_.weights.empty() ? 1 : timeline.replicas;
    times.host = graph_.step_host;
    // Where stages do not wait for each other, each waits for itself alone.
    if (!barrier_)
      times.bubble = timeline.step - times.compute - times.send - times.reduction - times.optimizer - times.gather - times.host;
  }
  timeline.spans = std::move(spans_);
}

} // namespace orrery
