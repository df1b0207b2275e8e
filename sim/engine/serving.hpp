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

struct ServingReplica {
  IterationModel* model = nullptr; ///< may be shared by replicas that are alike
  BatchingPolicy policy;
  std::int64_t kv_blocks = 0; ///< of all its devices
  int block_tokens = 16;
  int stages = 1; ///< pipeline stages: as many batches are in flight
  Pool pool = Pool::both;
  std::optional<std::uint32_t> shares_memory_with; ///< an earlier replica on the same devices
  bool prefix_cache = false;                       ///< prompts' KV memory is kept for requests that start alike
  double tokens_per_iteration = 1;                 ///< of a decoding sequence, on average: more with accepted drafts
  std::optional<Seconds>
      swap_block; ///< preempted sequences go to host memory, at this time for each block and way; else they are recomputed
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

struct ServingSystem {
  std::vector<ServingReplica> replicas;
  Autoscaling autoscaling; ///< of replicas that both prefill and decode
  Router router = Router::round_robin;
  KvTransfer transfer; ///< where there are prefill and decode replicas
};

struct ServingOptions {
  bool skip = true;             ///< stretches of iterations in which nothing changes are one event
  std::uint64_t stop_after = 0; ///< requests served, when the run ends and the others stay where they are; 0 = all
  Seconds sample;               ///< least time between two ServingRun::samples of a replica; 0 = none
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
  std::uint32_t replica = 0;  ///< that decoded it
  std::uint32_t produced = 0; ///< tokens, when the run ended
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
  GapHistogram gaps; ///< between the tokens of a sequence (inter-token latency)
  Seconds active;    ///< from the decision to start it to its last request, or the whole run
};

/// State of one replica at one time.
struct ServingSample {
  Seconds time;
  std::uint32_t replica = 0;
  std::uint32_t waiting = 0;
  std::uint32_t running = 0;
  std::int64_t blocks = 0;
};

struct ServingRun {
  Seconds end;                         ///< of the last request served
  std::vector<RequestRecord> requests; ///< parallel to RequestStream::requests
  std::vector<ReplicaTotals> replicas;
  std::vector<ServingSample> samples;
  std::uint64_t events = 0; ///< that the engine handled
};

ServingRun simulate_serving(const RequestStream& stream, const ServingSystem& system, const ServingOptions& options = {});

} // namespace orrery
