// What a serving scenario that cannot be read or cannot run says.
#include "sim/base/diagnostics.hpp"
#include "tests/support/refusal.hpp"
#include "tests/support/scenarios.hpp"
#include "tests/support/temporary_folder.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

namespace orrery::serving_diagnostics_test {

namespace {

Scenario chat(const Overrides& overrides) { return load_scenario(data_file("scenarios/serving-chat.yaml"), overrides); }

std::string chat_refusal(const Overrides& overrides) {
  return refusal_of([&] { chat(overrides); });
}

std::vector<std::string> chat_violations(Overrides overrides) {
  overrides.emplace_back("jobs.0.serving.traffic.requests=50");
  return run_scenario(chat(overrides)).serving.front().violations;
}

/// The shipped chat with its requests from a file.
std::string with_trace(const TemporaryFolder& folder, const std::string& requests, const std::string& more = "") {
  folder.write("requests.csv", requests);
  std::string text = read_text_file(data_file("scenarios/serving-chat.yaml"));
  const std::size_t begin = text.find("      traffic:");
  text.replace(begin, text.find("      slo:") - begin, "      trace: { file: requests.csv" + more + " }\n");
  return folder.write("scenario.yaml", text.substr(0, text.find("expect:")));
}

std::string trace_refusal(const std::string& requests, const std::string& more = "") {
  const TemporaryFolder folder;
  const std::string text = refusal_of([&] { run_scenario(load_scenario(with_trace(folder, requests, more))); });
  const std::size_t at = text.find("requests.csv");
  return at == std::string::npos ? text : text.substr(at);
  return "ran";
}

} // namespace

TEST_CASE("values that no serving job can have are refused where they stand", "[diagnostics][serving]") {
  const std::string job = "jobs.0.serving.";
  const std::vector<std::pair<std::string, std::string>> cases{
      {"model=llama3-70c", "jobs.0.serving.model: no model of the name 'llama3-70c'"},
      {"weights=fp9", "jobs.0.serving.weights: 'fp9'"},
      {"kv=fp7", "jobs.0.serving.kv: 'fp7'"},
      {"plan.tp=0", "jobs.0.serving.plan.tp: '0'"},
      {"slo.itl_within=0.9", "jobs.0.serving.slo.itl_within: without 'itl'; allowed: a bound that it is a share of"},
      {"traffic.classes=[{ name: a, itl_within: 0.9 }]", "jobs.0.serving.traffic.classes.0.itl_within: without 'itl'"},
      {"traffic.max_context=3",
       "jobs.0.serving.traffic.max_context: 3 tokens, which next to no request keeps to; allowed: more, or shorter requests"},
      {"batching.policy=vllm", "did you mean 'vllm-v"},
      {"router=random", "jobs.0.serving.router: 'random'"},
      {"traffic.arrivals.poisson.rate=16", "jobs.0.serving.traffic.arrivals.poisson.rate: '16', a number without a unit"},
      {"traffic.arrivals.poisson.rate=16 s", "which is a time"},
      {"traffic.arrivals.poisson.rate=0 /s", "jobs.0.serving.traffic.arrivals.poisson.rate: '0 /s'"},
      {"traffic.input.lognormal.max=3", "jobs.0.serving.traffic.input.lognormal.max: 3; allowed: at least min = 16"},
      {"traffic.input={ gauss: { mean: 3 } }", "jobs.0.serving.traffic.input"},
      {"traffic.input={ histogram: { edges: [1, 5, 3], shares: [1, 1] } }",
       "jobs.0.serving.traffic.input.histogram.edges: not ascending; allowed: each larger than the one before"},
      {"traffic.input={ zipf: { exponent: 1, max: 9000000 } }",
       "jobs.0.serving.traffic.input.zipf.max: 9000000; allowed: min = 1 to 2000000"},
      {"traffic.duration=0 s", "jobs.0.serving.traffic.duration: '0 s'"},
      {"traffic={ arrivals: { closed_loop: { concurrency: 4 } }, continuations: { width: 2, levels: 2 } }",
       "jobs.0.serving.traffic.arrivals: a closed loop of trees, of which several requests end; allowed: a law with times"},
      {"traffic.continuations={ width: 4, keep: 5 }", "jobs.0.serving.traffic.continuations.keep: 5; allowed: at most width = 4"},
      {"traffic.classes.1.name=chat", "jobs.0.serving.traffic.classes.1.name: 'chat' again; allowed: a name for each class"},
      {"trace={ file: nowhere.csv }", "jobs.0.serving.trace.file: no file 'nowhere.csv'"},
      {"pools={ prefill: { plan: { tp: 4 } }, decode: { plan: { tp: 4 } } }",
       "jobs.0.serving.plan: beside 'pools', which have plans of their own; allowed: one of them"},
      {"slo.attainment=95%", "jobs.0.serving.slo.attainment: '95%'"},
      {"autoscaling={ interval: 10 s, start_up: 60 s, least: 5 }",
       "jobs.0.serving.autoscaling.least: 5; allowed: at most plan.replicas = 2"},
      {"autoscaling={ interval: 1 ns, start_up: 60 s }", "jobs.0.serving.autoscaling.interval: '1 ns'; allowed: a time from 1 ms"},
      {"fairness.order=shortest", "jobs.0.serving.fairness.order: 'shortest'"},
      {"fairness.every=0", "jobs.0.serving.fairness.every: '0'"},
      {"kv_copies.unit=0", "jobs.0.serving.kv_copies.unit: '0'"},
      {"kv_tiers=[{ capacity: 1 GB }]", "jobs.0.serving.kv_tiers.0: neither 'place' nor 'tier'; allowed: one of them"},
      {"kv_tiers=[{ tier: cxl-ddr5-4x128 }]", "did you mean 'cxl-ddr5-4x256'"},
      {"services=[{ name: reader }]", "jobs.0.serving.services.0: no stage goes to 'reader'; allowed: a stage that names it"},
      {"traffic={ arrivals: { at_once: {} }, stages: [{ name: a }, { name: b }] }",
       "jobs.0.serving.traffic.stages.1.after: nothing; allowed: a stage above"},
      {"traffic={ arrivals: { at_once: {} }, stages: [{ name: plan }, { name: b, after: [plam] }] }",
       "jobs.0.serving.traffic.stages.1.after: no stage 'plam' above; did you mean 'plan'"},
      {"traffic={ arrivals: { at_once: {} }, stages: [{ name: a, service: web, time: 1 s }] }",
       "jobs.0.serving.traffic.stages.0.service: no service 'web'"},
      {"traffic={ arrivals: { closed_loop: { concurrency: 2 } }, stages: [{ name: a }, { name: b, after: [a] }, { name: c, after: [a] }] }",
       "jobs.0.serving.traffic.stages: 2 stages that end a task of a closed loop; allowed: one"},
      {"kv_content=outputs", "jobs.0.serving.kv_content: 'outputs'"},
  };
  for (const auto& [assignment, words] : cases) {
    CAPTURE(assignment, words);
    CHECK_THAT(chat_refusal({job + assignment}), Catch::Contains(words));
  }
  CHECK_THAT(chat_refusal({"jobs.0.serving.trace={ file: " + data_file("README.md") + " }"}),
             Catch::Contains("jobs.0.serving: both 'traffic' and 'trace'; allowed: one of them"));
  CHECK_THAT(
      chat_refusal({job + "kv_tiers=[{ place: host }]", job + "prefix_cache=false"}),
      Catch::Contains("jobs.0.serving.kv_tiers: without a prefix cache or swapping, nothing goes there; allowed: 'prefix_cache: true'"));
  CHECK_THAT(chat_refusal({job + "model=deepseek-v3", job + "kv_content=inputs"}),
             Catch::Contains("jobs.0.serving.kv_content: inputs of layers with latent attention, whose cache is narrower"));
  CHECK_THAT(chat_refusal({"simulation.jitter=0.1"}), Catch::Contains("simulation.jitter: beside a job that serves"));
  CHECK_THAT(chat_refusal({"expect.ttft_p98.max=1 s"}), Catch::Contains("did you mean 'ttft_p9"));
}

TEST_CASE("deployments that the machine or the model cannot carry are results with their inequality", "[diagnostics][serving]") {
  const std::vector<std::pair<Overrides, std::string>> cases{
      {{"jobs.0.serving.plan.replicas=3"}, "replicas need 12 devices > 8 devices"},
      {{"jobs.0.serving.plan.tp=3"}, "attention heads 64 is not divisible by tp 3"},
      {{"jobs.0.serving.plan.tp=1", "jobs.0.serving.weights=bf16"}, "> the engine's share of 85.0 GB"},
      {{"jobs.0.serving.plan.ep=2"}, "ep 2 > 1: llama3-70b has no experts"},
      {{"jobs.0.serving.fairness={}", "jobs.0.serving.batching.policy=static"},
       "priorities change while requests run, but a batch of 'static' ends as a whole"},
      {{"jobs.0.serving.kv_tiers=[{ place: host, capacity: 3 TB }]"}, "KV blocks take 3 TB of ddr > 2 TB of a node"},
      {{"jobs.0.serving.swap=true", "cluster.node={ base: dgx-h100, host: { device_link: 0 GB/s } }"},
       "KV blocks go to ddr, to which a dgx-h100 has no link"},
      {{"jobs.0.serving.traffic.duration=1 ns"}, "no request comes"},
      {{"power.feed=1 kW"}, "mean power of the facility"},
      {{"power.device_cap=50 W"}, "power of a device that waits at its lowest clock"},
      {{"jobs.0.serving.traffic.input={ fixed: { tokens: 9000000 } }"}, "no request fits: the longest has"},
  };
  for (const auto& [overrides, words] : cases) {
    CAPTURE(overrides, words);
    const std::vector<std::string> found = chat_violations(overrides);
    CAPTURE(found);
    CHECK(std::any_of(found.begin(), found.end(), [&](const std::string& text) { return text.find(words) != std::string::npos; }));
  }
}

TEST_CASE("a cap that memory alone exceeds is said; a model without room has none left", "[diagnostics][serving]") {
  const ServingResult above = run_scenario(chat({"power.device_cap=150 W", "jobs.0.serving.traffic.requests=50"})).serving.front();
  CHECK(above.violations.empty());
  CHECK(above.above_cap);
  const ServingResult slow = run_scenario(chat({"power.device_cap=400 W", "jobs.0.serving.traffic.requests=50"})).serving.front();
  CHECK_FALSE(slow.above_cap);
  const ServingResult none = run_scenario(chat({"jobs.0.serving.plan.tp=1", "jobs.0.serving.weights=bf16"})).serving.front();
  REQUIRE(none.pools.size() == 1);
  CHECK(none.pools.front().kv_room == Bytes{});
}

TEST_CASE("traces without requests are mistakes, lines without one are counted", "[diagnostics][serving]") {
  const std::string header = "arrived_at,num_prefill_tokens,num_decode_tokens\n";
  CHECK(trace_refusal("") == "requests.csv: no requests in it");
  CHECK(trace_refusal(header) == "requests.csv: no requests in it");
  CHECK(trace_refusal(header + "x,1,1\n") ==
        "requests.csv: no request was taken: 1 refused, 0 left out; line 2: arrived_at 'x': not a number");
  CHECK_THAT(trace_refusal("a,b\n1,2\n"), Catch::StartsWith("requests.csv: line 1: no format has the columns a, b; there are vidur"));
  CHECK_THAT(trace_refusal(header + "1,1,1\n", ", format: azure"),
             Catch::StartsWith("requests.csv: line 1: the header has the columns arrived_at"));
  CHECK_THAT(trace_refusal(header + "1,1,1\n", ", format: azur"), Catch::Contains("did you mean 'azure'"));
  const TemporaryFolder folder;
  const Result result = run_scenario(load_scenario(with_trace(folder, header + "2,100,5\n1,0,5\n1,100,9000000\n0.5,100,5\nbroken\n")));
  const ServingResult& job = result.serving.front();
  CHECK(result.feasible());
  CHECK(job.trace->read == 5);
  CHECK(job.trace->refused == 2);
  CHECK(job.trace->out_of_order == 2);
  CHECK(job.served == 2);
  CHECK(job.refused == 1); // longer than the KV cache
}

} // namespace orrery::serving_diagnostics_test
