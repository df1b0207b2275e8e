// What the reader of launch scripts understands of a shell.
#include "scenarios/imports/launch_script.hpp"

#include <catch2/catch.hpp>

namespace orrery::launch_script_test {

namespace {

using Words = std::vector<std::string>;

Words words_of(const std::string& text) { return launch_command(text, "--n").words; }

} // namespace

TEST_CASE("variables, arrays, quotes and arithmetic are put in", "[launch]") {
  CHECK(words_of("a.py --n 3") == Words{"a.py", "--n", "3"});
  CHECK(words_of("N=3\na.py --n $N") == Words{"a.py", "--n", "3"});
  CHECK(words_of("export N=3; a.py --n ${N}0") == Words{"a.py", "--n", "30"});
  CHECK(words_of("ARGS=(\n --n 3 # a comment\n --x 'y z'\n)\na.py ${ARGS[@]}") == Words{"a.py", "--n", "3", "--x", "y", "z"});
  CHECK(words_of("ARGS=( --n 3 --x 'y z' )\na.py \"${ARGS[@]}\"") == Words{"a.py", "--n", "3", "--x", "y z"});
  CHECK(words_of("ARGS=\"--n 3 \\\n --m 4\"\na.py $ARGS") == Words{"a.py", "--n", "3", "--m", "4"});
  CHECK(words_of("A=2\nB=3\na.py --n $(($A*${B}+(10-4)/A)) ") == Words{"a.py", "--n", "9"});
  CHECK(words_of("a.py --n ${N:-7}") == Words{"a.py", "--n", "7"});
  CHECK(words_of("ARGS=(--n 3)\nARGS+=(--m 4)\na.py ${ARGS[*]}") == Words{"a.py", "--n", "3", "--m", "4"});
  CHECK(words_of("W=8 a.py \\\r\n  --n=3 > log 2>&1 &") == Words{"a.py", "--n=3"});
  CHECK(words_of("srun bash -c \"a.py --n 3\"") == Words{"a.py", "--n", "3"});
  CHECK(launch_command("W=8 a.py --n 3", "--n").variables.at("W") == Words{"8"});
}

TEST_CASE("what the text does not say stays as it was written", "[launch]") {
  CHECK(words_of("a.py --n $1 --m $(nproc) --k ${X%.*} --l $((2**3))") ==
        Words{"a.py", "--n", "$1", "--m", "$(nproc)", "--k", "${X%.*}", "--l", "$((2**3))"});
  CHECK(words_of("echo hello").empty());
  CHECK(words_of("").empty());
  const LaunchCommand branched = launch_command("if [ $A = 1 ]; then\nN=3\nfi\na.py --n $N", "--n");
  CHECK(branched.words == Words{"a.py", "--n", "3"});
  REQUIRE(branched.notes.size() == 1);
  CHECK(branched.notes.front().find("line 1: 'if' is not evaluated") == 0);
}

TEST_CASE("text that no shell would take ends", "[launch]") {
  for (const char* text :
       {"\"", "'", "${", "$((", "$(", "`", "A=(", "A=(\"", "a.py --n ${A", "\\", "A=$", "((((", "$((((((1))", "A=<", "2>", "--n `"})
    CHECK_NOTHROW(launch_command(text, "--n"));
  CHECK(words_of("a.py --n $((" + std::string(100'000, '(') + "1))").size() == 3);
}

} // namespace orrery::launch_script_test
