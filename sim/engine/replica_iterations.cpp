// What a replica computes next, and what becomes of it.
#include "sim/engine/replica.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace orrery {

/// Iterations until a sequence ends or memory runs out; the growth of the first one is charged already.
std::int64_t Replica::quiet_iterations(Slot& slot) const {
  while (!lives(slot.endings.front().member)) {
    std::pop_heap(slot.endings.begin(), slot.endings.end());
    slot.endings.pop_back();
  }
  const auto count = static_cast<std::int64_t>(slot.endings.front().clock - slot.clock);
  if (!grows())
    return count;
  std::int64_t left = memory_->room();
  const auto block = static_cast<std::int64_t>(memory_->block);
  // A block's worth of iterations takes one block for each sequence.
  const std::int64_t cycles = std::min(left / slot.batch, count / block);
  left -= cycles * slot.batch;
  std::int64_t quiet = 1 + cycles * block;
  while (quiet < count) {
    left -= growth_at(slot, slot.clock + static_cast<std::uint64_t>(quiet));
    if (left < 0)
      break;
    ++quiet;
  }
  return std::min(quiet, count);
}

Launch Replica::price(Slot& slot, bool skip) const {
  const auto batch = static_cast<int>(slot.decodes ? slot.batch : 0);
  const double context = batch > 0 ? slot.context / batch : 0;
  if (!slot.chunks.empty())
    return {slot.model->cost(slot.chunks, batch, context), 1};
  const DecodeCurve& curve = slot.model->decode(batch);
  // Other batches in the same memory may take what this one would grow into.
  std::int64_t count = skip && slots_.size() == 1 && memory_->replicas == 1 ? quiet_iterations(slot) : 1;
  if (spec_.fairness && !is_static()) {
    const auto every = static_cast<std::uint64_t>(spec_.fairness->every);
    count = std::min(count, static_cast<std::int64_t>(every - totals_.iterations % every));
  }
  if (waiting_count_ > 0 && spec_.policy.poll_iterations > 1)
    count = std::min(count, 1 + until_poll(slot, 1));
  return {count == 1 ? curve.at(context) : curve.sum(context, count, spec_.tokens_per_iteration), count};
}

/// Charges the growth of the launched iterations up to the `until`-th.
void Replica::grow(Slot& slot, std::int64_t until) {
  if (!grows() || slot.grown >= until)
    return;
  const auto block = static_cast<std::int64_t>(memory_->block);
  const std::int64_t cycles = (until - slot.grown) / block;
  std::int64_t growth = cycles * slot.batch;
  for (slot.grown += cycles * block; slot.grown < until; ++slot.grown)
    growth += growth_at(slot, slot.clock + static_cast<std::uint64_t>(slot.grown));
  memory_->charge(growth);
}

std::int64_t Replica::begun(const Slot& slot, Seconds elapsed) const {
  const DecodeCurve& curve = slot.model->decode(static_cast<int>(slot.batch));
  const double context = slot.context / static_cast<double>(slot.batch);
  const std::int64_t most = slot.launched.iterations - 1;
  return curve.within(context, elapsed - slot.launched.delay, most, spec_.tokens_per_iteration) + 1;
}

void Replica::settle(std::size_t index, Seconds elapsed) {
  Slot& slot = slots_[index];
  if (slot.busy && slot.launched.iterations > 1)
    grow(slot, begun(slot, elapsed));
}

std::optional<Launch> Replica::launch(std::size_t index, Seconds now, bool skip) {
  Slot& slot = slots_[index];
  assert(!slot.busy);
  const bool looks = polls(slot);
  if (!take_parts(slot))
    return std::nullopt;
  slot.prompts.clear();
  slot.chunks.clear();
  const BatchingPolicy& policy = spec_.policy;
  bool preempted = false;
  receive(slot);
  draw_priorities(slot);
  if (policy.prefill_alone) {
    gather_prompts(slot, policy.max_tokens, looks, now);
    if (slot.chunks.empty())
      preempted = make_room(slot);
  } else {
    preempted = make_room(slot);
    gather_prompts(slot, policy.max_tokens - slot.batch, (looks && !preempted) || slot.batch == 0, now);
  }
  slot.decodes = slot.batch > 0 && (slot.chunks.empty() || !policy.prefill_alone);
  if (!slot.decodes && slot.chunks.empty())
    return std::nullopt;
  if (slot.decodes)
    memory_->charge(growth_at(slot, slot.clock));
  slot.grown = 1;
  // Those that had to wait for a preemption may join right after it.
  slot.launched = price(slot, skip && !preempted);
  slot.launched.delay = std::exchange(moving_, Seconds{});
  totals_.moving += slot.launched.delay;
  slot.busy = true;
  return slot.launched;
}

