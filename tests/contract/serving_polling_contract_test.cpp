// A scheduler that looks at what waits every so many iterations.
#include "tests/unit/engine/serving_cases.hpp"
#include "workloads/batching.hpp"

#include <catch2/catch.hpp>

namespace orrery::serving_polling_contract_test {

using Catch::Detail::Approx;

namespace {

ServingSystem polled(IterationModel& model, const BatchingPolicy& policy, int every) {
  ServingReplica replica{.model = &model, .policy = policy, .kv_blocks = 2000};
  replica.policy.max_sequences = 24;
  replica.policy.poll_iterations = every;
  return {.replicas = {replica}};
}

double mean_wait(const ServingRun& run) {
  double sum = 0;
  for (const RequestRecord& record : run.requests)
    sum += (record.scheduled - record.arrival).si();
  return sum / static_cast<double>(run.requests.size());
}

} // namespace

TEST_CASE("polled requests take the same decisions whether unchanged iterations are skipped or not", "[contract][serving]") {
  for (const BatchingPolicy& policy : batching_policies()) {
    CAPTURE(policy.name);
    SimpleModel model;
    const RequestStream stream = random_stream(200, 6, 11);
    const ServingSystem system = polled(model, policy, 7);
    const ServingRun skipped = simulate_serving(stream, system);
    const ServingRun stepped = simulate_serving(stream, system, {.skip = false});
    for (std::size_t i = 0; i < stream.requests.size(); ++i) {
      REQUIRE(skipped.requests[i].outcome == Outcome::served);
      CHECK(skipped.requests[i].scheduled.si() == Approx(stepped.requests[i].scheduled.si()).epsilon(1e-9));
      CHECK(skipped.requests[i].end.si() == Approx(stepped.requests[i].end.si()).epsilon(1e-9));
    }
    CHECK(skipped.replicas[0].iterations == stepped.replicas[0].iterations);
  }
}

TEST_CASE("while a batch decodes, requests wait half an interval on average", "[contract][serving]") {
  SimpleModel model;
  const BatchingPolicy policy{.name = "plain", .chunked_prefill = true, .max_sequences = 24, .max_tokens = 8192};
  RequestStream stream;
  stream.requests.push_back({.arrival = Seconds{0}, .input = 10, .output = 4000}); // decodes throughout, in iterations of about 10 ms
  for (int i = 0; i < 40; ++i)
    stream.requests.push_back({.arrival = Seconds{0.5 + 0.613 * i}, .input = 10, .output = 2});
  const double at_once = mean_wait(simulate_serving(stream, polled(model, policy, 1)));
  const double polling = mean_wait(simulate_serving(stream, polled(model, policy, 30)));
  CHECK(at_once < 0.011);
  CHECK(polling == Approx(0.15).epsilon(0.25));
}

} // namespace orrery::serving_polling_contract_test
