// One serving replica: its queue, its batches and its paged KV memory. It carries out a BatchingPolicy; it knows no clock and no other
// replica.
//
// What:    which sequences the next iteration computes, what happens to them when it ends, and for how many iterations nothing changes.
// Formula: decoding sequences of a batch advance together, so a count of iterations (the batch's clock) stands for all of them: a sequence
//          ends at a clock known when it joins, its context is that at joining plus the clock since, and it needs a new KV block when the
//          clock meets its residue. An iteration thus costs the same whatever the number of sequences.
// Source:  Orca (OSDI 2022), vLLM (SOSP 2023; schedulers v0 and v1), Sarathi-Serve (arXiv 2403.02310).
// Valid:   as many tokens of every sequence in each iteration, on average where drafts are accepted at random; memory is then reserved
//          whole.
#pragma once

#include "sim/engine/kv_memory.hpp"
#include "sim/engine/serving.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace orrery {

class Replica;

/// Where a request stands on the replica that has it.
struct Sequence {
  Replica* holder = nullptr;     ///< that computed its prompt and keeps the KV memory until the one that decodes has room
  std::uint64_t joined = 0;      ///< clock of its batch when it began to decode
  std::uint32_t prompt = 0;      ///< tokens to compute before it decodes: its input, and after a preemption what it had produced
  std::uint32_t computed = 0;    ///< of these
  std::uint32_t produced = 0;    ///< tokens, as of `joined`
  std::uint16_t shared = 0;      ///< of its blocks in the prefix cache, that it refers to
  std::uint32_t admission = 0;   ///< number of its admission, from 1 on; 0 = not admitted
  std::uint32_t destination = 0; ///< replica that decodes it, where it is handed over
  std::uint32_t late_before = 0; ///< Slot::late of its class when it began to decode
  bool decoding = false;
};

/// What is known of a sequence that was preempted, until it ends.
struct Paused {
  Seconds last_token;
  std::int64_t held = 0;  ///< blocks that it has in host memory
  std::int64_t valid = 0; ///< of these, those that need no writing when it goes there again
  bool swapped = false;   ///< it waits there
};

/// All requests of a run, and where they stand.
struct RequestTable {
  const RequestStream* stream = nullptr;
  std::vector<int> levels;            ///< priorities of the classes, highest first
  std::vector<Sequence> sequences;    ///< parallel to the stream's requests
  std::vector<RequestRecord> records; ///< the same
  std::vector<Replica*> released;     ///< of which memory was taken over since this was cleared
  std::map<RequestId, Paused> paused; ///< those that were preempted
  std::uint32_t admissions = 0;       ///< so far, over all replicas

  explicit RequestTable(const RequestStream& requests);
};

/// What a slot computes next: one iteration, or a stretch of alike ones.
struct Launch {
  IterationCost cost;
  std::int64_t iterations = 1;
  Seconds delay; ///< KV blocks that move to or from host memory first

  [[nodiscard]] Seconds latency() const { return delay + cost.latency; }
};

class Replica {
public:
  Replica(const ServingReplica& spec, RequestTable& requests, KvMemory& memory);

  /// Whether the request's KV fits into the empty replica.
  [[nodiscard]] bool holds(const Request& request) const;
  void enqueue(RequestId id);
  /// The next work of an idle slot, or nothing. `skip` = as many iterations as pass before anything changes.
  std::optional<Launch> launch(std::size_t slot, Seconds now, bool skip);
  /// Ends a stretch with the iteration that is under way `elapsed` after its start, where a request that waits could join then: what is
  /// left of it; the same where KV blocks have come up. Nothing where it stays as it is.
  std::optional<Seconds> cut(std::size_t slot, Seconds elapsed);
  /// Charges the memory of what has begun `elapsed` after the start of a stretch.
  void settle(std::size_t slot, Seconds elapsed);
  /// The launched work has ended. Appends the requests that have ended and, on a replica that only prefills, those whose prompts have.
  void complete(std::size_t slot, Seconds now, std::vector<RequestId>& ended);
  /// Times, from `now` on, at which blocks that come up beside iterations will be there; each is asked for once.
  std::vector<Seconds> take_moves(Seconds now);
  /// The blocks that have been under way longest are there.
  void arrived();
  /// Tokens of the request's prompt that the prefix cache holds.
  [[nodiscard]] std::uint32_t cached_tokens(RequestId id) const;
  /// Ends the run `elapsed` after the start of what is launched: tokens that sequences have produced by then go into their records.
  void abandon(std::size_t slot, Seconds elapsed);
  /// Gives back the KV memory of a request that another replica takes over.
  void release(RequestId id);

