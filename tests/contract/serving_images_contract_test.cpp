// Pipelines of images: processors, networks, brokers. Nothing is lost, the slowest stage bounds the rate, a broker holds back what it
// carries.
#include "scenarios/serving/serving_costs.hpp"
#include "sim/base/diagnostics.hpp"
#include "tests/support/refusal.hpp"
#include "tests/support/scenarios.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace orrery::serving_images_contract_test {

namespace {

Scenario scenario_of(const char* name, const Overrides& overrides) {
  return load_scenario(data_file(fmt::format("scenarios/{}.yaml", name)), overrides);
}

ServingResult serve(const char* name, Overrides overrides, const char* requests = "400") {
  overrides.push_back(fmt::format("jobs.0.serving.traffic.requests={}", requests));
  return run_scenario(scenario_of(name, overrides), {.record_requests = true}).serving.front();
}

void check_conserved(const ServingResult& job, std::uint64_t tasks) {
  REQUIRE(job.violations.empty());
  REQUIRE(job.tasks);
  CHECK(job.tasks->served == tasks);
  CHECK(job.refused + job.unfinished == 0);
  CHECK(job.output_tokens_per_second == 0);
  CHECK(job.latencies.ttft.count == 0);
  CHECK(job.energy_per_request > Joules{});
  std::uint64_t passes = 0;
  std::uint64_t asked = 0;
  for (const PoolResult& pool : job.pools) {
    passes += pool.prefill_tokens + pool.decode_tokens;
    CHECK(pool.busy <= 1);
    CHECK(pool.preemptions == 0);
    CHECK(pool.peak_sequences <= pool.policy.max_sequences);
  }
  for (std::size_t i = 0; i < job.rows.size(); ++i) {
    const RequestRow& row = job.rows[i];
    asked += row.request.output;
    CHECK(row.record.end >= row.record.scheduled);
    if (row.request.follows != no_request)
      CHECK(row.record.arrival >= job.rows[row.request.follows].record.end);
  }
  CHECK(passes == asked);
}

const ClassResult& class_of(const ServingResult& job, const char* name) {
  const auto found = std::ranges::find(job.classes, name, [](const ClassResult& row) { return row.bounds.name; });
  REQUIRE(found != job.classes.end());
  return *found;
}

} // namespace

TEST_CASE("a pipeline of photos keeps every photo, under every batching policy", "[contract][serving]") {
  for (const char* policy : {"orca", "static", "vllm-v1", "sarathi"}) {
    CAPTURE(policy);
    const ServingResult job = serve("serving-vision", {fmt::format("jobs.0.serving.services.1.batching.policy={}", policy)});
    check_conserved(job, 400);
    CHECK(job.pools.size() == 2);
    CHECK(job.tools.size() == 2);
    CHECK(job.devices == 8);
    // The detector sees every photo once, the classifier three crops of each.
    CHECK(job.pools[0].prefill_tokens == 400);
    CHECK(job.pools[1].prefill_tokens == 1200);
  }
}

TEST_CASE("a broker takes its bandwidth and its latency, and its queue is part of the time", "[contract][serving]") {
  const std::string broker = "jobs.0.serving.services.2.";
  const ServingResult quick = serve("serving-vision", {});
  // 450 kB at 500 MB/s, then 3 ms.
  CHECK(class_of(quick, "queue").latencies.end_to_end.p50.si() == Approx(0.0009 + 0.003));
  const ServingResult far = serve("serving-vision", {broker + "latency=80 ms"});
  check_conserved(far, 400);
  CHECK((far.tasks->end_to_end.mean - quick.tasks->end_to_end.mean).si() == Approx(0.077).epsilon(0.05));
  // 180 photos/s want 81 MB/s.
  const ServingResult narrow = serve("serving-vision", {broker + "workers=1", broker + "bandwidth=20 MB/s"}, "2000");
  check_conserved(narrow, 2000);
  CHECK(narrow.tasks->per_second == Approx(20e6 / 450e3).epsilon(0.02));
  CHECK(class_of(narrow, "queue").latencies.queueing.p50 > Seconds{1});
  const ServingResult free = serve("serving-vision", {broker + "bandwidth=0 B/s", broker + "latency=0 s"});
  CHECK(class_of(free, "queue").latencies.end_to_end.max == Seconds{});
}

