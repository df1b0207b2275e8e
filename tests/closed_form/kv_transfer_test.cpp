// Hand-over of KV memory between replicas takes what the wires need.
#include "sim/engine/kv_transfer.hpp"

#include "tests/unit/engine/serving_cases.hpp"
#include "tests/unit/hardware/clusters.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

namespace orrery::kv_transfer_test {

namespace {

constexpr double per_token = 1e6;

/// Time from the first token to the last of two, of which the decode iteration is known.
std::vector<double> hand_overs(const std::vector<ReplicaPlace>& places, const std::vector<Pool>& pools, int requests) {
  SimpleModel model;
  ServingSystem system;
  for (const Pool pool : pools)
    system.replicas.push_back({.model = &model, .policy = batching_policies()[3], .kv_blocks = 100000, .pool = pool});
  system.transfer = kv_transfer(Topology(testing::rail_cluster(2)), system.replicas, places, Bytes{per_token});
  RequestStream stream;
  for (int i = 0; i < requests; ++i)
    stream.requests.push_back({.input = 1000, .output = 2});
  const ServingRun run = simulate_serving(stream, system);
  std::vector<double> times;
  for (const RequestRecord& record : run.requests)
    times.push_back((record.end - record.first_token).si() - model.decode(1).at(1001).latency.si());
  return times;
}

} // namespace

TEST_CASE("a hand-over uses the ports of all devices", "[closed_form][serving]") {
  const std::vector<double> alike = hand_overs({{0, 8}, {8, 8}}, {Pool::prefill, Pool::decode}, 1);
  CHECK(alike[0] == Approx(1000 * per_token / (8 * 50e9)).epsilon(0.02));
  const std::vector<double> fewer = hand_overs({{0, 8}, {8, 2}}, {Pool::prefill, Pool::decode}, 1);
  CHECK(fewer[0] == Approx(1000 * per_token / (2 * 50e9)).epsilon(0.02));
  const std::vector<double> inside = hand_overs({{0, 4}, {4, 4}}, {Pool::prefill, Pool::decode}, 1);
  CHECK(inside[0] == Approx(1000 * per_token / (4 * 450e9)).epsilon(0.05));
}

TEST_CASE("hand-overs to one replica share its ports", "[closed_form][serving]") {
  const std::vector<double> shared = hand_overs({{0, 4}, {4, 4}, {8, 4}}, {Pool::prefill, Pool::prefill, Pool::decode}, 2);
  // The second one then waits for the iteration that the first one has begun.
  CHECK(std::ranges::min(shared) == Approx(2 * 1000 * per_token / (4 * 50e9)).epsilon(0.02));
}

} // namespace orrery::kv_transfer_test
