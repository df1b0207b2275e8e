// Documents of unequal length in packed sequences, against hand-made formulas.
#include "scenarios/data_files.hpp"
#include "scenarios/document_loads.hpp"
#include "tests/support/scenarios.hpp"
#include "workloads/documents.hpp"
#include "workloads/layer.hpp"
#include "workloads/step_flops.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace orrery::documents_test {

namespace {

/// A pipeline of two replicas, so that stragglers meet both ways.
Overrides packed(const std::string& documents, const Overrides& more = {}) {
  Overrides overrides{"jobs.0.training.model=llama3-8b",
                      "jobs.0.training.sequence=131072",
                      "jobs.0.training.global_batch=16",
                      "jobs.0.plan.tp=8",
                      "jobs.0.plan.pp=4",
                      "jobs.0.plan.dp=2",
                      "cluster.nodes=8",
                      "jobs.0.plan.schedule=1f1b",
                      "jobs.0.plan.virtual_stages=1",
                      "jobs.0.plan.recompute=full",
                      "jobs.0.training.documents=" + documents,
                      "cluster.fabric.nodes_per_leaf=8"};
  overrides.insert(overrides.end(), more.begin(), more.end());
  return overrides;
}

TrainingResult run(const Overrides& overrides) {
  TrainingResult job = run_scenario(quickstart(overrides)).jobs.front();
  CAPTURE(job.violations);
  REQUIRE(job.violations.empty());
  return job;
}

} // namespace