TEST_CASE("the slowest stage bounds the rate of a pipeline", "[contract][serving]") {
  const Overrides flood = {"jobs.0.serving.traffic.arrivals={at_once: {}}"};
  // Processors: four photos at a time, the mean of a lognormal time.
  Overrides processors = flood;
  processors.emplace_back("jobs.0.serving.services.0.workers=4");
  const double mean = 0.040 * std::exp(0.4 * 0.4 / 2);
  CHECK(serve("serving-vision", processors, "4000").tasks->per_second == Approx(4 / mean).epsilon(0.03));
  // Networks: full batches on every replica.
  for (const int slow : {0, 1}) {
    Overrides overrides = flood;
    overrides.emplace_back("jobs.0.serving.services.0.workers=0");
    overrides.emplace_back(fmt::format("jobs.0.serving.services.{}.plan.replicas=1", slow == 0 ? 1 : 3));
    if (slow == 1)
      overrides.insert(overrides.end(), {"jobs.0.serving.services.3.batching.max_sequences=1", "jobs.0.serving.services.3.image.size=896"});
    const ServingResult job = serve("serving-vision", overrides, "2000");
    const PoolResult& pool = job.pools[static_cast<std::size_t>(slow)];
    CHECK(pool.busy > 0.9);
    const Scenario scenario = scenario_of("serving-vision", overrides);
    const std::vector<IterationBreakdown> breakdowns = serving_costs(scenario, *scenario.jobs.front().serving, job);
    const IterationBreakdown& pass = breakdowns[static_cast<std::size_t>(slow)];
    CHECK(pass.sequences == pool.policy.max_sequences);
    const double images = job.tasks->per_second * (slow == 0 ? 1 : 3);
    CHECK(images == Approx(pass.sequences / pass.cost.latency.si()).epsilon(0.1));
    CHECK(images <= 1.001 * pass.sequences / pass.cost.latency.si());
  }
}

TEST_CASE("pictures on patches come sooner, late ones sooner still, and never so many times as there are patches", "[contract][serving]") {
  const std::string image = "jobs.0.serving.services.1.image.";
  const auto alone = [&](int patches, bool late) {
    const ServingResult job = serve("serving-diffusion",
                                    {image + fmt::format("patches={}", patches), image + fmt::format("late={}", late),
                                     "jobs.0.serving.services.1.plan.replicas=1", "jobs.0.serving.services.1.batching.max_sequences=1",
                                     "jobs.0.serving.traffic.arrivals={closed_loop: {concurrency: 1}}"},
                                    "20");
    check_conserved(job, 20);
    CHECK(job.devices == patches);
    CHECK(job.pools[0].prefill_tokens + job.pools[0].decode_tokens == 20 * 30);
    return class_of(job, "paint").latencies.end_to_end.mean.si();
  };
  const double one = alone(1, false);
  double before = one;
  for (const int patches : {2, 4, 8}) {
    const double in_line = alone(patches, false);
    const double late = alone(patches, true);
    CHECK(late < in_line);
    CHECK(late > 0.98 * one / patches);
    CHECK(late < before);
    before = late;
  }
}

TEST_CASE("pictures in batches serve a higher rate", "[contract][serving]") {
  const Overrides flood = {"jobs.0.serving.traffic.arrivals={at_once: {}}"};
  double before = 0;
  for (const char* batch : {"1", "2", "4"}) {
    Overrides overrides = flood;
    overrides.push_back(fmt::format("jobs.0.serving.services.1.batching.max_sequences={}", batch));
    const ServingResult job = serve("serving-diffusion", overrides, "64");
    check_conserved(job, 64);
    CHECK(job.tasks->per_second > before);
    before = job.tasks->per_second;
  }
}

TEST_CASE("services over images that cannot be are refused or infeasible", "[diagnostics][serving]") {
  const auto refusal = [](const char* name, const std::string& override_text) {
    return refusal_of([&] { load_scenario(data_file(fmt::format("scenarios/{}.yaml", name)), {override_text}); });
  };
  const std::string job = "jobs.0.serving.";
  using Catch::Matchers::Contains;
  CHECK_THAT(refusal("serving-vision", job + "services.1.image.model=vit-b-17"), Contains("did you mean 'vit-b-16'"));
  CHECK_THAT(refusal("serving-vision", job + "services.1.image.late=true"), Contains("an exchange of one device with itself"));
  CHECK_THAT(refusal("serving-vision", job + "services.1.plan.tp=2"), Contains("of images, more than replicas"));
  CHECK_THAT(refusal("serving-vision", job + "services.1.workers=2"), Contains("beside a model"));
  CHECK_THAT(refusal("serving-vision", job + "services.1.batching={ policy: orca }"), Contains("images in a batch"));
  CHECK_THAT(refusal("serving-vision", job + "traffic.stages.1.service=broker"), Contains("an answer of workers"));
  CHECK_THAT(refusal("serving-vision", job + "traffic.stages.2.service=classifier"), Contains("a tool on a model"));
  CHECK_THAT(refusal("serving-vision", job + "plan.tp=2"), Contains("missing, beside how it is served"));
  CHECK_THAT(refusal("serving-agents", job + "traffic.stages.0.steps=2"), Contains("'steps' of what makes no images"));
  const auto inequality = [](const std::string& override_text) {
    const ServingResult result = serve("serving-diffusion", {override_text}, "10");
    REQUIRE(result.violations.size() == 1);
    return result.violations.front();
  };
  CHECK_THAT(inequality(job + "services.1.image.patches=3"), Contains("not divisible by 3 patches"));
  CHECK_THAT(inequality(job + "services.1.batching.max_sequences=512"), Contains("> memory"));
  CHECK_THAT(inequality(job + "services.1.plan.replicas=3"), Contains("12 devices > 8 devices"));
}

} // namespace orrery::serving_images_contract_test
