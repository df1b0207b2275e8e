#include "sim/base/yaml.hpp"
#include "tests/support/refusal.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/yaml_text.hpp"

#include <catch2/catch.hpp>

namespace orrery::yaml_test {

namespace {

std::string text_mistakes(const std::string& text) {
  Diagnostics diagnostics;
  static_cast<void>(yaml::parse_yaml(text, "t.yaml", diagnostics));
  return diagnostics.render();
}

std::string file_mistakes(const std::string& path) {
  return refusal_of([&] { yaml::read_yaml_file(path); });
}

std::string repeated(const std::string& text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i)
    result += text;
  return result;
}

} // namespace

TEST_CASE("values know their place") {
  const yaml::Node node = parsed("a: 1\nb:\n  - x\n  - {c: \"q\", d: }\n");
  CHECK(node.is_map());
  CHECK(node.find("a")->text == "1");
  CHECK(node.find("a")->location.line == 1);
  CHECK(node.find("a")->location.column == 4);
  CHECK(node.entries[1].location.line == 2);
  const yaml::Node& inner = node.find("b")->items[1];
  CHECK(inner.location.line == 4);
  CHECK(inner.location.column == 5);
  CHECK(inner.find("c")->quoted);
  CHECK(inner.find("d")->is_null());
  CHECK(node.find("nothing") == nullptr);
  CHECK(node.location.file_name() == "t.yaml");
}

TEST_CASE("scalars stay text") {
  for (const std::string text : {"no", "012", "1e3", "1_000", "0x1F", ".inf", "true", "2024-01-01", "700 W", "1:30"}) {
    const yaml::Node node = parsed("a: " + text);
    CHECK(node.find("a")->text == text);
    CHECK_FALSE(node.find("a")->quoted);
  }
  CHECK(parsed("a: |\n  two\n  lines\n").find("a")->text == "two\nlines\n");
  CHECK(parsed("\xEF\xBB\xBF"
               "a: \xC3\xA9\r\n")
            .find("a")
            ->text == "\xC3\xA9");
}

TEST_CASE("aliases of complete values are copied") {
  const yaml::Node node = parsed("a: &x {k: 1}\nb: *x\n");
  CHECK(*node.find("a") == *node.find("b"));
  CHECK(node.find("b")->location.line == 2);
}

TEST_CASE("documents that grow or nest without bound are refused") {
  std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i)
    laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + repeated("*a" + std::to_string(i - 1) + ", ", 10) + "]\n";
  CHECK(text_mistakes(laughs).find("too many values, aliases expanded; allowed: at most 1000000") != std::string::npos);
  CHECK(text_mistakes(repeated("[", 100000)).find("nested too deeply; allowed: at most 64 levels") != std::string::npos);
  CHECK(text_mistakes(repeated("{a: ", 100000)).find("nested too deeply") != std::string::npos);
  CHECK(text_mistakes(repeated("- ", 100000)).find("nested too deeply") != std::string::npos);
  CHECK(text_mistakes(repeated("? ", 100000)).find("nested too deeply") != std::string::npos);
  std::string deep = "a0: &a0 [x]\n";
  for (int i = 1; i < 80; ++i)
    deep += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [*a" + std::to_string(i - 1) + "]\n";
  CHECK(text_mistakes(deep).find("nested too deeply") != std::string::npos);
  CHECK(text_mistakes(std::string((8u << 20) + 1, '#')) == "t.yaml: 8388609 bytes; allowed: files of at most 8388608 bytes\n");
}

TEST_CASE("input on which yaml-cpp hands out documents without end is refused") {
  CHECK_FALSE(text_mistakes(",,").empty());
  CHECK_FALSE(text_mistakes(",").empty());
  CHECK_FALSE(text_mistakes("]]").empty());
}

TEST_CASE("bytes that are not text are placed") {
  CHECK(text_mistakes(std::string("a: 1\nb: \0", 9)) == "t.yaml:2:4: a control character, byte 0x00; allowed: UTF-8 text\n");
  CHECK(text_mistakes("a: \x1B") == "t.yaml:1:4: a control character, byte 0x1B; allowed: UTF-8 text\n");
  for (const char* bytes :
       {"\xFF\xFE", "\xC3", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xF8\x88\x80\x80\x80", "\x80"})
    CHECK(text_mistakes(bytes).find("not UTF-8") != std::string::npos);
  CHECK(parsed("a: \xE2\x82\xAC\xF0\x9F\x98\x80").find("a")->text == "\xE2\x82\xAC\xF0\x9F\x98\x80");
}

TEST_CASE("files that cannot be read") {
  const TemporaryFolder folder;
  CHECK(file_mistakes("/nowhere/at/all.yaml") == "/nowhere/at/all.yaml: no such file; allowed: a readable YAML file");
  CHECK(file_mistakes(folder.file("")) == folder.file("") + ": a directory; allowed: a readable YAML file");
  const std::string file = folder.write("test.yaml", "a: 1\n");
  CHECK(yaml::read_yaml_file(file).find("a")->text == "1");
  folder.write("test.yaml", "");
  CHECK(file_mistakes(file) == file + ":1:1: an empty document; allowed: keys and values");
  folder.write("test.yaml", std::string((8u << 20) + 1, '#'));
  CHECK(file_mistakes(file) == file + ": more than 8 MiB; allowed: a readable YAML file");
}

TEST_CASE("the writer's layout") {
  const std::string text = "name: a\n"
                           "list: [1, 700 W, \"x: y\", null]\n"
                           "empty: {}\n"
                           "none: []\n"
                           "parts:\n"
                           "  - name: p\n"
                           "    peak:\n"
                           "      bf16: 989 TFLOP/s\n"
                           "  - [1, 2]\n"
                           "  -\n";
  const yaml::Node node = parsed(text);
  CHECK(yaml::to_yaml(node) == "name: a\n"
                               "list: [1, 700 W, \"x: y\", null]\n"
                               "empty: {}\n"
                               "none: []\n"
                               "parts:\n"
                               "  - name: p\n"
                               "    peak:\n"
                               "      bf16: 989 TFLOP/s\n"
                               "  - [1, 2]\n"
                               "  - null\n");
  CHECK(parsed(yaml::to_yaml(node)) == node);
}

} // namespace orrery::yaml_test