std::optional<Seconds> Replica::cut(std::size_t index, Seconds elapsed) {
  Slot& slot = slots_[index];
  if (!slot.busy || slot.launched.iterations == 1 || is_static() || (slot.arrived.empty() && !admissible(slot, queue(), false)))
    return std::nullopt;
  std::int64_t count = begun(slot, elapsed);
  if (slot.arrived.empty())
    count += until_poll(slot, count);
  if (count >= slot.launched.iterations)
    return std::nullopt;
  const double context = slot.context / static_cast<double>(slot.batch);
  slot.launched.cost = slot.model->decode(static_cast<int>(slot.batch)).sum(context, count, spec_.tokens_per_iteration);
  slot.launched.iterations = count;
  return std::max(Seconds{}, slot.launched.latency() - elapsed);
}

void Replica::complete(std::size_t index, Seconds now, std::vector<RequestId>& ended) {
  Slot& slot = slots_[index];
  slot.busy = false;
  totals_.cost += slot.launched.cost;
  totals_.iterations += static_cast<std::uint64_t>(slot.launched.iterations);
  if (slot.decodes)
    end_decodes(slot, now, ended);
  end_prompts(slot, now, ended);
}

ServingSpan Replica::span(std::size_t index) const {
  const Slot& slot = slots_[index];
  ServingSpan span{.iterations = slot.launched.iterations, .sequences = slot.decodes ? slot.batch : 0};
  for (const PrefillChunk& chunk : slot.chunks)
    span.prompt_tokens += chunk.tokens;
  return span;
}

void Replica::abandon(std::size_t index, Seconds elapsed) {
  Slot& slot = slots_[index];
  const auto done = static_cast<double>(slot.busy && slot.decodes && slot.chunks.empty() ? begun(slot, elapsed) - 1 : 0);
  for (const Member& member : slot.admitted)
    if (lives(member)) {
      const Sequence& s = sequence(member.id);
      const double iterations = s.decoding ? static_cast<double>(slot.clock - s.joined) + done : 0;
      requests_->records[member.id].produced = s.produced + static_cast<std::uint32_t>(iterations * spec_.tokens_per_iteration);
    }
}

/// Whether the time since the request's last token, or tokens, is above its class's bound.
bool Replica::late(RequestId id, Seconds gap) const {
  const Seconds bound = requests_->stream->classes[request(id).service_class].itl;
  return bound > Seconds{} && gap > bound * spec_.tokens_per_iteration;
}

/// Before the contexts of a stretch's sequences have grown. Newcomers have waited for its first tokens since times of their own.
void Replica::count_late(Slot& slot, Seconds first_end) {
  const std::vector<ServiceClass>& classes = requests_->stream->classes;
  for (const RequestId id : slot.unmeasured) {
    requests_->records[id].late_tokens += late(id, first_end - last_token(id)) ? 1 : 0;
    sequence(id).late_before += late(id, first_end - slot.tokens_at) ? 1 : 0;
  }
  slot.unmeasured.clear();
  for (std::size_t c = 0; c < classes.size(); ++c) {
    if (classes[c].itl == Seconds{})
      continue;
    const Seconds bound = classes[c].itl * spec_.tokens_per_iteration;
    slot.late[c] += first_end - slot.tokens_at > bound ? 1 : 0;
    if (const std::int64_t others = slot.launched.iterations - 1; others > 0) {
      const double second = slot.context / static_cast<double>(slot.batch) + spec_.tokens_per_iteration;
      const DecodeCurve& curve = slot.model->decode(static_cast<int>(slot.batch));
      slot.late[c] += static_cast<std::uint32_t>(curve.longer(second, bound, others, spec_.tokens_per_iteration));
    }
  }
}