  [[nodiscard]] std::size_t slots() const { return slots_.size(); }
  [[nodiscard]] bool busy(std::size_t slot) const { return slots_[slot].busy; }
  [[nodiscard]] std::uint32_t waiting() const { return waiting_count_; }
  [[nodiscard]] std::uint32_t running() const { return running_; }
  [[nodiscard]] std::uint64_t outstanding_tokens() const { return outstanding_; }
  [[nodiscard]] std::int64_t used_blocks() const { return memory_->used; }
  [[nodiscard]] const ReplicaTotals& totals() const { return totals_; }
  /// What the slot has launched, without its times.
  [[nodiscard]] ServingSpan span(std::size_t slot) const;
  void add_active(Seconds time) { totals_.active += time; }
  [[nodiscard]] Pool pool() const { return spec_.pool; }

private:
  struct Member {
    RequestId id;
    std::uint32_t admission;
  };
  struct Ending {
    std::uint64_t clock;
    Member member;
    friend bool operator<(const Ending& a, const Ending& b) {
      return a.clock > b.clock || (a.clock == b.clock && a.member.admission > b.member.admission);
    }
  };

  /// Sequences that join a batch beside those that decode already.
  struct Newcomers {
    Seconds last_token;
    std::uint16_t service_class;
    int count;
  };
  /// A sequence whose blocks come up.
  struct Coming {
    std::size_t slot;
    Member member;
  };
  /// Who goes before whom: level of the class, then what was drawn; the smaller first.
  using Rank = std::pair<std::uint64_t, RequestId>;

  /// A batch on its way through the pipeline stages.
  struct Slot {
    std::vector<Ending> endings;        ///< heap, the next one first; those that left before stay until they come up
    std::vector<Member> admitted;       ///< in order; those that left stay until they are last
    std::vector<RequestId> prefilling;  ///< in order of admission
    std::vector<RequestId> prompts;     ///< of the launched iteration
    std::vector<PrefillChunk> chunks;   ///< parallel to `prompts`
    std::vector<std::int64_t> growth;   ///< decoding sequences by the clock, modulo a block, at which they need one
    std::uint64_t clock = 0;            ///< decode iterations since the start
    std::int64_t live = 0;              ///< decoding sequences
    std::vector<std::int64_t> of_class; ///< the same by class of service
    std::vector<RequestId> arrived;     ///< their blocks are there; they join the next iteration
    std::int64_t coming = 0;            ///< sequences whose blocks come up
    std::uint64_t drawing = 0;          ///< of priorities, that it follows
    std::int64_t batch = 0;             ///< that an iteration computes: a static batch keeps those that have ended
    Seconds tokens_at;                  ///< when its decoding sequences got their last tokens
    std::vector<Newcomers> newcomers;   ///< since then
    std::vector<RequestId> unmeasured;  ///< the same one by one, of classes that bound the gaps between tokens
    std::vector<std::uint32_t> late;    ///< by class: decode iterations since the start that took longer than its bound of such gaps
    double context = 0;                 ///< sum over `batch` of tokens in the KV cache, that of the next iteration included
    Launch launched;
    IterationModel* model = nullptr; ///< that prices what is launched
    int parts = 0;                   ///< of the devices that it runs on, where they move
    std::int64_t grown = 0;          ///< of the launched iterations, those whose memory is charged
    bool decodes = false;            ///< the launched work has decoding sequences
    bool busy = false;
  };

