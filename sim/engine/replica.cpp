// Admission and KV memory.
#include "sim/engine/replica.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <functional>

namespace orrery {

RequestTable::RequestTable(const RequestStream& requests)
    : stream(&requests), sequences(requests.requests.size()), records(requests.requests.size()) {
  for (const ServiceClass& service_class : requests.classes)
    levels.push_back(service_class.priority);
  std::ranges::sort(levels, std::greater<>{});
  levels.erase(std::unique(levels.begin(), levels.end()), levels.end());
}

Replica::Replica(const ServingReplica& spec, RequestTable& requests, KvMemory& memory)
    : spec_(spec), requests_(&requests), memory_(&memory), waiting_(requests.levels.size()), slots_(static_cast<std::size_t>(spec.stages)) {
  ++memory.replicas;
  if (spec.pool == Pool::prefill)
    memory.prefill = this;
  if (spec.pool == Pool::decode && !spec.parts.empty())
    memory.decode = this;
  for (Slot& slot : slots_) {
    slot.model = spec.model;
    slot.growth.resize(memory.block);
    slot.of_class.resize(requests.stream->classes.size());
    slot.late.resize(requests.stream->classes.size());
  }
  totals_.gaps.resize(requests.stream->classes.size());
  totals_.tier_tokens.resize(spec.tiers.size());
}

// ---- KV memory

/// Whole blocks of the request within its first `tokens`.
PrefixCache::Blocks Replica::prefix(RequestId id, std::uint64_t tokens) const {
  if (!spec_.prefix_cache)
    return {};
  const auto whole = static_cast<std::size_t>(tokens / static_cast<std::uint64_t>(requests_->stream->block_tokens));
  const Request& r = request(id);
  return PrefixCache::Blocks(requests_->stream->blocks).subspan(r.prefix, std::min<std::size_t>(whole, r.prefix_blocks));
}

PrefixCache::Blocks Replica::cached(RequestId id) const {
  const PrefixCache::Blocks all = prefix(id, request(id).input);
  return all.first(memory_->cache.match(all));
}

std::uint32_t Replica::cached_tokens(RequestId id) const {
  const std::size_t tokens = cached(id).size() * static_cast<std::size_t>(requests_->stream->block_tokens);
  return static_cast<std::uint32_t>(std::min<std::size_t>(tokens, request(id).input - 1)); // the last token is computed for its logits
}

std::uint64_t Replica::kv_tokens(const Slot& slot, RequestId id) const {
  const Sequence& s = sequence(id);
  return s.prompt + (s.decoding ? slot.clock - s.joined : 0);
}

/// When it is admitted, those of the prefix cache included.
std::int64_t Replica::total_blocks(RequestId id) const {
  // What a replica that shares its memory only prefills will grow in the same memory.
  const bool whole = spec_.pool == Pool::prefill ? spec_.policy.reservation == Reservation::whole && memory_->replicas > 1 : !grows();
  // The last token that a sequence produces is never read: its keys are not kept.
  return memory_->blocks(whole ? std::uint64_t{request(id).input} + request(id).output - 1 : sequence(id).prompt);
}

std::int64_t Replica::held_blocks(const Slot& slot, RequestId id) const {
  return (grows() ? memory_->blocks(kv_tokens(slot, id)) : total_blocks(id)) - sequence(id).shared * memory_->cached;
}

bool Replica::holds(const Request& request) const {
  const std::uint64_t produced = spec_.pool == Pool::prefill ? 0 : request.output - 1;
  return memory_->blocks(request.input + produced) <= memory_->capacity;
}

/// Lets others share the sequence's blocks up to `tokens`. What another one has put there meanwhile is kept once.
void Replica::share_blocks(RequestId id, std::uint64_t tokens) {
  const PrefixCache::Blocks whole = prefix(id, tokens);
  Sequence& s = sequence(id);
  const auto end = static_cast<std::uint16_t>(whole.size()); // of Request::prefix_blocks at most
  for (; s.shared < end; ++s.shared)
    if (!memory_->cache.hold(whole[s.shared]))
      memory_->used -= memory_->cached;
}

std::size_t Replica::residue(RequestId id) const {
  const Sequence& s = sequence(id);
  return static_cast<std::size_t>((s.joined % memory_->block + memory_->block - s.prompt % memory_->block) % memory_->block);
}

// ---- Admission

std::size_t Replica::level_of(RequestId id) const {
  const int priority = requests_->stream->classes[request(id).service_class].priority;
  return static_cast<std::size_t>(std::ranges::find(requests_->levels, priority) - requests_->levels.begin());
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
  queue_again(id, false);
}

/// KV blocks that the next iteration takes if the request joins.
std::int64_t Replica::growth_with(const Slot& slot, RequestId id) const {
  const Sequence& s = sequence(id);
  const bool decodes = s.computed == s.prompt;
  return growth_at(slot, slot.clock) + (grows() && decodes && s.prompt % memory_->block == 0 ? 1 : 0);
}

bool Replica::admissible(const Slot& slot, const std::deque<RequestId>* queue, bool beside) const {
  if (queue == nullptr)
    return false;
  // Stages are kept equally busy: a batch takes its even share of what there is.
  const auto stages = static_cast<std::int64_t>(slots_.size());
  const std::int64_t present = running_ + waiting_count_;
  const std::int64_t most = std::min<std::int64_t>(spec_.policy.max_sequences, (present + stages - 1) / stages);
  const std::int64_t sequences = slot.batch + slot.coming + static_cast<std::int64_t>(slot.prefilling.size());
  if (sequences >= most)
    return false;
  const RequestId id = queue->front();
  const PrefixCache::Blocks found = cached(id);
  std::int64_t taken = total_blocks(id) - static_cast<std::int64_t>(found.size()) * memory_->cached;
  if (const Replica* holder = sequence(id).holder; holder != nullptr && holder->memory_ == memory_)
    taken -= holder->held_blocks(holder->slots_.front(), id);
  return taken <= memory_->room() - memory_->cache.idle(found) * memory_->cached - (beside ? growth_with(slot, id) : 0);
}

bool Replica::admit(Slot& slot, std::deque<RequestId>& queue, Seconds now) {
  const RequestId id = queue.front();
  queue.pop_front();
  --waiting_count_;
  ++running_;
  Sequence& s = sequence(id);
  if (s.holder != nullptr)
    s.holder->release(id);
  s.admission = ++requests_->admissions;
  RequestRecord& record = requests_->records[id];
  if (s.produced == 0 && record.preemptions == 0)
    record.scheduled = now;
  const Seconds time = s.computed == 0 ? reuse_prompt(id) : bring_back(id);
  memory_->charge(held_blocks(slot, id));
  totals_.peak_sequences = std::max(totals_.peak_sequences, static_cast<int>(running_));
  slot.admitted.push_back({id, s.admission});
  if (time > Seconds{} && overlaps()) {
    wait_for_blocks(slot, id, time, now);
    return false;
  }
  moving_ += time;
  begin(slot, id);
  return !s.decoding;
}

/// All that it needs is in device memory.
void Replica::begin(Slot& slot, RequestId id) {
  const Sequence& s = sequence(id);
  if (s.computed == s.prompt)
    join(slot, id);
  else
    slot.prefilling.push_back(id);
}

void Replica::take_chunk(Slot& slot, RequestId id, std::int64_t& budget) {
  const Sequence& s = sequence(id);
  const std::uint32_t left = s.prompt - s.computed;
  const std::int64_t most = std::min<std::int64_t>(budget, std::max(1, spec_.policy.max_tokens / spec_.policy.groups));
  const auto tokens = spec_.policy.chunked_prefill ? static_cast<std::uint32_t>(std::min<std::int64_t>(left, most)) : left;
  slot.prompts.push_back(id);
  slot.chunks.push_back({.tokens = tokens, .past = s.computed, .last = tokens == left});
  budget -= tokens;
}

void Replica::gather_prompts(Slot& slot, std::int64_t budget, bool admits, Seconds now) {
  for (const RequestId id : slot.prefilling)
    if (budget > 0)
      take_chunk(slot, id, budget);
  if (!admits || (is_static() && slot.batch > 0))
    return;
  for (std::deque<RequestId>* next = queue(); budget > 0 && admissible(slot, next, !spec_.policy.prefill_alone); next = queue()) {
    const RequestId id = next->front();
    const Sequence& s = sequence(id);
    const std::int64_t tokens = s.prompt - (s.computed > 0 ? s.computed : cached_tokens(id));
    if (!spec_.policy.chunked_prefill && tokens > budget && !slot.chunks.empty())
      return;
    if (admit(slot, *next, now))
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
  const std::uint16_t service_class = request(id).service_class;
  ++slot.of_class[service_class];
  const Seconds last = last_token(id);
  if (slot.newcomers.empty() || slot.newcomers.back().last_token != last || slot.newcomers.back().service_class != service_class)
    slot.newcomers.push_back({last, service_class, 0});
  ++slot.newcomers.back().count;
  s.late_before = slot.late[service_class];
  if (requests_->stream->classes[service_class].itl > Seconds{})
    slot.unmeasured.push_back(id);
  slot.context += s.prompt + 1;
  ++slot.growth[residue(id)];
  const double iterations = std::ceil((request(id).output - s.produced) / spec_.tokens_per_iteration);
  slot.endings.push_back({slot.clock + static_cast<std::uint64_t>(iterations), {id, s.admission}});
  std::push_heap(slot.endings.begin(), slot.endings.end());
}

void Replica::leave(Slot& slot, RequestId id) {
  Sequence& s = sequence(id);
  memory_->used -= held_blocks(slot, id);
  memory_->cache.release(prefix(id, kv_tokens(slot, id)).first(s.shared));
  s.shared = 0;
  --running_;
  if (s.decoding) {
    const double iterations = static_cast<double>(slot.clock - s.joined);
    const double tokens = std::min<double>(iterations * spec_.tokens_per_iteration, request(id).output - s.produced);
    totals_.decode_tokens += static_cast<std::uint64_t>(tokens);
    requests_->records[id].late_tokens += slot.late[request(id).service_class] - s.late_before;
    --slot.live;
    --slot.of_class[request(id).service_class];
    --slot.growth[residue(id)];
    if (!is_static()) {
      --slot.batch;
      slot.context -= s.prompt + 1 + iterations * spec_.tokens_per_iteration;
    } else if (slot.live == 0) {
      slot.batch = 0;
      slot.context = 0;
    }
    s.produced += static_cast<std::uint32_t>(tokens);
    s.decoding = false;
  }
  s.admission = 0;
  while (!slot.admitted.empty() && !lives(slot.admitted.back()))
    slot.admitted.pop_back();
}

} // namespace orrery
