// Chakra files: what is read of them, and what is said of damaged ones.
#include "sim/base/random.hpp"
#include "tests/unit/workloads/chakra_cases.hpp"
#include "workloads/chakra.hpp"

#include <catch2/catch.hpp>

#include <limits>

namespace orrery::chakra_test {

using namespace chakra_cases;

namespace {

Writer sample() {
  Writer writer;
  const auto load = writer.node(pb::MEM_LOAD_NODE, "load");
  set(writer.last(), "tensor_size", 4096);
  const auto product = writer.compute("product", 2'000'000, 3000, {load});
  const auto kernel = writer.recorded("kernel", 25, {product});
  const auto sum = writer.collective("sum", pb::ALL_REDUCE, 1 << 20, {kernel, product}, "dp");
  writer.send("send", 1, 7, 512, {sum});
  return writer;
}

std::string mistakes_of(const std::string& bytes) {
  Diagnostics diagnostics;
  (void)chakra::parse(bytes, "t.et", diagnostics);
  return diagnostics.render();
}

} // namespace

TEST_CASE("a trace is read as it was written", "[chakra]") {
  Diagnostics diagnostics;
  const chakra::RankTrace trace = chakra::parse(sample().bytes(), "t.et", diagnostics);
  REQUIRE(diagnostics.render().empty());
  CHECK(trace.version == "0.0.4");
  CHECK_FALSE(trace.rank);
  REQUIRE(trace.nodes.size() == 5);
  CHECK(trace.nodes[0].kind == chakra::NodeKind::memory_load);
  CHECK(trace.nodes[0].tensor == Bytes{4096});
  CHECK(trace.nodes[1].operations == Flops{2e6});
  CHECK(trace.nodes[1].dependencies == std::vector<std::uint64_t>{0});
  CHECK(trace.nodes[2].duration.si() == Approx(25e-6));
  CHECK(trace.nodes[3].collective == chakra::CollectiveType::all_reduce);
  CHECK(trace.nodes[3].message == Bytes{1 << 20});
  CHECK(trace.nodes[3].group == "dp");
  CHECK(trace.nodes[3].dependencies == std::vector<std::uint64_t>{1, 2});
  CHECK(trace.nodes[4].destination == 1);
  CHECK(trace.nodes[4].tag == 7);
  CHECK_THAT(yaml::to_yaml(chakra::readable(trace)), Catch::Contains("collective: ALL_REDUCE") && Catch::Contains("after: [1, 2]"));
}

TEST_CASE("numbers count in whichever form they were written", "[chakra]") {
  Writer writer;
  writer.node(pb::COMM_RECV_NODE, "receive");
  const auto add = [&](const char* name) {
    pb::AttributeProto* attribute = writer.last().add_attr();
    attribute->set_name(name);
    return attribute;
  };
  add("comm_src")->set_int32_val(3);
  add("comm_size")->set_sint64_val(77);
  add("comm_tag")->set_sfixed32_val(-2);
  add("is_cpu_op")->set_bool_val(true);
  Diagnostics diagnostics;
  const chakra::RankTrace trace = chakra::parse(writer.bytes(), "t.et", diagnostics);
  REQUIRE(diagnostics.render().empty());
  CHECK(trace.nodes[0].source == 3);
  CHECK(trace.nodes[0].message == Bytes{77});
  CHECK(trace.nodes[0].tag == -2);
  CHECK(trace.nodes[0].on_host);
}

TEST_CASE("a number that is none is told by its node", "[chakra]") {
  const double value = GENERATE(std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(), 0.5, -1.0);
  Writer writer;
  writer.recorded("kernel", 25);
  pb::AttributeProto* const attribute = writer.last().add_attr();
  attribute->set_name("num_ops");
  attribute->set_double_val(value);
  CHECK_THAT(mistakes_of(writer.bytes()), Catch::Contains("'kernel'): num_ops = ") && Catch::Contains("a whole number from 0 to"));
}

TEST_CASE("files that are no trace are told apart", "[chakra]") {
  CHECK_THAT(mistakes_of(""), Catch::Contains("t.et: the file: is empty"));
  CHECK_THAT(mistakes_of("{\"nodes\": []}"), Catch::Contains("byte 0") && Catch::Contains("JSON"));
  CHECK_THAT(mistakes_of("\x1f\x8b\x08"), Catch::Contains("compressed"));
  CHECK_THAT(mistakes_of("name: a scenario\ncluster: of words\n"), Catch::Contains("byte 0"));
  CHECK_THAT(mistakes_of(Writer().bytes()), Catch::Contains("has no nodes"));
  const std::string whole = sample().bytes();
  CHECK_THAT(mistakes_of(whole.substr(0, whole.size() - 1)),
             Catch::Contains("t.et: byte ") && Catch::Contains("node 4 would be") && Catch::Contains("cut off"));
}

TEST_CASE("nodes that cannot be are named with their place", "[chakra]") {
  const auto of = [](auto change) {
    Writer writer = sample();
    change(writer);
    return mistakes_of(writer.bytes());
  };
  CHECK_THAT(of([](Writer& w) { w.node(pb::INVALID_NODE, "what"); }),
             Catch::Contains("node 5 at byte ") && Catch::Contains("(id 5, 'what'): node type 0"));
  CHECK_THAT(of([](Writer& w) { w.recorded("late", 1, {99}); }), Catch::Contains("depends on node id 99, which is not in the file"));
  CHECK_THAT(of([](Writer& w) { w.recorded("self", 1, {5}); }), Catch::Contains("depends on itself"));
  CHECK_THAT(of([](Writer& w) { w.recorded("twin", 1), w.last().set_id(2); }), Catch::Contains("(id 2, 'twin'): node 2 has the same id"));
  CHECK_THAT(of([](Writer& w) { w.node(pb::COMM_COLL_NODE, "c"); }),
             Catch::Contains("without comm_type") && Catch::Contains("without comm_size"));
  CHECK_THAT(of([](Writer& w) { w.node(pb::COMM_RECV_NODE, "r"); }), Catch::Contains("without comm_src"));
  CHECK_THAT(of([](Writer& w) { w.collective("c", static_cast<pb::CollectiveCommType>(12), 5); }),
             Catch::Contains("comm_type = 12; allowed: a whole number from 0 to 9"));
  CHECK_THAT(of([](Writer& w) { w.node(pb::COMP_NODE, "text"), set(w.last(), "num_ops", "many"); }),
             Catch::Contains("num_ops is no number"));
}

TEST_CASE("damage of any kind ends in a message", "[chakra]") {
  const std::string whole = sample().bytes();
  RandomStream random(1, "chakra damage");
  int refused = 0;
  for (std::size_t length = 0; length < whole.size(); ++length)
    refused += mistakes_of(whole.substr(0, length)).empty() ? 0 : 1;
  // Only where a message ends does a shorter file make sense: after each of the first four nodes.
  CHECK(refused == static_cast<int>(whole.size()) - 4);
  for (int i = 0; i < 4000; ++i) {
    std::string damaged = whole;
    for (std::uint64_t flips = 1 + random.below(4); flips > 0; --flips)
      damaged[random.below(damaged.size())] ^= static_cast<char>(1U << random.below(8));
    damaged.resize(damaged.size() - (i % 2 == 0 ? 0 : random.below(damaged.size())));
    const std::string mistakes = mistakes_of(damaged);
    // What is said names the file, and a byte or the whole of it.
    if (!mistakes.empty())
      CHECK((mistakes.find("t.et: ") == 0 &&
             (mistakes.find("byte ") != std::string::npos || mistakes.find("the file: ") != std::string::npos)));
  }
}

} // namespace orrery::chakra_test
