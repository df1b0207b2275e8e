// A serving job as a scenario describes it: what is served, on which replicas, to whom.
#pragma once

#include "hardware/description.hpp"
#include "models/image_cost.hpp"
#include "scenarios/serving/goodput_search.hpp"
#include "scenarios/serving/rollouts.hpp"
#include "sim/base/params.hpp"
#include "sim/engine/serving.hpp"
#include "workloads/requests/request_trace.hpp"
#include "workloads/requests/request_traffic.hpp"
#include "workloads/serving_job.hpp"

#include <optional>
#include <string>
#include <vector>

namespace orrery {

/// What of an engine's batching is set by the user; the rest is the software profile's.
struct BatchingChoice {
  std::optional<std::string> policy; ///< a name of batching_policies()
  std::optional<int> max_sequences;
  std::optional<int> max_tokens;
};

/// Memory below that of the devices that KV blocks go to: of the node, or another one.
struct KvTierChoice {
  enum class Place { host, storage };
  std::optional<Place> place;
  std::optional<MemoryTier> tier; ///< instead: of each node (CXL, drives)
  std::optional<Bytes> capacity;  ///< of a node, for KV blocks; by default all of it
  Seconds latency;                ///< of a transfer

  [[nodiscard]] MemoryTier memory(const Host& host) const;
};

/// How blocks are copied there and back.
struct KvCopies {
  int unit = 1; ///< blocks that lie side by side and go in one copy
  bool keep = false;
  bool overlapped = false;
};

/// Replicas that do one phase of every request.
struct ServingPool {
  ServingPlan plan;
  BatchingChoice batching;
  std::optional<NodeType> node; ///< machines of its own; by default the scenario's cluster
};

/// What stages of tasks go to beside the job's own model: another model, a network over images, or workers that run tools or carry
/// messages.
struct ServiceChoice {
  std::string name;
  std::optional<TransformerModel> model;
  std::optional<ImageService> image;  ///< instead; of its plan the replicas count
  std::optional<std::string> weights; ///< as of the job; by default half precision
  std::optional<Precision> kv;
  ServingPlan plan;
  BatchingChoice batching;
  std::optional<NodeType> node; ///< machines of its own; by default the scenario's cluster
  int workers = 0;              ///< without either; 0 = as many as are asked for
  BytesPerSecond bandwidth;     ///< of a worker, for messages; 0 = they take no time
  Seconds latency;              ///< from the end of a worker's work to who waits for it
  DollarsPerSecond price;       ///< of a worker

  [[nodiscard]] bool on_devices() const { return model || image; }
  /// Devices that share an image stand side by side as tensor-parallel ones do.
  [[nodiscard]] ServingPlan layout() const;
};

/// Tokens guessed ahead: see Speculation.
struct SpeculationChoice {
  Drafter drafter = Drafter::lookup;
  int drafts = 1;
  double acceptance = 0.8;
  std::optional<TransformerModel> model; ///< that guesses, of Drafter::model
};

/// Prefill and decode on replicas of their own.
struct ServingPools {
  ServingPool prefill;
  ServingPool decode;
  std::optional<double> prefill_share; ///< of the multiprocessors of devices that both pools run on; else each has devices of its own
  std::optional<double> decode_slack;  ///< the same devices, whose multiprocessors follow the load within this slowdown of decoding

  [[nodiscard]] bool same_devices() const { return prefill_share || decode_slack; }
};

/// Requests from a file.
struct TraceTraffic {
  std::string file;
  std::optional<std::string> format; ///< a name of request_formats(); by default the one whose columns are there
  std::uint64_t skip = 0;
  std::optional<std::uint64_t> requests;
  double speed = 1;
  std::optional<std::uint32_t> max_context;
  double characters_per_token = 4;
  std::optional<ArrivalLaw> arrivals; ///< instead of the file's times
  std::vector<TrafficClass> classes;

  [[nodiscard]] TraceSelection selection() const;
};

/// Bounds that a share of all requests has to keep; of classes that state none of their own.
struct ServiceTarget {
  std::optional<Seconds> ttft;
  std::optional<Seconds> tpot;
  std::optional<Seconds> end_to_end;
  std::optional<Seconds> itl;       ///< of the gaps between the tokens of a request
  std::optional<double> itl_within; ///< share of a request's gaps that has to keep it; by default all
  std::optional<Seconds> itl_p99;   ///< of the time between tokens over all requests: of the system as a whole, no bound of a request
  double attainment = 0.9;
};

struct ServingScenario {
  TransformerModel model;                ///< of no layers: every stage goes to a service
  Precision precision = Precision::bf16; ///< of activations
  std::optional<std::string> weights;    ///< a name of weight_formats(); by default that of `precision`
  std::optional<Precision> kv;           ///< of the KV cache; by default `precision`
  KvContent kept = KvContent::keys_values;
  Routing routing;
  ServingPlan plan;
  std::optional<ServingPools> pools; ///< instead of `plan`
  BatchingChoice batching;           ///< of `plan`
  Router router = Router::round_robin;
  std::optional<Autoscaling> autoscaling;
  std::optional<bool> prefix_cache;   ///< by default as the software does
  bool swap = false;                  ///< preempted sequences go to the first tier, host memory by default; else they are computed again
  std::vector<KvTierChoice> kv_tiers; ///< below device memory, the nearest first
  KvCopies kv_copies;
  std::optional<Fairness> fairness; ///< priorities that change while requests run
  std::optional<SpeculationChoice> speculation;
  std::vector<ServiceChoice> services; ///< that stages of tasks name
  std::optional<Traffic> traffic;      ///< this
  std::optional<TraceTraffic> trace;   ///< or this
  ServiceTarget slo;
  std::optional<GoodputOptions> goodput;  ///< search for the highest rate that keeps the target
  std::optional<RolloutOptions> rollouts; ///< the requests are responses that a reinforcement learner samples
  std::optional<Seconds> sample;          ///< least time between two samples of a replica's state
};

const Table<ServingScenario>& serving_table();
const Table<ImageService>& image_table();
const Table<ServingPlan>& serving_plan_table();

/// Whether its requests, or some of them, have bounds on latencies.
[[nodiscard]] bool has_bounds(const ServingScenario& job);

/// Whether there is a model that the services come beside.
[[nodiscard]] inline bool has_model(const ServingScenario& job) { return job.model.layers > 0; }

/// Devices of all replicas on the scenario's cluster.
[[nodiscard]] int serving_devices(const ServingScenario& job);

/// What the cost models are asked about.
[[nodiscard]] ServingJob serving_job(const ServingScenario& job);
[[nodiscard]] ServingJob serving_job(const ServingScenario& job, const ServiceChoice& service);

/// The requests of a job, and what became of its trace's lines. Throws UserError where the trace has none.
struct ServingTraffic {
  RequestStream stream;
  std::optional<RequestTraceReport> trace;
};
ServingTraffic serving_traffic(const ServingScenario& job, std::uint64_t seed);

} // namespace orrery