  [[nodiscard]] const Request& request(RequestId id) const { return requests_->stream->requests[id]; }
  [[nodiscard]] Sequence& sequence(RequestId id) const { return requests_->sequences[id]; }
  [[nodiscard]] bool lives(Member member) const { return sequence(member.id).admission == member.admission; }
  [[nodiscard]] bool overlaps() const { return spec_.moves.overlapped && !is_static(); }
  [[nodiscard]] bool is_static() const { return spec_.policy.admission == Admission::when_empty; }
  [[nodiscard]] bool grows() const {
    return spec_.policy.reservation == Reservation::prompt && spec_.tokens_per_iteration == 1 && spec_.pool != Pool::prefill;
  }
  [[nodiscard]] PrefixCache::Blocks prefix(RequestId id, std::uint64_t tokens) const;
  [[nodiscard]] PrefixCache::Blocks cached(RequestId id) const;
  [[nodiscard]] std::uint64_t kv_tokens(const Slot& slot, RequestId id) const;
  [[nodiscard]] std::int64_t held_blocks(const Slot& slot, RequestId id) const;
  [[nodiscard]] std::int64_t total_blocks(RequestId id) const;
  [[nodiscard]] std::size_t residue(RequestId id) const;
  [[nodiscard]] std::int64_t growth_at(const Slot& slot, std::uint64_t clock) const {
    return grows() ? slot.growth[clock % memory_->block] : 0;
  }
  [[nodiscard]] std::deque<RequestId>* queue();
  [[nodiscard]] std::size_t level_of(RequestId id) const;
  [[nodiscard]] std::deque<RequestId>& queue_of(RequestId id) { return waiting_[level_of(id)]; }
  [[nodiscard]] Rank rank(const Slot* slot, RequestId id) const;
  void queue_again(RequestId id, bool first);
  void draw_priorities(Slot& slot);
  [[nodiscard]] std::vector<RequestId> outranked(const Slot& slot) const;
  [[nodiscard]] Seconds last_token(RequestId id) const;
  [[nodiscard]] std::int64_t growth_with(const Slot& slot, RequestId id) const;
  /// Whether the head of `queue` may join the slot; `beside` = in an iteration with the sequences that decode.
  [[nodiscard]] bool admissible(const Slot& slot, const std::deque<RequestId>* queue, bool beside) const;
  /// Whether the scheduler looks at what waits before the slot's next iteration.
  [[nodiscard]] bool polls(const Slot& slot) const {
    return slot.batch == 0 || !slot.prompts.empty() || slot.clock % static_cast<std::uint64_t>(spec_.policy.poll_iterations) == 0;
  }
  /// Iterations from the slot's `count`-th on until the scheduler looks again.
  [[nodiscard]] std::int64_t until_poll(const Slot& slot, std::int64_t count) const {
    const std::int64_t every = spec_.policy.poll_iterations;
    return (every - (static_cast<std::int64_t>(slot.clock) + count) % every) % every;
  }
  [[nodiscard]] std::int64_t quiet_iterations(Slot& slot) const;
  [[nodiscard]] Launch price(Slot& slot, bool skip) const;

  [[nodiscard]] std::deque<RequestId>::iterator place_by_length(std::deque<RequestId>& queue, RequestId id) const;
  /// Parts of the devices that prompts should have, so that decoding keeps its slack.
  [[nodiscard]] int parts_for_prompts() const;
  /// Takes parts of the devices for the slot's next work. Whether there are any.
  bool take_parts(Slot& slot);

  void grow(Slot& slot, std::int64_t until);
  /// Iterations of a stretch that have begun `elapsed` after its start.
  [[nodiscard]] std::int64_t begun(const Slot& slot, Seconds elapsed) const;
  void share_blocks(RequestId id, std::uint64_t tokens);
  [[nodiscard]] std::size_t worth_fetching(RequestId id, Seconds& time) const;
  Seconds reuse_prompt(RequestId id);
  Seconds bring_back(RequestId id);
  bool swap_out(const Slot& slot, Paused& paused, std::int64_t blocks);
  void drop_copies(Paused& paused);
  void wait_for_blocks(Slot& slot, RequestId id, Seconds time, Seconds now);
  void receive(Slot& slot);
  void begin(Slot& slot, RequestId id);
  /// Whether its prompt can be computed now.
  bool admit(Slot& slot, std::deque<RequestId>& queue, Seconds now);
  void gather_prompts(Slot& slot, std::int64_t budget, bool admits, Seconds now);
  void take_chunk(Slot& slot, RequestId id, std::int64_t& budget);
  void join(Slot& slot, RequestId id);
  void leave(Slot& slot, RequestId id);
  bool make_room(Slot& slot);
  [[nodiscard]] RequestId last_in_line(const Slot& slot) const;
  void preempt(Slot& slot, RequestId id);
  void count_gaps(Slot& slot, Seconds now);
  void count_late(Slot& slot, Seconds first_end);
  [[nodiscard]] bool late(RequestId id, Seconds gap) const;
  void end_decodes(Slot& slot, Seconds now, std::vector<RequestId>& ended);
  void end_prompts(Slot& slot, Seconds now, std::vector<RequestId>& ended);
  void finish(Slot& slot, RequestId id, Seconds now, std::vector<RequestId>& ended);

  ServingReplica spec_;
  RequestTable* requests_;
  KvMemory* memory_;
  std::vector<std::deque<RequestId>> waiting_; ///< by priority, highest first
  std::vector<Slot> slots_;
  std::uint32_t waiting_count_ = 0;
  std::uint32_t running_ = 0;
  std::uint64_t outstanding_ = 0;
  Seconds moving_;              ///< that blocks take on their way before the next launch
  std::deque<Coming> coming_;   ///< in the order in which they arrive
  std::vector<Seconds> booked_; ///< arrivals that nobody was told of
  Seconds way_up_;              ///< is taken until then
  std::uint64_t drawing_ = 0;   ///< of priorities, that the queues follow
  ReplicaTotals totals_;
};

} // namespace orrery
