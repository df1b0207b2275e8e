// Replay of traces against times that can be added up by hand, and against the cost models for what crosses links.
#include "hardware/catalogue.hpp"
#include "models/collective_cost.hpp"
#include "models/kernel_cost.hpp"
#include "scenarios/data_files.hpp"
#include "scenarios/run.hpp"
#include "scenarios/traces/trace_graph.hpp"
#include "sim/engine/trace_replay.hpp"
#include "tests/unit/workloads/chakra_cases.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <cmath>

namespace orrery::trace_replay_test {

using namespace chakra_cases;

namespace {

Scenario scenario_of(const TraceFolder& folder, int nodes = 1) {
  Scenario scenario{.name = "trace"};
  scenario.cluster.node = load_node("dgx-h100");
  scenario.cluster.nodes = nodes;
  scenario.cluster.fabric.kind = nodes == 1 ? FabricKind::single_node : FabricKind::rail_fat_tree;
  scenario.jobs.push_back({.trace = TraceJob{.files = trace_files(folder.pattern())}});
  return scenario;
}

TrainingResult replay(const std::vector<Writer>& ranks, int nodes = 1, Fidelity fidelity = Fidelity::simulate) {
  const TraceFolder folder(ranks);
  TrainingResult result = run_scenario(scenario_of(folder, nodes), {.fidelity = fidelity, .record_timeline = true}).jobs.front();
  CAPTURE(result.violations);
  REQUIRE(result.violations.empty());
  return result;
}

double whole(const std::vector<Writer>& ranks, int nodes = 1) { return replay(ranks, nodes).step_time.si(); }

void check_accounts(const TrainingResult& result) {
  for (const TraceRank& rank : result.trace->ranks)
    CHECK((rank.compute + rank.exposed + rank.host + rank.waiting).si() == Approx(result.step_time.si()));
  Seconds path;
  for (const TracePath& row : result.trace->path)
    path += row.time;
  CHECK(path.si() == Approx(result.step_time.si()));
  Seconds shares;
  for (const TimeShare& share : result.time)
    shares += share.time;
  CHECK(shares.si() == Approx(result.step_time.si()));
}

} // namespace

TEST_CASE("a chain of recorded nodes takes the sum of its times", "[trace]") {
  Writer writer;
  const auto a = writer.recorded("a", 10);
  const auto b = writer.node(pb::METADATA_NODE, "nothing", {a});
  writer.recorded("c", 5, {b});
  const TrainingResult result = replay({writer});
  CHECK(result.step_time.si() == Approx(15e-6));
  CHECK(result.trace->recorded_nodes == 2);
  REQUIRE(result.trace->path.size() == 2);
  CHECK(result.trace->path.front().name == "a");
  check_accounts(result);
}

TEST_CASE("a device runs one node at a time, the host beside it", "[trace]") {
  Writer writer;
  writer.recorded("a", 10);
  writer.recorded("b", 10);
  writer.recorded("host", 12);
  set(writer.last(), "is_cpu_op", 1);
  CHECK(whole({writer}) == Approx(20e-6));
  Writer in_turn;
  const auto host = in_turn.recorded("host", 12);
  set(in_turn.last(), "is_cpu_op", 1);
  in_turn.recorded("after", 10, {host});
  in_turn.recorded("free", 10);
  const TrainingResult result = replay({in_turn});
  CHECK(result.step_time.si() == Approx(22e-6));
  CHECK(result.trace->ranks.front().host.si() == Approx(2e-6)); // 10 of its 12 us beside the free node
  check_accounts(result);
}

TEST_CASE("a node with FLOPs takes its time on the device of the scenario", "[trace]") {
  Writer writer;
  const double edge = 8192;
  writer.compute("product", static_cast<std::uint64_t>(2 * edge * edge * edge), 3 * 2 * 8192 * 8192);
  const KernelModel kernels(load_node("dgx-h100").device, load_calibration());
  const OpCost cost =
      kernels.cost({.name = "p", .precision = Precision::bf16, .shape = Matmul{.batch = 1, .m = edge, .n = edge, .k = edge}});
  const TrainingResult result = replay({writer});
  CHECK(result.step_time.si() == Approx(cost.time.si()));
  CHECK(result.trace->roofline_nodes == 1);
  // Few FLOPs on many bytes: the memory's time.
  Writer stream;
  stream.compute("copy", 1000, 4ULL << 30U);
  CHECK(whole({stream}) > (4ULL << 30U) / load_node("dgx-h100").device.memory.front().bandwidth.si());
  CHECK(whole({stream}) < 2 * (4ULL << 30U) / load_node("dgx-h100").device.memory.front().bandwidth.si());
}

TEST_CASE("a collective waits for its last member and takes the model's time", "[trace]") {
  constexpr double bytes = 256e6;
  std::vector<Writer> ranks(8);
  for (std::size_t r = 0; r < ranks.size(); ++r) {
    const auto before = ranks[r].recorded("work", 10 * (r + 1));
    ranks[r].collective("sum", pb::ALL_REDUCE, static_cast<std::uint64_t>(bytes), {before});
  }
  const NodeType node = load_node("dgx-h100");
  const Cluster cluster{.node = node, .nodes = 1, .fabric = {.kind = FabricKind::single_node}};
  const CollectiveModel model(cluster, load_calibration());
  const Seconds sum = model.cost(CollectiveKind::all_reduce, Bytes{bytes}, place_group(cluster, {.size = 8, .stride = 1})).time;
  const TrainingResult result = replay(ranks);
  CHECK(result.step_time.si() == Approx(80e-6 + sum.si()));
  CHECK(result.trace->ranks[0].waiting.si() == Approx(70e-6));
  CHECK(result.trace->ranks[0].exposed.si() == Approx(sum.si()));
  CHECK(result.trace->ranks[7].waiting.si() == Approx(0).margin(1e-12));
  check_accounts(result);
}

TEST_CASE("communication beside compute is hidden, not exposed", "[trace]") {
  std::vector<Writer> ranks(2);
  for (Writer& writer : ranks) {
    writer.collective("sum", pb::ALL_REDUCE, 1'000'000);
    writer.recorded("work", 100'000);
  }
  const TrainingResult result = replay(ranks);
  CHECK(result.step_time.si() == Approx(0.1));
  CHECK(result.trace->ranks[0].exposed.si() == Approx(0).margin(1e-12));
  CHECK(result.trace->ranks[0].hidden.si() > 1e-6);
  check_accounts(result);
}

TEST_CASE("a message takes its way once, and two over one port take twice the bytes' time", "[trace]") {
  constexpr std::uint64_t bytes = 100'000'000;
  const auto traces = [&](int messages) {
    std::vector<Writer> ranks(16);
    for (Writer& writer : ranks)
      writer.node(pb::METADATA_NODE, "begin");
    for (int m = 0; m < messages; ++m) {
      ranks[0].send("send", 8, static_cast<std::uint64_t>(m), bytes);
      ranks[8].receive("receive", 0, static_cast<std::uint64_t>(m), bytes);
    }
    return ranks;
  };
  const double port = load_node("dgx-h100").nics.bandwidth.si();
  const double one = whole(traces(1), 2);
  const double two = whole(traces(2), 2);
  CHECK(one > bytes / port);
  CHECK(one < 1.5 * bytes / port);
  CHECK(two - one > bytes / port);
  CHECK(two - one < 1.5 * bytes / port);
  // As if each were alone, they do not meet.
  CHECK(replay(traces(2), 2, Fidelity::estimate).step_time.si() == Approx(one));
  check_accounts(replay(traces(2), 2));
}

TEST_CASE("a receive ends with its message, however late it is posted", "[trace]") {
  std::vector<Writer> ranks(2);
  ranks[0].send("send", 1, 0, 1'000'000);
  const auto late = ranks[1].recorded("busy", 5000);
  ranks[1].receive("receive", 0, 0, 1'000'000, {late});
  CHECK(whole(ranks) == Approx(5e-3));
  std::vector<Writer> early(2);
  const auto busy = early[0].recorded("busy", 5000);
  early[0].send("send", 1, 0, 1'000'000, {busy});
  early[1].receive("receive", 0, 0, 1'000'000);
  const TrainingResult result = replay(early);
  CHECK(result.step_time.si() > 5e-3);
  CHECK(result.trace->ranks[1].waiting.si() == Approx(5e-3));
  check_accounts(result);
}

TEST_CASE("groups of a trace are those that name them, that the job lists or that its grid spans", "[trace]") {
  const auto groups_of = [](const std::vector<Writer>& ranks, TraceJob job) {
    const TraceFolder folder(ranks);
    return trace_graph(read_traces(trace_files(folder.pattern())), job).groups;
  };
  std::vector<Writer> named(4);
  for (std::size_t r = 0; r < named.size(); ++r)
    named[r].collective("c", pb::ALL_GATHER, 100, {}, r % 2 == 0 ? "even" : "odd");
  CHECK(groups_of(named, {}) == std::vector<std::vector<int>>{{0, 2}, {1, 3}});
  std::vector<Writer> grid(4);
  for (Writer& writer : grid) {
    writer.collective("c", pb::ALL_REDUCE, 100);
    pb::AttributeProto& attribute = *writer.last().add_attr();
    attribute.set_name("involved_dim");
    attribute.mutable_bool_list()->add_values(false);
    attribute.mutable_bool_list()->add_values(true);
  }
  CHECK(groups_of(grid, {.dimensions = {2, 2}}) == std::vector<std::vector<int>>{{0, 2}, {1, 3}});
  std::vector<Writer> listed(3);
  listed[0].collective("c", pb::BROADCAST, 100, {}, "pair");
  listed[2].collective("c", pb::BROADCAST, 100, {}, "pair");
  listed[1].recorded("alone", 1);
  CHECK(groups_of(listed, {.groups = {{"pair", {2, 0}}}}) == std::vector<std::vector<int>>{{0, 2}});
}

TEST_CASE("the same trace gives the same bytes of a timeline", "[trace]") {
  std::vector<Writer> ranks(16);
  for (std::size_t r = 0; r < ranks.size(); ++r)
    for (int i = 0; i < 5; ++i) {
      const auto work = ranks[r].recorded("work", 3 + (r * 7 + static_cast<std::size_t>(i)) % 11);
      ranks[r].collective("sum", pb::ALL_REDUCE, 1 << 20, {work}, r % 2 == 0 ? "even" : "odd");
    }
  const TrainingResult a = replay(ranks, 2);
  const TrainingResult b = replay(ranks, 2);
  CHECK(a.step_time == b.step_time);
  REQUIRE(a.timeline.size() == b.timeline.size());
  for (std::size_t i = 0; i < a.timeline.size(); ++i)
    CHECK(
        (a.timeline[i].begin == b.timeline[i].begin && a.timeline[i].end == b.timeline[i].end && a.timeline[i].name == b.timeline[i].name));
  check_accounts(a);
}

} // namespace orrery::trace_replay_test
