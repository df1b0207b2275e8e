// Scenarios that serve: every policy and router conserves requests, a seed repeats them, more hardware never serves worse.
#include "scenarios/data_files.hpp"
#include "scenarios/run.hpp"
#include "sim/base/diagnostics.hpp"
#include "tests/temporary_folder.hpp"
#include "tools/report_json.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace orrery;

namespace {

using Overrides = std::vector<std::string>;

Result run(const char* name, Overrides overrides) {
  overrides.insert(overrides.begin(), "jobs.0.serving.traffic.requests=400");
  return run_scenario(load_scenario(data_file(fmt::format("scenarios/{}.yaml", name)), overrides), {.record_requests = true});
}

ServingResult serve(const Overrides& overrides, const char* name = "serving-chat") { return run(name, overrides).serving.front(); }

void check_conserved(const ServingResult& job) {
  REQUIRE(job.violations.empty());
  CHECK(job.served + job.refused + job.unfinished == job.requests);
  std::uint64_t tokens = 0;
  std::uint64_t input = 0;
  std::uint64_t computed = 0;
  std::uint64_t decoded = 0;
  std::uint64_t preemptions = 0;
  for (const PoolResult& pool : job.pools) {
    CHECK(pool.peak_kv <= 1);
    CHECK(pool.busy <= 1);
    computed += pool.prefill_tokens + pool.cached_tokens;
    decoded += pool.decode_tokens;
    preemptions += pool.preemptions;
  }
  for (const RequestRow& row : job.rows) {
    if (row.record.outcome != Outcome::served)
      continue;
    tokens += row.request.output - 1;
    input += row.request.input;
    CHECK(row.record.arrival < row.record.scheduled);
    CHECK(row.record.scheduled < row.record.first_token);
  }
  if (preemptions == 0) {
    CHECK(computed == input);
    CHECK(decoded == tokens);
  }
  std::uint64_t of_classes = 0;
  for (const ClassResult& row : job.classes)
    of_classes += row.requests;
  CHECK(of_classes == job.requests);
}

} // namespace

TEST_CASE("every policy and router conserves the requests of a scenario", "[contract][serving]") {
  for (const BatchingPolicy& policy : batching_policies()) {
    CAPTURE(policy.name);
    check_conserved(serve({"jobs.0.serving.batching.policy=" + policy.name, "jobs.0.serving.traffic.sessions.turns=1"}));
  }
  for (const char* router : {"round_robin", "least_requests", "least_tokens", "prefix", "session"}) {
    CAPTURE(router);
    check_conserved(serve({std::string("jobs.0.serving.router=") + router}));
    check_conserved(serve({std::string("jobs.0.serving.router=") + router}, "serving-disaggregated"));
  }
}

TEST_CASE("a seed repeats a serving run to the byte, another one draws other requests", "[contract][serving]") {
  const std::string once = result_json(run("serving-chat", {})).dump();
  CHECK(once == result_json(run("serving-chat", {})).dump());
  CHECK(once != result_json(run("serving-chat", {"simulation.seed=2"})).dump());
}

TEST_CASE("more replicas and less traffic never make the queue longer", "[contract][serving]") {
  Seconds before{1e9};
  for (const char* rate : {"40 /s", "20 /s", "5 /s", "1 /s"}) {
    CAPTURE(rate);
    const ServingResult job = serve({std::string("jobs.0.serving.traffic.arrivals.poisson.rate=") + rate});
    CHECK(job.latencies.ttft.mean <= before);
    before = job.latencies.ttft.mean;
  }
  // Without a prefix cache, of which a single replica finds more.
  const std::string plain = "jobs.0.serving.prefix_cache=false";
  const Seconds one = serve({plain, "jobs.0.serving.plan.replicas=1"}).latencies.ttft.p90;
  CHECK(serve({plain}).latencies.ttft.p90 <= one);
}

