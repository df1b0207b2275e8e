// Serving against queueing theory, and the figures made of requests.
#include "scenarios/serving/goodput_search.hpp"
#include "scenarios/serving/serving_metrics.hpp"
#include "tests/unit/engine/serving_cases.hpp"
#include "workloads/requests/request_traffic.hpp"

#include <catch2/catch.hpp>

namespace orrery::serving_queue_test {

namespace {

constexpr double service = 0.0102; // of SimpleModel: a prompt of 10 tokens

/// One server, one request at a time, each of one token: M/D/1 with Poisson arrivals.
ServingSystem one_server(IterationModel& model, int sequences = 1) {
  return {.replicas = {{.model = &model,
                        .policy = {.name = "one", .prefill_alone = true, .max_sequences = sequences, .max_tokens = 10},
                        .kv_blocks = 1000}}};
}

ServingResult result_of(const RequestStream& stream, const ServingRun& run) {
  ServingResult result{.devices = 1};
  fill_request_metrics(result, stream, run);
  return result;
}

Traffic short_requests(double load, std::uint32_t count) {
  return {.requests = count, .arrivals = PoissonArrivals{Hertz{load / service}}, .input = FixedLength{10}, .output = FixedLength{1}};
}

} // namespace

TEST_CASE("one request at a time waits as long as Pollaczek and Khinchine say", "[closed_form][serving]") {
  for (const double load : {0.3, 0.6, 0.8}) {
    CAPTURE(load);
    SimpleModel model;
    const RequestStream stream = generate_requests(short_requests(load, 60'000), 11);
    const ServingResult result = result_of(stream, simulate_serving(stream, one_server(model)));
    // Mean wait of M/D/1: load / (2 (1 - load)) service times.
    CHECK(result.latencies.queueing.mean.si() == Approx(load / (2 * (1 - load)) * service).epsilon(0.06));
    CHECK(result.latencies.ttft.mean.si() == Approx(result.latencies.queueing.mean.si() + service).epsilon(1e-6));
    CHECK(result.requests_per_second == Approx(load / service).epsilon(0.02));
    CHECK_FALSE(result.saturation.saturated);
  }
}

TEST_CASE("a rate above capacity ends as a stated saturation", "[closed_form][serving]") {
  for (const double load : {1.2, 2.0, 10.0}) {
    CAPTURE(load);
    SimpleModel model;
    const RequestStream stream = generate_requests(short_requests(load, 10'000), 11);
    const ServingResult result = result_of(stream, simulate_serving(stream, one_server(model)));
    CHECK(result.saturation.saturated);
    CHECK(result.saturation.offered == Approx(load / service).epsilon(0.03));
    CHECK(result.saturation.served == Approx(1 / service).epsilon(0.02));
    CHECK(result.served == 10'000);
    // The queue grows by (1 - 1 / load) per request: over the last quarter it holds 7/8 of what it ends with.
    CHECK(result.saturation.queue == Approx(0.875 * 10'000 * (1 - 1 / load)).epsilon(0.05));
  }
}

TEST_CASE("a closed loop serves as fast as its concurrency allows", "[closed_form][serving]") {
  SimpleModel model;
  Traffic traffic = short_requests(1, 1000);
  traffic.arrivals = ClosedLoop{.concurrency = 4};
  const RequestStream stream = generate_requests(traffic, 1);
  const ServingResult result = result_of(stream, simulate_serving(stream, one_server(model)));
  CHECK(result.requests_per_second == Approx(1 / service).epsilon(1e-6));
  CHECK(result.latencies.ttft.p50.si() == Approx(4 * service)); // three before it
  CHECK(result.saturation.offered == 0);
}

TEST_CASE("a closed loop goes on behind refused requests, sessions and pauses", "[closed_form][serving]") {
  SimpleModel model;
  Traffic traffic = short_requests(1, 900);
  traffic.arrivals = ClosedLoop{.concurrency = 1, .pause = Seconds{service}};
  RequestStream stream = generate_requests(traffic, 1);
  const Seconds whole = simulate_serving(stream, one_server(model)).end;
  CHECK(whole.si() == Approx(900 * 2 * service)); // a pause, a request, a pause, ...
  for (std::size_t i = 0; i < 900; i += 3) {
    stream.requests[i].input = 1'000'000;                           // longer than the KV cache
    stream.requests[i + 2].follows = static_cast<RequestId>(i + 1); // a session of two turns, at once
    stream.requests[i + 2].arrival = Seconds{};
  }
  const ServingResult result = result_of(stream, simulate_serving(stream, one_server(model)));
  CHECK(result.served == 600);
  CHECK(result.refused == 300);
  CHECK(result.unfinished == 0);
}

TEST_CASE("the search finds the rate at which a share of M/D/1 still keeps its bound", "[closed_form][serving]") {
  SimpleModel model;
  const RequestStream stream = generate_requests(short_requests(0.1, 20'000), 3);
  const auto at = [&](double factor) {
    RequestStream faster = stream;
    for (Request& request : faster.requests)
      request.arrival /= factor;
    faster.classes.front().ttft = Seconds{3 * service};
    const ServingResult result = result_of(faster, simulate_serving(faster, one_server(model)));
    GoodputPoint point{.rate = result.saturation.offered, .attainment = result.attainment, .saturated = result.saturation.saturated};
    point.kept = point.attainment >= 0.9 && !point.saturated;
    return point;
  };
  const ServingGoodput found = search_goodput(at, {.tolerance = 0.01});
  CHECK(found.bounded);
  // P(wait <= 2 services) of M/D/1 (Erlang 1909) is 0.9 at a load of 0.648: (1 - r) (e^2r - r e^r), with sums up to two services.
  const auto within = [](double r) { return (1 - r) * (std::exp(2 * r) - r * std::exp(r)); };
  double low = 0.1;
  double high = 0.99;
  for (int i = 0; i < 60; ++i)
    (within((low + high) / 2) > 0.9 ? low : high) = (low + high) / 2;
  CHECK(found.rate * service == Approx(low).epsilon(0.04));
}

TEST_CASE("a search states what it cannot bound", "[closed_form][serving]") {
  const auto step = [](double limit) {
    return [limit](double factor) { return GoodputPoint{.rate = 3 * factor, .kept = factor <= limit}; };
  };
  const ServingGoodput found = search_goodput(step(5.3), {.tolerance = 0.01});
  CHECK(found.rate == Approx(3 * 5.3).epsilon(0.01));
  CHECK(found.rate <= 3 * 5.3);
  const ServingGoodput lower = search_goodput(step(0.07), {.tolerance = 0.01});
  CHECK(lower.rate == Approx(3 * 0.07).epsilon(0.01));
  const ServingGoodput none = search_goodput(step(0), {.most_doublings = 5});
  CHECK(none.rate == 0);
  CHECK(none.points.size() == 6);
  const ServingGoodput endless = search_goodput(step(1e300), {.most_doublings = 5});
  CHECK_FALSE(endless.bounded);
  CHECK(endless.rate == 3 * 32);
}

TEST_CASE("of groups with schedulers of their own none computes more than its part of a prompt at a time", "[closed_form][serving]") {
  SimpleModel model;
  Traffic traffic = short_requests(1, 1);
  traffic.arrivals = AtOnce{};
  const RequestStream stream = generate_requests(traffic, 1);
  ServingSystem system = one_server(model);
  BatchingPolicy& policy = system.replicas.front().policy;
  policy.chunked_prefill = true;
  policy.max_tokens = 20;
  const auto iterations = [&](int groups) {
    policy.groups = groups;
    return simulate_serving(stream, system).replicas.front().iterations;
  };
  CHECK(iterations(1) == 1);
  CHECK(iterations(2) == 1);
  CHECK(iterations(4) == 2);
  CHECK(iterations(10) == 5);
}

} // namespace orrery::serving_queue_test
