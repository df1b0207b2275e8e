// Weights that lie in host memory: an iteration takes no less than the link needs for them, and the device has room for more KV cache. A KV
// cache that lies there: the host's processors read it at their rate, beside the rest.
#include "hardware/catalogue.hpp"
#include "models/iteration_model.hpp"
#include "models/offload_cost.hpp"
#include "models/serving_memory.hpp"
#include "scenarios/data_files.hpp"
#include "tests/unit/models/serving_models.hpp"

#include <catch2/catch.hpp>

namespace orrery::host_weights_test {

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

TEST_CASE("a KV cache in host memory is read at the host's rate beside the rest", "[closed_form][serving]") {
  const Cluster cluster{.node = load_node("dgx-h100"), .nodes = 1};
  SoftwareProfile software = load_software("vllm-v1-2025");
  software.serving.iteration_host = software.serving.sequence_host = Seconds{};
  const ServingJob job{.model = llama()};
  ReplicaModel device(cluster, job, {}, software, load_calibration());
  ReplicaModel host(cluster, job, {.host_attention = true}, software, load_calibration());
  const double token = 32 * 2 * 8 * 128 * 2;
  const BytesPerSecond rate = cluster.node.host.memory.bandwidth * memory_share / cluster.node.devices;
  const Seconds long_read = Bytes{64 * 16'384 * token} / rate;
  CHECK(host.decode(64).at(16'384).latency.si() == Approx(long_read.si()).epsilon(0.01));
  CHECK(host.decode(64).at(16'384).latency > 5 * device.decode(64).at(16'384).latency);
  CHECK(host.decode(1).at(8).latency < device.decode(1).at(8).latency); // short reads hide
  // Keys and values of a prompt leave over the link beside it.
  const PrefillChunk chunk{.tokens = 4096};
  const Seconds out = Bytes{4096 * token} / (cluster.node.host.device_link * link_share);
  CHECK(host.cost({&chunk, 1}, 0, 0).latency == std::max(out, device.cost({&chunk, 1}, 0, 0).latency));
  // Room is what the host has, whatever the device does.
  const Bytes part = cluster.node.host.memory.capacity / cluster.node.devices;
  const ServingMemory memory = serving_memory(host.graph(), cluster.node.device, software, {.host = part});
  CHECK(static_cast<double>(memory.kv_tokens) == Approx(software.serving.memory_fraction * part.si() / token).epsilon(0.001));
  CHECK(!check_serving_memory(serving_memory(host.graph(), cluster.node.device, software, {}), 16).empty());
}

} // namespace orrery::host_weights_test
