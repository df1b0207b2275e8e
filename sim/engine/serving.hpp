// Serving: requests come in, a router deals them to replicas, a replica batches them iteration by iteration.
//
// What:  a work source that carries out batching, paged KV memory, preemption, routing and the hand-over from prefill to decode replicas.
// Units: SI; KV memory in blocks of tokens.
// Valid: one clock; iterations of a replica follow one another, or overlap in its pipeline stages.
// Error: none of its own: it does what the policies say, at the cost that the iteration models give.
#pragma once

#include "models/iteration_cost.hpp"
#include "sim/base/work.hpp"
#include "sim/engine/gap_histogram.hpp"
#include "sim/engine/kv_tiers.hpp"
#include "sim/engine/network.hpp"
#include "workloads/batching.hpp"
#include "workloads/request.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace orrery {

enum class Pool { both, prefill, decode }; ///< what a replica does

enum class Router {
  round_robin,
  least_requests,
  least_tokens, ///< that were asked for and are not done
  prefix,       ///< the same and the part of the prompt that is not cached
  session       ///< later turns go where the first one went
};

/// Priorities of requests of one class that change while they run: at every drawing those that wait and go first take the place of those
/// that run and go last.
struct Fairness {
  enum class Order {
    random,       ///< drawn anew each time
    least_service ///< who has got the fewest tokens goes first
  };
  Order order = Order::random;
  int every = 50; ///< iterations, from one drawing to the next
};

/// How KV blocks move between device memory and what lies below it.
struct KvMoves {
  bool swap = false;        ///< preempted sequences go to the first tier while it has room; else they are computed again
  bool keep_copies = false; ///< what came back stays valid there: it is not written again
  bool overlapped = false;  ///< blocks come beside iterations, of policies that admit continuously; else iterations wait for them
};

struct ServingReplica {
  IterationModel* model = nullptr;    ///< may be shared by replicas that are alike
  std::vector<IterationModel*> parts; ///< the same on 1, 2, ... of as many equal parts of the devices as there are, which move between the
                                      ///< two replicas that share devices and memory; empty = `model` is all it has
  double decode_slack = 0;            ///< how much longer a decode iteration may take so that prompts have more parts
  BatchingPolicy policy;
  std::int64_t kv_blocks = 0; ///< of all its devices
  int block_tokens = 16;
  int stages = 1; ///< pipeline stages: as many batches are in flight
  Pool pool = Pool::both;
  std::optional<std::uint32_t> shares_memory_with; ///< an earlier replica on the same devices
  bool prefix_cache = false;                       ///< prompts' KV memory is kept for requests that start alike
  double tokens_per_iteration = 1;                 ///< of a decoding sequence, on average: more with accepted drafts
  std::vector<KvTier> tiers;                       ///< below device memory, the nearest first
  KvMoves moves;
  std::optional<Fairness> fairness; ///< of policies that admit continuously
};

/// Hand-over of KV memory from prefill to decode replicas: flows that share the links of the cluster (sim/engine/kv_transfer.hpp).
struct KvTransfer {
  Network network;
  Bytes per_token; ///< for each unit of weight of a route
  Seconds latency;
  std::vector<std::vector<LinkLoad>> routes; ///< from replica f to replica t at [f * replicas + t]; empty = it takes the latency alone
};

/// Replicas that are started and stopped while time runs (sim/engine/autoscaler.hpp).
struct Autoscaling {
  Seconds interval;   ///< between decisions; 0 = all replicas serve all the time
  Seconds start_up;   ///< from the decision to the first request: machine, weights, warm-up
  int least = 1;      ///< replicas that always serve
  double target = 32; ///< requests present in a replica that the policy aims at
  Seconds window;     ///< of arrivals that a forecast looks back on; 0 = reactive
  double margin = 1;  ///< of a forecast, in standard deviations of the arrival rate
};

