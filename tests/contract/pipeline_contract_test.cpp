// What holds for every replay of a step, whatever the schedule.
#include "sim/base/random.hpp"
#include "sim/engine/link_loads.hpp"
#include "sim/engine/pipeline.hpp"
#include "tests/unit/engine/pipeline_cases.hpp"
#include "tests/unit/hardware/clusters.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <bit>
#include <iterator>
#include <map>

namespace orrery::pipeline_contract_test {

using testing::full_pipeline;

namespace {

CostedGraph replicated(ScheduleKind kind, int stages, int replicas, int tp) {
  CostedGraph graph = full_pipeline(kind, stages, testing::some_chunks(kind, 2), 2 * stages);
  testing::lay_out(graph, tp, replicas);
  for (CostedStage& stage : graph.stages)
    stage.reductions.push_back(
        {.name = "embedding", .group = Group::embedding, .latency = Seconds{1e-5}, .time = Seconds{4e-3}, .network = Bytes{1e8}});
  return graph;
}

bool same_bytes(const StepTimeline& a, const StepTimeline& b) {
  const auto bits = [](Seconds time) { return std::bit_cast<std::uint64_t>(time.si()); };
  return bits(a.step) == bits(b.step) && a.events == b.events &&
         std::equal(a.spans.begin(), a.spans.end(), b.spans.begin(), b.spans.end(), [&](const TimelineSpan& x, const TimelineSpan& y) {
           return x.stage == y.stage && x.replica == y.replica && x.kind == y.kind && x.chunk == y.chunk &&
                  x.micro_batch == y.micro_batch && bits(x.begin) == bits(y.begin) && bits(x.end) == bits(y.end);
         });
}

} // namespace

TEST_CASE("Without jitter one replica stands for all", "[engine]") {
  const auto kind = GENERATE(from_range(std::begin(testing::all_schedules), std::end(testing::all_schedules)));
  const CostedGraph graph = replicated(kind, 4, 5, 1);
  const StepTimeline folded = simulate_step(graph);
  const StepTimeline unfolded = simulate_step(graph, {.weights = each_by_itself(graph.replicas).weights()});
  CHECK(folded.step == unfolded.step);
  CHECK(folded.simulated_replicas == 1);
  CHECK(unfolded.simulated_replicas == 5);
  CHECK(folded.fold() == "1 of 5 identical replicas simulated; one rank stands for the tensor-parallel ranks of its stage");
  for (std::size_t s = 0; s < 4; ++s)
    CHECK(folded.stages[s].bubble.si() == Approx(unfolded.stages[s].bubble.si()).epsilon(1e-12));
}

TEST_CASE("The same step twice gives the same bytes", "[engine]") {
  const CostedGraph graph = replicated(ScheduleKind::one_f_one_b, 4, 4, 8);
  const Topology topology(testing::tree_cluster(16, 4.0));
  const bool contended = GENERATE(false, true);
  const StepTraffic traffic = step_traffic(topology, graph, each_by_itself(graph.replicas));
  const StepOptions options{.jitter = 0.05,
                            .seed = 7,
                            .weights = each_by_itself(graph.replicas).weights(),
                            .record = true,
                            .traffic = contended ? &traffic : nullptr};
  const StepTimeline first = simulate_step(graph, options);
  CHECK(same_bytes(first, simulate_step(graph, options)));
  StepOptions other = options;
  other.seed = 8;
  CHECK_FALSE(same_bytes(first, simulate_step(graph, other)));
}

TEST_CASE("Jitter and stragglers lengthen a step and keep its accounts", "[engine]") {
  const CostedGraph graph = replicated(ScheduleKind::interleaved, 4, 3, 1);
  const StepTimeline plain = simulate_step(graph);
  StepOptions options{.weights = each_by_itself(graph.replicas).weights()};
  SECTION("jitter") { options.jitter = 0.05; }
  SECTION("one slow stage of one replica") {
    options.clocks.assign(12, 1.0);
    options.clocks[6] = 0.5;
  }
  const StepTimeline timeline = simulate_step(graph, options);
  CHECK(timeline.step > plain.step);
  CHECK(timeline.step < plain.step * 2);
  for (const StageTimes& a : timeline.stages)
    CHECK((a.compute + a.send + a.bubble + a.reduction + a.optimizer + a.gather + a.host).si() ==
          Approx(timeline.step.si()).epsilon(1e-12));
}

TEST_CASE("Recorded passes never overlap on a stage and each runs once", "[engine]") {
  const auto kind = GENERATE(from_range(std::begin(testing::all_schedules), std::end(testing::all_schedules)));
  const bool overlap = GENERATE(false, true);
  CostedGraph graph = replicated(kind, 4, 1, 1);
  graph.overlap_p2p = overlap;
  const StepTimeline timeline = simulate_step(graph, {.jitter = 0.3, .record = true});
  std::map<int, Seconds> busy_until;
  std::map<std::tuple<int, SpanKind, int, int>, int> runs;
  for (const TimelineSpan& span : timeline.spans) {
    if (span.kind > SpanKind::weight)
      continue;
    CHECK(span.begin >= busy_until[span.stage]);
    busy_until[span.stage] = span.end;
    ++runs[{span.stage, span.kind, span.chunk, span.micro_batch}];
  }
  CHECK(runs.size() == static_cast<std::size_t>(4 * (splits_backward(kind) ? 3 : 2) * micro_batches_per_chunk(kind, graph.micro_batches) *
                                                graph.virtual_stages));
  CHECK(std::all_of(runs.begin(), runs.end(), [](const auto& run) { return run.second == 1; }));
}

TEST_CASE("A stage that waits for its messages does one thing at a time", "[engine]") {
  const auto kind = GENERATE(from_range(std::begin(testing::all_schedules), std::end(testing::all_schedules)));
  const CostedGraph graph = replicated(kind, 4, 3, 8);
  const Topology topology(testing::tree_cluster(12, 4.0));
  const StepTraffic traffic = step_traffic(topology, graph, each_by_itself(graph.replicas));
  const StepTimeline timeline =
      simulate_step(graph, {.jitter = 0.3, .weights = each_by_itself(graph.replicas).weights(), .record = true, .traffic = &traffic});
  std::map<std::pair<int, int>, std::vector<TimelineSpan>> lanes;
  for (const TimelineSpan& span : timeline.spans)
    if (span.kind != SpanKind::host)
      lanes[{span.replica, span.stage}].push_back(span);
  REQUIRE(lanes.size() == 12);
  for (auto& [lane, spans] : lanes) {
    std::ranges::sort(spans, {}, &TimelineSpan::begin);
    CHECK(std::ranges::count(spans, SpanKind::send, &TimelineSpan::kind) > 0);
    for (std::size_t i = 1; i < spans.size(); ++i)
      CHECK(spans[i].begin >= spans[i - 1].end);
  }
}

TEST_CASE("Traffic that meets nothing takes its costed time; traffic that meets some takes longer", "[engine]") {
  CostedGraph graph = replicated(ScheduleKind::one_f_one_b, 4, 4, 8);
  graph.overlap_p2p = GENERATE(false, true);
  const ReplicaFold fold = GENERATE(false, true) ? each_by_itself(graph.replicas) : one_for_all(graph.replicas);
  const StepTimeline costed = simulate_step(graph, {.weights = fold.weights()});
  // Every stage and replica on nodes and rails of its own, under one leaf group.
  Cluster wide = testing::rail_cluster(16);
  wide.fabric.nodes_per_leaf = 16;
  const Topology free(wide);
  const StepTraffic apart = step_traffic(free, graph, fold);
  CHECK(simulate_step(graph, {.weights = fold.weights(), .traffic = &apart}).step.si() == Approx(costed.step.si()).epsilon(1e-2));

  const Topology narrow(testing::tree_cluster(16, 16.0));
  const StepTraffic together = step_traffic(narrow, graph, fold);
  const StepTimeline contended = simulate_step(graph, {.weights = fold.weights(), .traffic = &together});
  CHECK(contended.step > costed.step * 1.02);
  double delivered = 0;
  for (const LinkTraffic& link : contended.traffic)
    delivered += link.delivered.si();
  CHECK(delivered > 0);
}

TEST_CASE("Traffic follows the order of ranks", "[engine]") {
  CostedGraph graph = full_pipeline(ScheduleKind::one_f_one_b, 2, 1, 4);
  testing::lay_out(graph, 8, 2);
  const Topology topology(testing::rail_cluster(4));
  const StepTraffic across = step_traffic(topology, graph, one_for_all(graph.replicas));
  CHECK_FALSE(across.stages[0].reductions[0].empty());
  // Data fastest: replicas of a rank are neighbours in a node.
  graph.groups[Group::tensor] = {.size = 8, .stride = 2};
  graph.groups[Group::data] = {.size = 2, .stride = 1};
  const StepTraffic inside = step_traffic(topology, graph, one_for_all(graph.replicas));
  CHECK(inside.stages[0].reductions[0].empty());
  // Whatever the order, every rank of a stage sends its message from its own port.
  for (const StepTraffic* traffic : {&across, &inside}) {
    REQUIRE_FALSE(traffic->stages[0].sends[0].empty());
    CHECK(std::ranges::all_of(traffic->stages[0].sends[0], [](const LinkLoad& load) { return load.weight == 1; }));
  }
}

TEST_CASE("Flows that meet on a spine are slower than planned ones", "[engine]") {
  CostedGraph graph = full_pipeline(ScheduleKind::one_f_one_b, 2, 1, 8);
  testing::lay_out(graph, 8, 8);
  Cluster cluster = testing::tree_cluster(16);
  const auto step = [&](PathKind paths) {
    cluster.fabric.paths = paths;
    const StepTraffic traffic = step_traffic(Topology(cluster), graph, one_for_all(graph.replicas));
    return simulate_step(graph, {.traffic = &traffic}).step;
  };
  CHECK(step(PathKind::planned).si() == Approx(simulate_step(graph).step.si()).epsilon(1e-9));
  CHECK(step(PathKind::hashed).si() > 1.02 * step(PathKind::planned).si());
}

TEST_CASE("A degraded port slows the flows that use it", "[engine]") {
  CostedGraph graph = full_pipeline(ScheduleKind::one_f_one_b, 2, 1, 8);
  testing::lay_out(graph, 8, 2);
  Cluster cluster = testing::rail_cluster(4);
  const auto step = [&] {
    const StepTraffic traffic = step_traffic(Topology(cluster), graph, one_for_all(graph.replicas));
    return simulate_step(graph, {.traffic = &traffic}).step;
  };
  const Seconds whole = step();
  cluster.degraded = {{.link = "node1/nic3/up", .factor = 0.2}};
  CHECK(step() > whole);
}

TEST_CASE("Pipeline fastest: neighbouring stages are neighbouring devices", "[engine]") {
  CostedGraph graph = full_pipeline(ScheduleKind::one_f_one_b, 8, 1, 16);
  testing::lay_out(graph, 1, 4);
  graph.groups[Group::pipeline] = {.size = 8, .stride = 1};
  graph.groups[Group::data] = {.size = 4, .stride = 8};
  const Topology topology(testing::rail_cluster(4));
  for (const ReplicaFold& fold : {one_for_all(graph.replicas), each_by_itself(graph.replicas)}) {
    const StepTraffic traffic = step_traffic(topology, graph, fold);
    REQUIRE(traffic.stages.size() == 8 * fold.classes.size());
    for (const StageTraffic& stage : traffic.stages) {
      // Inside a node a message loads two links of the switch, those of other replicas alike.
      CHECK(stage.sends[0].size() == 2);
      // The data ring of a stage visits every node over its own rail, and loads each of its ports both ways alike.
      REQUIRE(stage.reductions[0].size() == 1);
      CHECK(stage.reductions[0].front().weight == 1);
    }
  }
}

} // namespace orrery::pipeline_contract_test