/// A stretch's iterations follow one another; before its first one, prompts may have held the sequences up.
void Replica::count_gaps(Slot& slot, Seconds now) {
  const auto count = static_cast<double>(slot.launched.iterations);
  const Seconds one = slot.launched.cost.latency / count;
  const Seconds first_end = now - (count - 1) * one;
  const auto add = [&](std::size_t service_class, Seconds gap, std::int64_t tokens) {
    if (tokens > 0)
      totals_.gaps[service_class].add(gap / spec_.tokens_per_iteration, static_cast<double>(tokens));
  };
  for (const Newcomers& n : slot.newcomers) {
    add(n.service_class, first_end - n.last_token, n.count);
    slot.of_class[n.service_class] -= n.count;
  }
  for (std::size_t c = 0; c < slot.of_class.size(); ++c)
    add(c, first_end - slot.tokens_at, slot.of_class[c]);
  for (const Newcomers& n : slot.newcomers)
    slot.of_class[n.service_class] += n.count;
  slot.newcomers.clear();
  count_late(slot, first_end);
  for (std::size_t c = 0; c < slot.of_class.size(); ++c)
    add(c, one, (slot.launched.iterations - 1) * slot.of_class[c]);
  slot.tokens_at = now;
}

void Replica::end_decodes(Slot& slot, Seconds now, std::vector<RequestId>& ended) {
  const std::int64_t count = slot.launched.iterations;
  count_gaps(slot, now);
  slot.context += static_cast<double>(count * slot.batch) * spec_.tokens_per_iteration;
  grow(slot, count);
  slot.clock += static_cast<std::uint64_t>(count);
  while (!slot.endings.empty() && slot.endings.front().clock <= slot.clock) {
    const Member member = slot.endings.front().member;
    std::pop_heap(slot.endings.begin(), slot.endings.end());
    slot.endings.pop_back();
    if (lives(member))
      finish(slot, member.id, now, ended);
  }
}

void Replica::end_prompts(Slot& slot, Seconds now, std::vector<RequestId>& ended) {
  for (std::size_t i = 0; i < slot.prompts.size(); ++i) {
    const RequestId id = slot.prompts[i];
    Sequence& s = sequence(id);
    s.computed += slot.chunks[i].tokens;
    totals_.prefill_tokens += slot.chunks[i].tokens;
    if (!slot.chunks[i].last)
      continue;
    std::erase(slot.prefilling, id);
    share_blocks(id, s.prompt);
    if (++s.produced == 1) {
      requests_->records[id].first_token = now;
    } else {
      Seconds& last = requests_->paused.at(id).last_token;
      totals_.gaps[request(id).service_class].add(now - last, 1);
      requests_->records[id].late_tokens += late(id, (now - last) * spec_.tokens_per_iteration) ? 1 : 0;
      last = now;
    }
    if (s.produced == request(id).output) {
      finish(slot, id, now, ended);
    } else if (spec_.pool == Pool::prefill) {
      s.holder = this;
      ended.push_back(id);
    } else {
      join(slot, id);
    }
  }
}

void Replica::finish(Slot& slot, RequestId id, Seconds now, std::vector<RequestId>& ended) {
  share_blocks(id, kv_tokens(slot, id));
  leave(slot, id);
  if (const auto found = requests_->paused.find(id); found != requests_->paused.end()) {
    drop_copies(found->second);
    requests_->paused.erase(found);
  }
  outstanding_ -= request(id).input + request(id).output;
  RequestRecord& record = requests_->records[id];
  record.end = now;
  record.produced = request(id).output;
  record.late_tokens = static_cast<std::uint32_t>(record.late_tokens * spec_.tokens_per_iteration);
  record.outcome = Outcome::served;
  ended.push_back(id);
}

void Replica::release(RequestId id) {
  leave(slots_.front(), id);
  sequence(id).holder = nullptr;
  outstanding_ -= request(id).input + request(id).output;
  requests_->released.push_back(this);
}

} // namespace orrery
