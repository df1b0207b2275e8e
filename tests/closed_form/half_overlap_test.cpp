// Halves of an iteration beside each other: never faster than the longest kind of work, never slower than the iteration as one.
#include "hardware/catalogue.hpp"
#include "models/iteration_model.hpp"
#include "scenarios/data_files.hpp"
#include "tests/unit/models/serving_models.hpp"

#include <catch2/catch.hpp>

#include <utility>

namespace orrery::half_overlap_test {

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

TEST_CASE("an exchange beside the other half leaves it the multiprocessors that it does not keep", "[closed_form][serving]") {
  Cluster cluster{.node = load_node("dgx-h100"), .nodes = 1};
  SoftwareProfile software = load_software("sglang-2025");
  software.kernel_launch = Seconds{};
  software.serving.works_ahead = true;
  software.serving.iteration_host = software.serving.sequence_host = Seconds{};
  TransformerModel model = llama(8);
  model.experts = {.count = 64, .top_k = 8, .hidden = 1024};
  const std::vector<PrefillChunk> prompts(8, PrefillChunk{.tokens = 8192});
  const auto prefill = [&](HalfOverlap overlap, int multiprocessors) {
    software.serving.half_overlap = overlap;
    cluster.node.device.multiprocessors = multiprocessors;
    ReplicaModel replica(cluster, {.model = model}, {.tp = 1, .ep = 8, .attention_dp = 8}, software, load_calibration());
    double network = 0;
    for (const Operator& op : replica.graph().layer(replica.graph().kinds().front(), 8192, 65536))
      if (std::holds_alternative<Collective>(op.shape))
        network += 8 * replica.operator_costs({op}).front().time.si();
    return std::pair(replica.cost(prompts, 0, 0).latency.si(), network);
  };
  const auto [whole, network] = prefill(HalfOverlap::none, 132);
  const double gained = whole - prefill(HalfOverlap::communication, 132).first;
  CHECK(gained > 0);
  CHECK(gained < network);
  // 20 of 132 are kept: products take 132 / 112 of their time, which is what the hidden exchange does not gain.
  CHECK(network - gained < (whole - network) * 20 / 112);
  CHECK(network - gained > 0.2 * (whole - network) * 20 / 112);
}

} // namespace orrery::half_overlap_test
