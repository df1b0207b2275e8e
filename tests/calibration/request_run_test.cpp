// The published run that tells the times of every request: a device without kernel tables, of which nothing was fitted.
#include "scenarios/published/validate_request_run.hpp"

#include <catch2/catch.hpp>

namespace orrery::request_run_test {

TEST_CASE("a published run, request by request", "[calibration]") {
  const RequestRunScore run = validate_request_run();
  REQUIRE(run.latencies.size() == 2); // to the first token, per token after it
  for (const LatencyScore& latency : run.latencies) {
    CAPTURE(latency.metric);
    CHECK(latency.predicted_median == Approx(latency.measured_median).epsilon(0.10));
    CHECK(latency.predicted_p99 == Approx(latency.measured_p99).epsilon(0.25));
  }
}

} // namespace orrery::request_run_test
