#include "sim/base/diagnostics.hpp"

#include <catch2/catch.hpp>

namespace orrery::diagnostics_test {

TEST_CASE("a diagnostic leaves out what it does not have") {
  Diagnostic diagnostic{.file = "a.yaml", .line = 3, .column = 7, .path = "plan.tq", .message = "an unknown key"};
  CHECK(diagnostic.render() == "a.yaml:3:7: plan.tq: an unknown key");
  diagnostic.allowed = "tp, pp";
  diagnostic.suggestion = "did you mean 'tp'?";
  CHECK(diagnostic.render() == "a.yaml:3:7: plan.tq: an unknown key; allowed: tp, pp; did you mean 'tp'?");
  diagnostic.line = 0;
  diagnostic.path.clear();
  CHECK(diagnostic.render() == "a.yaml: an unknown key; allowed: tp, pp; did you mean 'tp'?");
  CHECK(Diagnostic{.message = "only this"}.render() == "only this");
}

TEST_CASE("diagnostics come file by file, and by place inside a file") {
  const auto b = std::make_shared<const std::string>("b");
  const auto a = std::make_shared<const std::string>("a");
  Diagnostics diagnostics;
  diagnostics.add(Location{b, 9, 1}, {}, "third");
  diagnostics.add(Location{a, 1, 1}, {}, "fourth");
  diagnostics.add(Location{b, 2, 5}, {}, "second");
  diagnostics.add(Location{b, 2, 1}, {}, "first");
  CHECK(diagnostics.render() == "b:2:1: first\nb:2:5: second\nb:9:1: third\na:1:1: fourth\n");
}

TEST_CASE("mistakes are thrown together") {
  Diagnostics diagnostics;
  CHECK_NOTHROW(diagnostics.throw_if_any());
  diagnostics.add(Location{}, "x", "wrong");
  diagnostics.add(Location{}, "y", "wrong too");
  try {
    diagnostics.throw_if_any();
    FAIL("nothing was thrown");
  } catch (const UserError& error) {
    CHECK(std::string(error.what()) == "x: wrong\ny: wrong too");
    CHECK(error.diagnostics().size() == 2);
  }
  CHECK(std::string(UserError("no model").what()) == "no model");
}

TEST_CASE("the closest name") {
  const std::vector<std::string> names = {"tp", "pp", "dp", "micro_batch", "schedule", "h100-sxm-80gb", "TFLOP/s"};
  CHECK(closest("tq", names) == "tp");
  CHECK(closest("pt", names) == "tp");
  CHECK(closest("microbatch", names) == "micro_batch");
  CHECK(closest("micro-batch", names) == "micro_batch");
  CHECK(closest("Schedule", names) == "schedule");
  CHECK(closest("h100-sxm", names) == "h100-sxm-80gb");
  CHECK(closest("tflop/s", names) == "TFLOP/s");
  CHECK(closest("x", names).empty());
  CHECK(closest("wholly different", names).empty());
  CHECK(closest("", names).empty());
  CHECK(closest(std::string(100000, 'a'), names).empty());
}

TEST_CASE("a message holds no control characters, wherever its parts are from") {
  CHECK(Diagnostic{.path = "--a\x1b[31m", .message = "b\tc", .suggestion = "d\x7F"}.render() == "--a [31m: b c; d ");
}

TEST_CASE("text is shown in one line and cut between characters") {
  CHECK(shown("a\nb\x01") == "'a b '");
  CHECK(shown("13\xFF\xC3\xA9\xE2\x82") == "'13\uFFFD\xC3\xA9\uFFFD\uFFFD'");
  CHECK(shown(std::string(100, 'x')) == "'" + std::string(57, 'x') + "...'");
  CHECK(shown(std::string(56, 'x') + "\xC3\xA9" + std::string(56, 'x')) == "'" + std::string(56, 'x') + "...'");
}

} // namespace orrery::diagnostics_test
