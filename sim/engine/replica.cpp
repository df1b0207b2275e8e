#include "sim/engine/replica.hpp"

#include <algorithm>
#include <cassert>
#include <functional>

namespace orrery {

RequestTable::RequestTable(const RequestStream& requests)
    : stream(&requests), sequences(requests.requests.size()), records(requests.requests.size()) {
  for (const ServiceClass& service_class : requests.classes)
    levels.push_back(service_class.priority);
  std::ranges::sort(levels, std::greater<>{});
  levels.erase(std::unique(levels.begin(), levels.end()), levels.end());
}

Replica::Replica(const ServingReplica& spec, RequestTable& requests)
    : spec_(spec), requests_(&requests), block_(static_cast<std::uint64_t>(spec.block_tokens)), waiting_(requests.levels.size()),
      slots_(static_cast<std::size_t>(spec.stages)) {
  for (Slot& slot : slots_)
    slot.growth.resize(block_);
}

// ---- KV memory

std::uint64_t Replica::kv_tokens(const Slot& slot, RequestId id) const {
  const Sequence& s = sequence(id);
  return s.prompt + (s.decoding ? slot.clock - s.joined : 0);
}

std::int64_t Replica::admission_blocks(RequestId id) const {
  const bool whole = !grows() && spec_.pool != Pool::prefill;
  // The last token that a sequence produces is never read: its keys are not kept.
  return blocks(whole ? std::uint64_t{request(id).input} + request(id).output - 1 : sequence(id).prompt);
}

std::int64_t Replica::held_blocks(const Slot& slot, RequestId id) const {
  return grows() ? blocks(kv_tokens(slot, id)) : admission_blocks(id);
}

bool Replica::holds(const Request& request) const {
  const std::uint64_t produced = spec_.pool == Pool::prefill ? 0 : request.output - 1;
  return blocks(request.input + produced) <= spec_.kv_blocks;
}

std::size_t Replica::residue(RequestId id) const {
  const Sequence& s = sequence(id);
  return static_cast<std::size_t>((s.joined % block_ + block_ - s.prompt % block_) % block_);
}

// ---- Admission

std::deque<RequestId>& Replica::queue_of(RequestId id) {
  const int priority = requests_->stream->classes[request(id).service_class].priority;
  return waiting_[static_cast<std::size_t>(std::ranges::find(requests_->levels, priority) - requests_->levels.begin())];
}

std::deque<RequestId>* Replica::queue() {
  const auto found = std::ranges::find_if(waiting_, [](const auto& level) { return !level.empty(); });
  return found == waiting_.end() ? nullptr : &*found;
}

void Replica::enqueue(RequestId id) {
  Sequence& s = sequence(id);
  s.admission = 0;
  if (s.prompt == 0)
    s.prompt = request(id).input;
  outstanding_ += request(id).input + request(id).output;
  queue_of(id).push_back(id);
  ++waiting_count_;
}

bool Replica::admissible(const Slot& slot, const std::deque<RequestId>* queue, std::int64_t reserved) const {
  if (queue == nullptr)
    return false;
  // Stages are kept equally busy: a batch takes its even share of what there is.
  const auto stages = static_cast<std::int64_t>(slots_.size());
  const std::int64_t present = running_ + waiting_count_;
  const std::int64_t most = std::min<std::int64_t>(spec_.policy.max_sequences, (present + stages - 1) / stages);
  const std::int64_t sequences = slot.batch + static_cast<std::int64_t>(slot.prefilling.size());
  return sequences < most && admission_blocks(queue->front()) <= spec_.kv_blocks - used_ - reserved;
}

void Replica::admit(Slot& slot, std::deque<RequestId>& queue, Seconds now) {
  const RequestId id = queue.front();
  queue.pop_front();
  --waiting_count_;
  ++running_;
  Sequence& s = sequence(id);
  s.admission = ++requests_->admissions;
  RequestRecord& record = requests_->records[id];
  if (s.produced == 0 && record.preemptions == 0)
    record.scheduled = now;
  used_ += admission_blocks(id);
  totals_.peak_blocks = std::max(totals_.peak_blocks, used_);
  totals_.peak_sequences = std::max(totals_.peak_sequences, static_cast<int>(running_));
  slot.admitted.push_back({id, s.admission});
  if (s.computed == s.prompt)
    join(slot, id);
  else
    slot.prefilling.push_back(id);
}

void Replica::take_chunk(Slot& slot, RequestId id, std::int64_t& budget) {
  const Sequence& s = sequence(id);
  const std::uint32_t left = s.prompt - s.computed;
  const auto tokens = spec_.policy.chunked_prefill ? static_cast<std::uint32_t>(std::min<std::int64_t>(left, budget)) : left;
  slot.prompts.push_back(id);
  slot.chunks.push_back({.tokens = tokens, .past = s.computed, .last = tokens == left});
  budget -= tokens;
}

void Replica::gather_prompts(Slot& slot, std::int64_t budget, std::int64_t reserved, Seconds now) {
  for (const RequestId id : slot.prefilling)
    if (budget > 0)
      take_chunk(slot, id, budget);
  if (is_static() && slot.batch > 0)
    return;
  for (std::deque<RequestId>* next = queue(); budget > 0 && admissible(slot, next, reserved); next = queue()) {
    const RequestId id = next->front();
    const Sequence& s = sequence(id);
    const std::int64_t tokens = s.prompt - s.computed;
    if (!spec_.policy.chunked_prefill && tokens > budget && !slot.chunks.empty())
      return;
    admit(slot, *next, now);
    if (tokens > 0)
      take_chunk(slot, id, budget);
  }
}

// ---- Decoding sequences

void Replica::join(Slot& slot, RequestId id) {
  Sequence& s = sequence(id);
  s.joined = slot.clock;
  s.decoding = true;
  ++slot.live;
  ++slot.batch;
  slot.context += s.prompt + 1;
  ++slot.growth[residue(id)];
  slot.endings.push_back({slot.clock + request(id).output - s.produced, {id, s.admission}});
  std::push_heap(slot.endings.begin(), slot.endings.end());
}

void Replica::leave(Slot& slot, RequestId id) {
  used_ -= held_blocks(slot, id);
  --running_;
  Sequence& s = sequence(id);
  if (s.decoding) {
    --slot.live;
    --slot.growth[residue(id)];
    if (!is_static()) {
      --slot.batch;
      slot.context -= static_cast<double>(kv_tokens(slot, id) + 1);
    } else if (slot.live == 0) {
      slot.batch = 0;
      slot.context = 0;
    }
    s.produced += static_cast<std::uint32_t>(slot.clock - s.joined);
    s.decoding = false;
  }
  s.admission = 0;
  while (!slot.admitted.empty() && !lives(slot.admitted.back()))
    slot.admitted.pop_back();
}

void Replica::preempt_latest(Slot& slot) {
  const RequestId id = slot.admitted.back().id;
  if (!sequence(id).decoding)
    std::erase(slot.prefilling, id);
  leave(slot, id);
  Sequence& s = sequence(id);
  s.prompt = request(id).input + s.produced;
  s.computed = 0;
  ++requests_->records[id].preemptions;
  ++totals_.preemptions;
  queue_of(id).push_front(id);
  ++waiting_count_;
}

/// Preempts until the next iteration's growth fits. Whether it had to.
bool Replica::make_room(Slot& slot) {
  bool preempted = false;
  while (slot.batch > 0 && growth_at(slot, slot.clock) > spec_.kv_blocks - used_) {
    preempt_latest(slot);
    preempted = true;
  }
  return preempted;
}

// ---- Iterations

/// Iterations until a sequence ends or memory runs out; the growth of the first one is charged already.
std::int64_t Replica::quiet_iterations(Slot& slot) const {
  while (!lives(slot.endings.front().member)) {
    std::pop_heap(slot.endings.begin(), slot.endings.end());
    slot.endings.pop_back();
  }
  const auto count = static_cast<std::int64_t>(slot.endings.front().clock - slot.clock);
  if (!grows())
    return count;
  std::int64_t room = spec_.kv_blocks - used_;
  const auto block = static_cast<std::int64_t>(block_);
  // A block's worth of iterations takes one block for each sequence.
  const std::int64_t cycles = std::min(room / slot.batch, count / block);
  room -= cycles * slot.batch;
  std::int64_t quiet = 1 + cycles * block;
  while (quiet < count) {
    room -= growth_at(slot, slot.clock + static_cast<std::uint64_t>(quiet));
    if (room < 0)
      break;
    ++quiet;
  }
  return std::min(quiet, count);
}

Launch Replica::price(Slot& slot, bool skip) const {
  const auto batch = static_cast<int>(slot.decodes ? slot.batch : 0);
  const double context = batch > 0 ? slot.context / batch : 0;
  if (!slot.chunks.empty())
    return {spec_.model->cost(slot.chunks, batch, context), 1};
  const DecodeCurve& curve = spec_.model->decode(batch);
  const std::int64_t count = skip && slots_.size() == 1 ? quiet_iterations(slot) : 1;
  return {count == 1 ? curve.at(context) : curve.sum(context, count), count};
}

std::optional<Launch> Replica::launch(std::size_t index, Seconds now, bool skip) {
  Slot& slot = slots_[index];
  assert(!slot.busy);
  slot.prompts.clear();
  slot.chunks.clear();
  const BatchingPolicy& policy = spec_.policy;
  if (policy.prefill_alone) {
    gather_prompts(slot, policy.max_tokens, 0, now);
    if (slot.chunks.empty())
      make_room(slot);
  } else if (!make_room(slot) || slot.batch == 0) {
    gather_prompts(slot, policy.max_tokens - slot.batch, growth_at(slot, slot.clock), now);
  } else {
    std::int64_t budget = policy.max_tokens - slot.batch;
    for (const RequestId id : slot.prefilling)
      if (budget > 0)
        take_chunk(slot, id, budget);
  }
  slot.decodes = slot.batch > 0 && (slot.chunks.empty() || !policy.prefill_alone);
  if (!slot.decodes && slot.chunks.empty())
    return std::nullopt;
  if (slot.decodes)
    used_ += growth_at(slot, slot.clock);
  slot.launched = price(slot, skip);
  slot.busy = true;
  return slot.launched;
}

std::optional<Seconds> Replica::cut(std::size_t index, Seconds elapsed) {
  Slot& slot = slots_[index];
  if (!slot.busy || slot.launched.iterations == 1 || is_static() || !admissible(slot, queue(), 0))
    return std::nullopt;
  const DecodeCurve& curve = spec_.model->decode(static_cast<int>(slot.batch));
  const double context = slot.context / static_cast<double>(slot.batch);
  const std::int64_t count = curve.within(context, elapsed, slot.launched.iterations) + 1;
  if (count >= slot.launched.iterations)
    return std::nullopt;
  slot.launched = {curve.sum(context, count), count};
  return std::max(Seconds{}, slot.launched.cost.latency - elapsed);
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

void Replica::end_decodes(Slot& slot, Seconds now, std::vector<RequestId>& ended) {
  const std::int64_t count = slot.launched.iterations;
  totals_.decode_tokens += static_cast<std::uint64_t>(count * slot.live);
  slot.context += static_cast<double>(count * slot.batch);
  if (grows() && count > 1) { // the growth of the first iteration is charged already
    const auto block = static_cast<std::int64_t>(block_);
    const std::int64_t cycles = (count - 1) / block;
    used_ += cycles * slot.batch;
    for (std::int64_t i = 1 + cycles * block; i < count; ++i)
      used_ += growth_at(slot, slot.clock + static_cast<std::uint64_t>(i));
  }
  slot.clock += static_cast<std::uint64_t>(count);
  totals_.peak_blocks = std::max(totals_.peak_blocks, used_);
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
    if (++s.produced == 1)
      requests_->records[id].first_token = now;
    if (s.produced == request(id).output)
      finish(slot, id, now, ended);
    else if (spec_.pool == Pool::prefill)
      ended.push_back(id);
    else
      join(slot, id);
  }
}

void Replica::finish(Slot& slot, RequestId id, Seconds now, std::vector<RequestId>& ended) {
  leave(slot, id);
  outstanding_ -= request(id).input + request(id).output;
  RequestRecord& record = requests_->records[id];
  record.end = now;
  record.outcome = Outcome::served;
  ended.push_back(id);
}

void Replica::release(RequestId id) {
  leave(slots_.front(), id);
  outstanding_ -= request(id).input + request(id).output;
}

} // namespace orrery
