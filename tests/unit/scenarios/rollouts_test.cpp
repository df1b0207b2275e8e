#include "scenarios/serving/rollouts.hpp"

#include "tests/unit/engine/serving_cases.hpp"

#include <catch2/catch.hpp>

namespace orrery::rollouts_test {

namespace {

ServingSystem one_replica(IterationModel& model) {
  BatchingPolicy policy = batching_policies()[3];
  policy.max_sequences = 64; // more responses under way do not make batches larger
  return {.replicas = {{.model = &model, .policy = policy, .kv_blocks = 1'000'000}}};
}

std::vector<Request> responses(bool long_tailed) {
  RandomStream random(3, "responses");
  std::vector<Request> list;
  for (int i = 0; i < 2000; ++i)
    list.push_back({.input = 200, .output = long_tailed ? 1 + static_cast<std::uint32_t>(random.lognormal(5, 1.2)) : 300});
  return list;
}

} // namespace

TEST_CASE("partial rollouts shorten the phase where lengths have a long tail, and nowhere else", "[scenarios][serving]") {
  for (const bool long_tailed : {true, false}) {
    SimpleModel model;
    const ServingSystem system = one_replica(model);
    RolloutOptions options{.steps = 10, .responses = 64};
    const RolloutRun synchronous = simulate_rollouts(responses(long_tailed), system, options);
    options.surplus = 1;
    const RolloutRun partial = simulate_rollouts(responses(long_tailed), system, options);
    const double gain = partial.tokens_per_second() / synchronous.tokens_per_second() - 1;
    CAPTURE(long_tailed, gain);
    CHECK((long_tailed ? gain > 0.15 : gain < 0.01));
    CHECK(synchronous.steps[0].carried == 0);
    CHECK(synchronous.steps[3].computed_again == 0);
    CHECK(partial.steps[0].carried == 64);
    CHECK(partial.steps[1].earlier_tokens > 0);
  }
}

} // namespace orrery::rollouts_test