TEST_CASE("figures of a serving run are within physical bounds", "[contract][serving]") {
  const Result result = run("serving-chat", {});
  const ServingResult& job = result.serving.front();
  CHECK((job.mfu > 0 && job.mfu < 1));
  CHECK((job.mbu > 0 && job.mbu < 1));
  const Device device = load_scenario(data_file("scenarios/serving-chat.yaml")).cluster.node.device;
  CHECK(job.device_power >= *device.idle_power);
  CHECK(job.device_power <= *device.power_cap);
  CHECK(job.facility_power > 8 * job.device_power);
  CHECK(job.priced);
  CHECK(job.iterations_per_request > 1);
  for (const LatencySummary* summary : {&job.latencies.ttft, &job.latencies.tpot, &job.latencies.end_to_end}) {
    CHECK(summary->p50 <= summary->p90);
    CHECK(summary->p90 <= summary->p95);
    CHECK(summary->p95 <= summary->p99);
    CHECK(summary->p99 <= summary->max);
    CHECK(summary->mean <= summary->max);
  }
}

TEST_CASE("a trace of requests is served as its laws were", "[contract][serving]") {
  const ServingResult drawn = serve({"jobs.0.serving.traffic.sessions.turns=1", "jobs.0.serving.traffic.classes=[]"});
  const TemporaryFolder folder;
  std::string lines = "arrived_at,num_prefill_tokens,num_decode_tokens\n";
  for (const RequestRow& row : drawn.rows)
    lines += fmt::format("{:.12f},{},{}\n", row.record.arrival.si(), row.request.input, row.request.output);
  folder.write("requests.csv", lines);
  std::string text = read_text_file(data_file("scenarios/serving-chat.yaml"));
  const std::size_t begin = text.find("      traffic:");
  text.replace(begin, text.find("      slo:") - begin, "      trace: { file: requests.csv }\n");
  const ServingResult read = run_scenario(load_scenario(folder.write("scenario.yaml", text))).serving.front();
  REQUIRE(read.trace);
  CHECK(read.trace->format == "vidur");
  CHECK(read.trace->accepted == 400);
  CHECK(read.served == 400);
  CHECK(read.latencies.ttft.mean.si() == Approx(drawn.latencies.ttft.mean.si()).epsilon(1e-6));
  CHECK(read.latencies.end_to_end.p99.si() == Approx(drawn.latencies.end_to_end.p99.si()).epsilon(1e-6));
}

TEST_CASE("guesses that are never right cost time, those that are save it", "[contract][serving]") {
  const auto tpot = [](const char* speculation) {
    return serve({std::string("jobs.0.serving.speculation=") + speculation}).latencies.tpot.mean;
  };
  const Seconds none = serve({}).latencies.tpot.mean;
  CHECK(tpot("{ drafter: lookup, drafts: 4, acceptance: 0 }") >= none);
  CHECK(tpot("{ drafter: lookup, drafts: 4, acceptance: 0.9 }") < 0.7 * none);
  CHECK(tpot("{ drafter: model, drafts: 4, acceptance: 0.9, model: llama3-8b }") < none);
}

TEST_CASE("replicas that are started with the load cost less than all of them", "[contract][serving]") {
  const Overrides quiet{"jobs.0.serving.traffic.arrivals.poisson.rate=0.2 /s"};
  Overrides scaled = quiet;
  scaled.emplace_back("jobs.0.serving.autoscaling={ interval: 10 s, start_up: 60 s, least: 1, target: 50 }");
  const ServingResult all = serve(quiet);
  const ServingResult some = serve(scaled);
  CHECK(all.mean_devices == Approx(8));
  CHECK(some.mean_devices < 5);
  CHECK(some.cost_per_million_output_tokens < 0.7 * all.cost_per_million_output_tokens);
  check_conserved(some);
}

TEST_CASE("pools on the same devices count them once", "[contract][serving]") {
  const ServingResult job = serve({"jobs.0.serving.pools={ prefill: { plan: { tp: 4, replicas: 2 } }, decode: { plan: { tp: 4, replicas: "
                                   "2 } }, prefill_share: 0.5 }"},
                                  "serving-disaggregated");
  check_conserved(job);
  CHECK(job.devices == 8);
  CHECK(job.mean_devices == Approx(8));
}
