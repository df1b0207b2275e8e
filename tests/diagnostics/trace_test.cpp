// What is said of traces that cannot be replayed.
#include "scenarios/run.hpp"
#include "scenarios/traces/trace_graph.hpp"
#include "sim/base/diagnostics.hpp"
#include "tests/support/refusal.hpp"
#include "tests/unit/workloads/chakra_cases.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

namespace orrery::trace_test {

using namespace chakra_cases;

namespace {

std::string refusal(const std::vector<Writer>& ranks, const TraceJob& job = {}) {
  const TraceFolder folder(ranks);
  return refusal_of([&] { trace_graph(read_traces(trace_files(folder.pattern())), job); });
}

} // namespace

TEST_CASE("a deadlock names the nodes that wait", "[diagnostics][trace]") {
  std::vector<Writer> lonely(2);
  lonely[0].receive("get", 1, 3, 100);
  lonely[1].recorded("work", 5);
  CHECK_THAT(refusal(lonely),
             Catch::Contains("rank 0 node id 0 'get': no send on rank 1 to rank 0 with tag 3 meets it: it would wait for ever"));
  std::vector<Writer> unheard(2);
  unheard[0].send("put", 1, 3, 100);
  unheard[1].recorded("work", 5);
  CHECK_THAT(refusal(unheard), Catch::Contains("'put': no receive on rank 1"));
  std::vector<Writer> crossed(2); // each receives before it sends
  for (std::uint64_t r = 0; r < 2; ++r) {
    const auto got = crossed[r].receive("get", 1 - r, 0, 100);
    crossed[r].send("put", 1 - r, 0, 100, {got});
  }
  CHECK_THAT(refusal(crossed), Catch::Contains("deadlock: ") &&
                                   Catch::Contains("rank 0 node id 0 'get' waits for rank 1 node id 1 'put'") &&
                                   Catch::Contains("rank 1 node id 0 'get' waits for rank 0 node id 1 'put'"));
  Writer circle;
  circle.recorded("a", 1, {1});
  circle.recorded("b", 1, {0});
  CHECK_THAT(refusal({circle}), Catch::Contains("'a' waits for rank 0 node id 1 'b'"));
  std::vector<Writer> order(2); // two groups entered in opposite order
  const auto x = order[0].collective("x", pb::ALL_REDUCE, 8, {}, "x");
  order[0].collective("y", pb::ALL_REDUCE, 8, {x}, "y");
  const auto y = order[1].collective("y", pb::ALL_REDUCE, 8, {}, "y");
  order[1].collective("x", pb::ALL_REDUCE, 8, {y}, "x");
  CHECK_THAT(refusal(order), Catch::Contains("deadlock: ") && Catch::Contains("one collective with"));
}

TEST_CASE("collectives that do not fit together are named", "[diagnostics][trace]") {
  std::vector<Writer> kinds(2);
  kinds[0].collective("a", pb::ALL_REDUCE, 8);
  kinds[1].collective("b", pb::ALL_GATHER, 8);
  CHECK_THAT(refusal(kinds), Catch::Contains("rank 1 node id 0 'b': ALL_GATHER meets ALL_REDUCE of rank 0 node id 0 'a'"));
  std::vector<Writer> few(3);
  few[0].collective("a", pb::ALL_REDUCE, 8);
  few[1].collective("a", pb::ALL_REDUCE, 8);
  few[2].recorded("work", 1);
  CHECK_THAT(refusal(few), Catch::Contains("no partner on rank 2: it would wait for ever"));
  std::vector<Writer> grid(2);
  for (Writer& writer : grid) {
    writer.collective("a", pb::ALL_REDUCE, 8);
    pb::AttributeProto& attribute = *writer.last().add_attr();
    attribute.set_name("involved_dim");
    attribute.mutable_bool_list()->add_values(true);
    attribute.mutable_bool_list()->add_values(false);
  }
  CHECK_THAT(refusal(grid), Catch::Contains("involved_dim speaks of 2 dimensions"));
  CHECK_THAT(refusal(grid, {.dimensions = {3, 2}}), Catch::Contains("6 places for 2 ranks"));
  CHECK_THAT(refusal(kinds, {.groups = {{"g", {5}}}}), Catch::Contains("the group 'g' has rank 5"));
}

TEST_CASE("messages to ranks that are not there are named", "[diagnostics][trace]") {
  Writer writer;
  writer.send("put", 7, 0, 100);
  CHECK_THAT(refusal({writer}), Catch::Contains("rank.0.et") && Catch::Contains("comm_dst = 7"));
  std::vector<Writer> wrong(2);
  wrong[0].send("put", 1, 0, 100);
  set(wrong[0].last(), "comm_src", 1);
  wrong[1].recorded("work", 1);
  CHECK_THAT(refusal(wrong), Catch::Contains("comm_src = 1; allowed: 0, the rank of the file"));
}

TEST_CASE("ranks come from the metadata, then from the names", "[diagnostics][trace]") {
  const auto with_rank = [](std::uint64_t rank) {
    Writer writer;
    pb::AttributeProto& attribute = *writer.metadata().add_attr();
    attribute.set_name("rank");
    attribute.set_uint64_val(rank);
    writer.recorded(fmt::format("of {}", rank), 1);
    return writer;
  };
  const TraceFolder swapped({with_rank(1), with_rank(0)});
  CHECK(read_traces(trace_files(swapped.pattern())).front().nodes.front().name == "of 0");
  CHECK_THAT(refusal({with_rank(1), with_rank(1)}), Catch::Contains("rank 1; allowed: each of 0 to 1 in one file"));
  Writer first;
  first.recorded("first", 1);
  Writer second;
  second.recorded("second", 1);
  const TraceFolder named({first, second});
  CHECK(read_traces({named.file(1), named.file(0)}).front().nodes.front().name == "first");
}

TEST_CASE("a scenario with a trace says what is wrong with it", "[diagnostics][trace]") {
  Writer writer;
  const auto before = writer.recorded("work", 5);
  writer.collective("sum", pb::ALL_REDUCE, 8, {before});
  const TraceFolder folder(std::vector<Writer>(12, writer));
  const std::string file = folder.folder().file("s.yaml");
  const auto write = [&](const std::string& files, const std::string& more = {}) {
    folder.folder().write("s.yaml",
                          "name: t\ncluster: { node: dgx-h100, nodes: 1, fabric: { kind: single_node } }\nsoftware: megatron-core-2024\n"
                          "jobs:\n  - trace: { files: " +
                              files + " }\n" + more);
  };
  const auto said = [&] {
    try {
      const Result result = run_scenario(load_scenario(file));
      return result.jobs.front().violations.empty() ? std::string("ran") : result.jobs.front().violations.front();
    } catch (const UserError& error) {
      return std::string(error.what());
    }
  };
  write("rank.%d.et");
  CHECK_THAT(said(), Catch::Contains("a list of files and patterns"));
  write("[]");
  CHECK_THAT(said(), Catch::Contains("s.yaml:5:21: jobs.0.trace.files: no file; allowed: a list of files and patterns"));
  write("[rank.%d.et]");
  CHECK(said() == "the trace has 12 ranks > 8 devices");
  write("[rank.0.et, rank.1.et]");
  CHECK(said() == "ran");
  write("[rank.0.et, rank.99.et]");
  CHECK_THAT(said(), Catch::Contains("s.yaml:5:33: jobs.0.trace.files") && Catch::Contains("rank.99.et"));
  write("[rank.0.et, rank.1.et]", "simulation: { jitter: 0.1 }\n");
  CHECK_THAT(said(), Catch::Contains("simulation.jitter: beside a trace"));
  folder.write(1, writer.bytes().substr(0, 20));
  write("[rank.0.et, rank.1.et]");
  CHECK_THAT(said(), Catch::Contains("rank.1.et: byte "));
}

} // namespace orrery::trace_test
