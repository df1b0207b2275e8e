// Scenarios that serve: every policy and router conserves requests, a seed repeats them, more hardware never serves worse.
#include "scenarios/serving/serving_costs.hpp"
#include "sim/base/diagnostics.hpp"
#include "tests/support/scenarios.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tools/reports/report_json.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <algorithm>

namespace orrery::serving_scenario_contract_test {

namespace {

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

TEST_CASE("requests keep the arrivals that they had before the host's work", "[contract][serving]") {
  const ServingResult job = serve({});
  Seconds before{};
  for (const RequestRow& row : job.rows) {
    if (row.request.follows != no_request)
      continue;
    CHECK(row.record.arrival >= before);
    before = row.record.arrival;
  }
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

TEST_CASE("memory below the devices' serves prompts, and says how much of them", "[contract][serving]") {
  const ServingResult job = serve({"jobs.0.serving.traffic.requests=1500"}, "serving-tiers");
  check_conserved(job);
  const PoolResult& pool = job.pools.front();
  REQUIRE(pool.tiers.size() == 3);
  CHECK(pool.tiers[0].name == "ddr");
  CHECK(pool.tiers[0].tokens > 0);
  CHECK(pool.tiers[0].tokens + pool.tiers[1].tokens + pool.tiers[2].tokens < pool.cached_tokens);
  const ServingResult without = serve({"jobs.0.serving.traffic.requests=1500", "jobs.0.serving.kv_tiers=[]"}, "serving-tiers");
  CHECK(pool.prefill_tokens < without.pools.front().prefill_tokens);
  CHECK(job.latencies.ttft.mean < without.latencies.ttft.mean);
}

TEST_CASE("fair shares swap sequences and serve all, by every way of copying", "[contract][serving]") {
  const std::string few = "jobs.0.serving.batching.max_sequences=16";
  const ServingResult whole = serve({few}, "serving-fairness");
  check_conserved(whole);
  CHECK(whole.pools.front().swapped_in > 0);
  CHECK(whole.pools.front().moving == 0);
  CHECK(whole.classes.front().itl.count > 0);
  const ServingResult blocks = serve({few, "jobs.0.serving.kv_copies={ unit: 1 }"}, "serving-fairness");
  check_conserved(blocks);
  CHECK(blocks.pools.front().moving > 0);
  CHECK(blocks.itl.p99 > whole.itl.p99);
}

TEST_CASE("tasks of agents are served on machines of several types, and say what they cost", "[contract][serving]") {
  const Result result = run("serving-agents", {"jobs.0.serving.traffic.requests=120"});
  const ServingResult& job = result.serving.front();
  REQUIRE(job.violations.empty());
  REQUIRE(job.tasks);
  CHECK(job.tasks->served == 120);
  CHECK(job.served == 720);
  REQUIRE(job.pools.size() == 2);
  CHECK(job.pools[0].node == "dgx-h100");
  CHECK(job.pools[1].node == "dgx-a100");
  CHECK(job.pools[1].service == "reader");
  CHECK(job.devices == 7);
  CHECK(job.mean_devices == Approx(7));
  REQUIRE(job.tools.size() == 1);
  CHECK(job.tools[0].name == "search");
  CHECK(job.tools[0].most <= 32);
  CHECK(job.latencies.ttft.count == 480); // tools give no tokens
  CHECK(job.classes[1].latencies.end_to_end.mean > Seconds{0.3});
  CHECK(job.tasks->end_to_end.mean > job.classes[0].latencies.end_to_end.mean + job.classes[5].latencies.end_to_end.mean);
  CHECK(std::ranges::any_of(result.assumptions, [](const Assumption& a) { return a.subject == "node dgx-a100"; }));
  // Half a DGX H100 and three eighths of a DGX A100 over the time, their electricity, and workers.
  const double years = job.time.si() / (5 * 365.25 * 86400);
  const double machines = (300000.0 / 2 + 199000.0 * 3 / 8) * years;
  CHECK(job.cost_per_request.si() * 120 > machines);
  CHECK(job.cost_per_request.si() * 120 < 1.5 * machines + job.tools[0].cost.si());
}

TEST_CASE("prompts on newer machines and decoding on older ones hand their memory over", "[contract][serving]") {
  const ServingResult alike = serve({}, "serving-disaggregated");
  const ServingResult mixed = serve({"jobs.0.serving.weights=bf16", "jobs.0.serving.pools.decode.node=dgx-a100"}, "serving-disaggregated");
  check_conserved(mixed);
  CHECK(mixed.devices == 16);
  CHECK(mixed.pools[0].node == "dgx-h100");
  CHECK(mixed.pools[1].node == "dgx-a100");
  CHECK(mixed.latencies.tpot.mean > alike.latencies.tpot.mean);
}

TEST_CASE("iterations of a job that serves are made of operators, host and what they overlap", "[contract][serving]") {
  for (const char* name : {"serving-chat", "serving-disaggregated", "serving-agents"}) {
    CAPTURE(name);
    const Scenario scenario = load_scenario(data_file(fmt::format("scenarios/{}.yaml", name)), {"jobs.0.serving.traffic.requests=100"});
    const Result result = run_scenario(scenario);
    const std::vector<IterationBreakdown> breakdowns = serving_costs(scenario, *scenario.jobs.front().serving, result.serving.front());
    const bool agents = std::string(name) == "serving-agents";
    REQUIRE(breakdowns.size() == (agents ? 4 : 2)); // prefill and decode, of each model
    for (const IterationBreakdown& b : breakdowns) {
      CAPTURE(b.pool, b.phase);
      CHECK(b.kernels() > 0.3 * b.cost.latency);
      CHECK(b.rest() > -0.02 * b.cost.latency); // sizes between those that are priced
      double flops = 0;
      for (const IterationPart& part : b.parts)
        flops += part.count * part.cost.flops.si();
      CHECK(flops * (agents && b.pool == "reader" ? 1 : b.pool == "decode pool" ? 8 : 4) == Approx(b.cost.flops.si()).epsilon(0.02));
    }
  }
}

TEST_CASE("a prompt's iteration lists the scans of recurrent layers", "[contract][serving]") {
  const Scenario scenario =
      load_scenario(data_file("scenarios/serving-chat.yaml"), {"jobs.0.serving.traffic.requests=50", "jobs.0.serving.model=nemotron-h-8b"});
  const Result result = run_scenario(scenario);
  const std::vector<IterationBreakdown> breakdowns = serving_costs(scenario, *scenario.jobs.front().serving, result.serving.front());
  REQUIRE(breakdowns.size() == 2);
  double flops = 0;
  int scans = 0;
  for (const IterationPart& part : breakdowns.front().parts) {
    flops += part.count * part.cost.flops.si();
    scans += std::holds_alternative<ChunkScan>(part.op.shape) ? 1 : 0;
  }
  CHECK(scans == 1);
  CHECK(4 * flops == Approx(breakdowns.front().cost.flops.si()).epsilon(0.02));
}

} // namespace orrery::serving_scenario_contract_test