TEST_CASE("equal documents take the attention of so many short sequences", "[documents]") {
  CHECK(mean_attended_length({}, 8192) == 8192);
  CHECK(mean_attended_length({.median = 1024}, 8192) == 1024);
  CHECK(mean_attended_length({.median = 100'000}, 8192) == 8192);
  // Two documents and a half: the last is cut.
  CHECK(mean_attended_length({.median = 4000}, 10'000) == Approx((2 * 16e6 + 4e6) / 10'000));
}

TEST_CASE("long documents in many short ones: attended length tends to E[l^2] / E[l]", "[documents]") {
  const Documents documents{.median = 500, .spread = 0.8};
  CHECK(mean_attended_length(documents, 1'000'000) == Approx(500 * std::exp(1.5 * 0.64)).epsilon(0.03));
  const std::vector<double> lengths = attended_lengths({.median = 8192, .spread = 1.5}, 65'536, 4000, 7);
  CHECK(std::ranges::max(lengths) <= 65'536);
  CHECK(std::accumulate(lengths.begin(), lengths.end(), 0.0) / 4000 ==
        Approx(mean_attended_length({.median = 8192, .spread = 1.5}, 65'536)).epsilon(0.03));
}

TEST_CASE("balanced packing keeps the tokens and evens out the work", "[documents]") {
  Documents documents{.median = 8192, .spread = 1.5};
  const std::vector<double> as_drawn = attended_lengths(documents, 262'144, 200, 7);
  documents.balanced = true;
  const std::vector<double> evened = attended_lengths(documents, 262'144, 200, 7);
  const auto spread = [](const std::vector<double>& lengths) {
    const double mean = std::accumulate(lengths.begin(), lengths.end(), 0.0) / static_cast<double>(lengths.size());
    double squares = 0;
    for (const double length : lengths)
      squares += (length - mean) * (length - mean);
    return std::sqrt(squares / static_cast<double>(lengths.size())) / mean;
  };
  CHECK(spread(evened) < 0.9 * spread(as_drawn));
  CHECK(std::ranges::min(evened) > 2 * std::ranges::min(as_drawn));
  // The same whole documents, so the same work, but for cuts at the ends of sequences.
  CHECK(std::accumulate(evened.begin(), evened.end(), 0.0) == Approx(std::accumulate(as_drawn.begin(), as_drawn.end(), 0.0)).epsilon(0.02));
  CHECK(attended_lengths({.median = 1024, .balanced = true}, 8192, 10, 1) == std::vector<double>(10, 1024));
}

TEST_CASE("what has to move is what lies above the mean", "[documents]") {
  CHECK(excess_share({2, 2, 2}) == 0);
  CHECK(excess_share({1, 3}) == Approx(0.25));
}

TEST_CASE("operators and the FLOPs of a step count the pairs within documents", "[documents]") {
  const Scenario scenario = quickstart(packed("{ median: 16384 }"));
  const TrainingJob& job = *scenario.jobs.front().job;
  const OpGraph graph = build_training_graph(job, {.micro_batch = 1}, scenario.software);
  CHECK(graph.flops.causal.si() == Approx(summed_flops(graph).causal.si()).epsilon(1e-9));
  TrainingJob whole = job;
  whole.documents = {};
  const double pairs = graph.flops.causal.si() - step_flops(whole, scenario.software).causal.si();
  const TransformerModel& m = job.model;
  // 12 FLOPs for each causal pair, head and element of its width, forward and backward.
  CHECK(pairs == Approx(12.0 * m.layers * m.heads * m.head_dim * job.global_batch * job.sequence * (16384.0 - 131072) / 2));
}

TEST_CASE("equal documents make no stragglers, unequal ones do, and attention servers take them away", "[documents]") {
  const double alone = run(packed("{ median: 32768 }")).step_time.si();
  CHECK(run(packed("{ median: 32768 }", {"jobs.0.plan.attention_servers=true"})).step_time.si() == Approx(alone).epsilon(1e-12));
  const Overrides long_tail = packed("{ median: 8192, spread: 1.5 }");
  const TrainingResult uneven = run(long_tail);
  Overrides served = long_tail;
  served.emplace_back("jobs.0.plan.attention_servers=true");
  const TrainingResult even = run(served);
  CHECK(even.step_time < uneven.step_time);
  // What is saved is waiting.
  const auto share = [](const TrainingResult& job, std::string_view name) {
    const auto found = std::ranges::find(job.time, name, &TimeShare::name);
    return found == job.time.end() ? 0.0 : found->time.si();
  };
  CHECK(share(even, "pipeline bubble") < share(uneven, "pipeline bubble"));
  for (const TrainingResult* each : {&even, &uneven})
    CHECK(std::accumulate(each->time.begin(), each->time.end(), 0.0, [](double sum, const TimeShare& part) {
            return sum + part.time.si();
          }) == Approx(each->step_time.si()).epsilon(1e-9));
}

TEST_CASE("documents packed and dealt by their work leave less to wait for", "[documents]") {
  const TrainingResult as_drawn = run(packed("{ median: 8192, spread: 1.5 }"));
  const TrainingResult evened = run(packed("{ median: 8192, spread: 1.5, balanced: true }"));
  CHECK(evened.step_time < as_drawn.step_time);
  const TrainingResult served = run(packed("{ median: 8192, spread: 1.5, balanced: true }", {"jobs.0.plan.attention_servers=true"}));
  CHECK(served.step_time < evened.step_time);
}

TEST_CASE("loads follow the seed and apply to the attention alone", "[documents]") {
  const Scenario scenario = quickstart(packed("{ median: 8192, spread: 1.5 }"));
  const TrainingScenario& job = scenario.jobs.front();
  const Stages stages = stages_of(scenario, job);
  const std::vector<PassLoads> steps = document_loads(job, stages, 1);
  const std::vector<PassLoads> others = document_loads(job, stages, 2);
  REQUIRE(steps.size() == others.size());
  double sum = 0;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    REQUIRE(steps[i].factors.size() == 16);
    REQUIRE(steps[i].shares.size() == 4 * 3);
    CHECK(steps[i].factors == document_loads(job, stages, 1)[i].factors);
    CHECK(steps[i].factors != others[i].factors);
    sum += std::accumulate(steps[i].factors.begin(), steps[i].factors.end(), 0.0);
    for (const double share : steps[i].shares)
      CHECK((share >= 0 && share < 1));
  }
  // The steps together have the attention that was costed, each by itself more or less.
  CHECK(sum == Approx(16.0 * static_cast<double>(steps.size())));
  CHECK(steps[0].factors != steps[1].factors);
  TrainingScenario served = job;
  served.plan.attention_servers = true;
  REQUIRE(document_loads(served, stages, 1).size() == 1);
  CHECK(document_loads(served, stages, 1).front().factors.empty());
}

TEST_CASE("what a run takes hangs little on the documents that are drawn", "[documents]") {
  const Overrides packing = packed("{ median: 8192, spread: 1.5 }");
  Overrides other = packing;
  other.emplace_back("simulation.seed=2");
  const TrainingResult one = run(packing);
  const TrainingResult two = run(other);
  CHECK(one.step_time != two.step_time);
  CHECK(one.step_time.si() == Approx(two.step_time.si()).epsilon(0.03));
  CHECK(one.method.fold.ends_with("steps, whose documents are drawn"));
}

TEST_CASE("ranks that share sequences have the load of their replica, in whatever order ranks lie", "[documents]") {
  const Overrides shared{"jobs.0.plan.cp=2", "cluster.nodes=16"};
  const Scenario scenario = quickstart(packed("{ median: 8192, spread: 1.5 }", shared));
  TrainingScenario job = scenario.jobs.front();
  const Stages stages = stages_of(scenario, job);
  const std::vector<double> factors = document_loads(job, stages, 1).front().factors;
  REQUIRE(factors.size() == 2 * 16); // dp x cp = 4 ranks of 8 micro-batches
  CHECK(std::equal(factors.begin(), factors.begin() + 8, factors.begin() + 8));
  CHECK_FALSE(std::equal(factors.begin(), factors.begin() + 8, factors.begin() + 16));
  job.plan.order = {RankAxis::tensor, RankAxis::data, RankAxis::context, RankAxis::pipeline};
  const std::vector<double> across = document_loads(job, stages, 1).front().factors;
  CHECK(std::equal(factors.begin(), factors.begin() + 8, across.begin() + 16));
  const double alone = run(packed("{ median: 8192, spread: 1.5 }")).step_time.si();
  const double halved = run(packed("{ median: 8192, spread: 1.5 }", shared)).step_time.si();
  CHECK(halved < alone);
  CHECK(halved > alone / 2);
}

} // namespace orrery::documents_test