/// What requests of one kind go to: neighbouring replicas of one model, or workers that run tools, first come, first served.
struct ServingService {
  std::uint32_t first = 0; ///< replica
  std::uint32_t replicas = 0;
  int workers = 0; ///< without replicas; 0 = as many as are asked for
  Seconds latency; ///< of workers: from the end of the work to who waits for it, when the worker is free again
};

struct ServingSystem {
  std::vector<ServingReplica> replicas;
  std::vector<ServingService> services; ///< Request::service is an index into these; empty = one of all replicas
  Autoscaling autoscaling;              ///< of replicas that both prefill and decode
  Router router = Router::round_robin;
  KvTransfer transfer; ///< where there are prefill and decode replicas
};

struct ServingOptions {
  bool skip = true;             ///< stretches of iterations in which nothing changes are one event
  std::uint64_t stop_after = 0; ///< requests served, when the run ends and the others stay where they are; 0 = all
  Seconds sample;               ///< least time between two ServingRun::samples of a replica; 0 = none
  std::size_t spans = 0;        ///< most ServingRun::spans, from the start
};

enum class Outcome : std::uint8_t {
  waiting, ///< when the run ended
  served,
  refused ///< its KV memory exceeds a replica's
};

struct RequestRecord {
  Seconds arrival;
  Seconds scheduled; ///< its first iteration begins
  Seconds first_token;
  Seconds end;
  std::uint32_t replica = 0;     ///< that decoded it
  std::uint32_t produced = 0;    ///< tokens, when the run ended
  std::uint32_t late_tokens = 0; ///< that came later after the one before than their class's bound, where it has one
  std::uint16_t preemptions = 0;
  Outcome outcome = Outcome::waiting;
};

struct ReplicaTotals {
  IterationCost cost; ///< latency = time in iterations (of one stage's place in the pipeline)
  std::uint64_t iterations = 0;
  std::uint64_t prefill_tokens = 0; ///< computed, recomputation included
  std::uint64_t cached_tokens = 0;  ///< of prompts, found in the prefix cache
  std::uint64_t decode_tokens = 0;
  std::uint64_t preemptions = 0;
  std::int64_t peak_blocks = 0;
  int peak_sequences = 0;
  std::vector<std::uint64_t> tier_tokens; ///< of the cached ones, those that came from each tier
  std::uint64_t swapped_out = 0;          ///< KV blocks of preempted sequences that were written
  std::uint64_t swapped_in = 0;
  std::uint64_t reused = 0;       ///< that were valid in host memory and needed no writing
  Seconds moving;                 ///< that iterations waited for KV blocks
  std::vector<GapHistogram> gaps; ///< between the tokens of a sequence (inter-token latency), by class of service
  Seconds active;                 ///< from the decision to start it to its last request, or the whole run
};

/// Iterations of a replica that followed one another.
struct ServingSpan {
  std::uint32_t replica = 0;
  std::uint32_t slot = 0;
  Seconds begin;
  Seconds end;
  std::int64_t iterations = 1;
  std::int64_t prompt_tokens = 0; ///< computed
  std::int64_t sequences = 0;     ///< that decode
};

/// State of one replica at one time.
struct ServingSample {
  Seconds time;
  std::uint32_t replica = 0;
  std::uint32_t waiting = 0;
  std::uint32_t running = 0;
  std::int64_t blocks = 0;
};

/// Workers of a service that runs tools.
struct ToolTotals {
  Seconds busy; ///< added up over workers
  int most = 0; ///< that ran at once
};

struct ServingRun {
  Seconds end;                         ///< of the last request served
  std::vector<RequestRecord> requests; ///< parallel to RequestStream::requests
  std::vector<ReplicaTotals> replicas;
  std::vector<ToolTotals> tools; ///< by service
  std::vector<ServingSample> samples;
  std::vector<ServingSpan> spans;
  std::uint64_t events = 0; ///< that the engine handled
};

ServingRun simulate_serving(const RequestStream& stream, const ServingSystem& system, const ServingOptions& options = {});

} // namespace orrery
