// Weights that lie in host memory: an iteration takes no less than the link needs for them, and the device has room for more KV cache.
#include "hardware/catalogue.hpp"
#include "models/iteration_model.hpp"
#include "models/offload_cost.hpp"
#include "models/serving_memory.hpp"
#include "scenarios/data_files.hpp"
#include "tests/unit/models/serving_models.hpp"

#include <catch2/catch.hpp>

using namespace orrery;

namespace {} // namespace

TEST_CASE("weights in host memory pace small batches and leave room for the KV cache", "[closed_form][serving]") {
  const Cluster cluster{.node = load_node("dgx-h100"), .nodes = 1};
  const SoftwareProfile software = load_software("vllm-v1-2025");
  const ServingJob job{.model = llama()};
  ReplicaModel resident(cluster, job, {}, software, load_calibration());
  ReplicaModel streamed(cluster, job, {.host_weights = 0.5}, software, load_calibration());
  const Bytes weights = stage_weights(resident.graph()).front();
  CHECK(weights.si() == Approx(2 * job.model.parameters()).epsilon(0.001));
  const Seconds link = 0.5 * weights / (cluster.node.host.device_link * link_share);
  CHECK(streamed.decode(1).at(100).latency.si() == Approx(link.si()).epsilon(0.02));
  CHECK(resident.decode(1).at(100).latency < 0.5 * link);
  const PrefillChunk chunk{.tokens = 32768}; // as long as the link or longer: it hides
  CHECK(streamed.cost({&chunk, 1}, 0, 0).latency == resident.cost({&chunk, 1}, 0, 0).latency);
  const Device& device = cluster.node.device;
  CHECK(serving_memory(streamed.graph(), device, software, {}).kv_tokens >
        serving_memory(resident.graph(), device, software, {}).kv_tokens);
  CHECK(check_host_memory(streamed.graph(), cluster.node).empty());
  NodeType small = cluster.node;
  small.host.memory.capacity = Bytes{32e9};
  CHECK(check_host_memory(streamed.graph(), small).front().constraint == "weights in host memory: 64.2 GB needed > 32.0 GB of dgx-h100");
}
