// Figures made of requests, against requests written by hand.
#include "scenarios/serving/serving_metrics.hpp"

#include <catch2/catch.hpp>

namespace orrery::serving_metrics_test {

namespace {

RequestRecord record(double arrival, double scheduled, double first_token, double end) {
  return {.arrival = Seconds{arrival},
          .scheduled = Seconds{scheduled},
          .first_token = Seconds{first_token},
          .end = Seconds{end},
          .outcome = Outcome::served};
}

struct Case {
  RequestStream stream;
  ServingRun run;
};

/// Four served, one refused, one that never came.
Case by_hand() {
  Case c;
  c.stream.classes = {{.name = "chat", .ttft = Seconds{1}, .tpot = Seconds{0.1}}, {.name = "batch", .end_to_end = Seconds{10}}};
  c.stream.requests = {{.input = 100, .output = 11}, {.input = 200, .output = 1},    {.input = 300, .output = 21, .service_class = 1},
                       {.input = 400, .output = 5},  {.input = 100000, .output = 5}, {.input = 10, .output = 5, .follows = 4}};
  c.run.requests = {record(1, 1.5, 2, 3), record(2, 2, 2.5, 2.5), record(3, 4, 6, 16), record(4, 5, 5.5, 6.5), {}, {}};
  c.run.requests[4].outcome = Outcome::refused;
  c.run.requests[4].arrival = c.run.requests[4].end = Seconds{5};
  c.run.end = Seconds{16};
  return c;
}

} // namespace

TEST_CASE("latencies, rates and counts of requests", "[serving]") {
  const Case c = by_hand();
  ServingResult result{.devices = 2};
  fill_request_metrics(result, c.stream, c.run);
  CHECK(result.requests == 6);
  CHECK(result.served == 4);
  CHECK(result.refused == 1);
  CHECK(result.unfinished == 1);
  CHECK(result.time.si() == 15);
  CHECK(result.requests_per_second == Approx(4.0 / 15));
  CHECK(result.input_tokens_per_second == Approx(1000.0 / 15));
  CHECK(result.output_tokens_per_second == Approx(38.0 / 15));
  CHECK(result.output_tokens_per_second_per_device == Approx(19.0 / 15));
  const ServingLatencies& l = result.latencies;
  CHECK(l.ttft.count == 4);
  CHECK(l.ttft.mean.si() == Approx(1.5));
  CHECK(l.ttft.p50.si() == Approx(1.25));
  CHECK(l.ttft.max.si() == Approx(3));
  CHECK(l.tpot.count == 3); // a request of one token has none
  CHECK(l.tpot.p50.si() == Approx(0.25));
  CHECK(l.end_to_end.mean.si() == Approx((2 + 0.5 + 13 + 2.5) / 4));
  CHECK(l.queueing.mean.si() == Approx(2.5 / 4));
  CHECK(l.itl_mean.si() == Approx(12.0 / 34));
}

TEST_CASE("a request keeps its bounds if it is served and keeps all of them", "[serving]") {
  const Case c = by_hand();
  ServingResult result{.devices = 2};
  fill_request_metrics(result, c.stream, c.run);
  REQUIRE(result.classes.size() == 2);
  const ClassResult& chat = result.classes[0];
  CHECK(chat.requests == 5);
  CHECK(chat.served == 3);
  CHECK(chat.ttft_met == Approx(0.4));
  CHECK(chat.tpot_met == Approx(0.4));
  CHECK(chat.attainment == Approx(0.4));
  CHECK(chat.latencies.ttft.mean.si() == Approx(1));
  CHECK(result.classes[1].end_to_end_met == 0);
  CHECK(result.attainment == Approx(2.0 / 6));
}

TEST_CASE("a request's gaps keep their bound where enough of them do", "[serving]") {
  Case c = by_hand();
  c.stream.classes[0] = {.name = "chat", .itl = Seconds{0.1}, .itl_within = 0.9};
  c.run.requests[0].late_tokens = 1; // of ten gaps
  c.run.requests[3].late_tokens = 1; // of four
  ServingResult result{.devices = 2};
  fill_request_metrics(result, c.stream, c.run);
  CHECK(result.classes[0].itl_met == Approx(0.4)); // the first, and the one of one token; two of five never came
  CHECK(result.classes[0].attainment == Approx(0.4));
  c.stream.classes[0].itl_within = 1;
  fill_request_metrics(result = {.devices = 2}, c.stream, c.run);
  CHECK(result.classes[0].itl_met == Approx(0.2));
}

} // namespace orrery::serving_metrics_test
