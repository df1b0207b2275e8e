// The replicas that a serving job runs on: which machine, plan and policy, their memory and cost models, and how the engine sees them.
//
// Services are numbered as requests name them: the job's own model is 0, those that stages name follow
// (workloads/requests/request_traffic.hpp). Each pool has the cluster's machine, or one of its own: then as many nodes of that type as its
// devices fill, beside the cluster.
#pragma once

#include "models/iteration_model.hpp"
#include "models/serving_memory.hpp"
#include "scenarios/scenario.hpp"
#include "scenarios/serving/serving_result.hpp"

#include <memory>
#include <string>
#include <vector>

namespace orrery {

/// How a pool batches: the policy of the software or of the user, with the limits of the user, else the software's, else the policy's.
[[nodiscard]] BatchingPolicy batching_of(const BatchingChoice& choice, const SoftwareProfile& software, const ServingPlan& plan);

/// Replicas that are alike, ready to run.
struct Deployment {
  std::uint16_t service = 0;
  std::string name; ///< of the service; empty = the job's own
  Pool pool = Pool::both;
  ServingJob job;
  ServingPlan plan;
  BatchingPolicy policy;
  Cluster cluster;    ///< that it is on
  bool apart = false; ///< on machines of its own, beside the scenario's cluster
  ServingMemory memory;
  std::unique_ptr<ReplicaModel> model;
  std::vector<std::unique_ptr<ReplicaModel>> parts; ///< on parts of the devices, where they follow the load
  std::optional<ImageService> image;                ///< instead of the job's model
  std::unique_ptr<ImageReplica> images;             ///< its cost model, instead of `model`
};

/// In the order of the replicas.
std::vector<Deployment> deployments_of(const Scenario& scenario, const ServingScenario& job);

/// Devices of all of them, each counted once.
int deployed_devices(const ServingScenario& job, const std::vector<Deployment>& pools);

/// Adds what keeps them from being built.
void check_deployments(ServingResult& result, const Scenario& scenario, const ServingScenario& job, const RequestStream& stream,
                       const std::vector<Deployment>& pools);

/// Builds the cost model of each pool and finds the room for its KV cache. Adds pools, and what keeps them from being built.
void deploy(ServingResult& result, const Scenario& scenario, const ServingScenario& job, const RequestStream& stream,
            std::vector<Deployment>& pools);

/// `first` = device of the cluster that the job begins on.
ServingSystem serving_system(const Scenario& scenario, const ServingScenario& job, const std::vector<Deployment>& pools, int first);

/// Tokens of the longest request of a service.
std::uint32_t longest_tokens(const RequestStream& stream, std::uint16_t service);

std::string pool_prefix(const Deployment& pool);

} // namespace orrery
