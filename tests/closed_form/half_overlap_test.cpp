// Halves of an iteration beside each other: never faster than the longest kind of work, never slower than the iteration as one.
#include "hardware/catalogue.hpp"
#include "models/iteration_model.hpp"
#include "scenarios/data_files.hpp"
#include "tests/unit/models/serving_models.hpp"

#include <catch2/catch.hpp>

using namespace orrery;

namespace {

IterationCost prefill(HalfOverlap overlap, int tp, std::uint32_t tokens) {
  Cluster cluster{.node = load_node("dgx-h100"), .nodes = 1};
  SoftwareProfile software = load_software("vllm-v1-2025");
  software.serving.half_overlap = overlap;
  software.serving.iteration_host = Seconds{};
  software.serving.sequence_host = Seconds{};
  software.kernel_launch = Seconds{};
  ReplicaModel replica(cluster, {.model = llama(80, 8192)}, {.tp = tp}, software, load_calibration());
  const PrefillChunk chunk{.tokens = tokens};
  return replica.cost({&chunk, 1}, 0, 0);
}

} // namespace

TEST_CASE("collectives hide behind the other half where there are any", "[closed_form][serving]") {
  CHECK(prefill(HalfOverlap::communication, 1, 8192).latency == prefill(HalfOverlap::none, 1, 8192).latency);
  const Seconds plain = prefill(HalfOverlap::none, 8, 8192).latency;
  const Seconds overlapped = prefill(HalfOverlap::communication, 8, 8192).latency;
  CHECK(overlapped < plain);
  CHECK(overlapped > 0.6 * plain);
  CHECK(prefill(HalfOverlap::all, 8, 8192).latency <= overlapped);
}

TEST_CASE("few tokens are not worth reading the weights twice", "[closed_form][serving]") {
  CHECK(prefill(HalfOverlap::communication, 8, 16).latency == prefill(HalfOverlap::none, 8, 16).latency);
}
