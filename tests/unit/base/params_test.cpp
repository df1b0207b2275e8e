#include "sim/base/params.hpp"
#include "tests/support/yaml_text.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace orrery::params_test {

namespace {

enum class Color { red, green };
const Choices<Color> colors = {{"red", Color::red}, {"green", Color::green}};

struct Part {
  std::string name;
  BytesPerSecond bandwidth;
  std::map<Color, FlopsPerSecond> peak;

  bool operator==(const Part&) const = default;
};

struct Box {
  std::string name;
  int count = 4;
  double tokens = 0;
  double ratio = 1.0;
  bool fast = false;
  Color color = Color::red;
  std::optional<Watts> cap;
  Seconds latency{1e-6};
  std::vector<int> torus;
  std::vector<std::string> tags;
  Part main;
  std::vector<Part> parts;

  bool operator==(const Box&) const = default;
};

struct Shelf {
  Box box;
  int boxes = 1;
  std::optional<Part> spare;
};

const Table<Part>& part_table() {
  static const Table<Part> table = Table<Part>("part", "A part.")
                                       .text("name", &Part::name, {.required = true})
                                       .quantity("bandwidth", &Part::bandwidth, {.unit_hint = "GB/s", .help = "per direction"})
                                       .quantity_map("peak", &Part::peak, colors);
  return table;
}

const Table<Box>& box_table() {
  static const Table<Box> table = Table<Box>("box", "A box.")
                                      .text("name", &Box::name, {.required = true})
                                      .count("count", &Box::count, {.min = 1, .max = 64, .help = "how many"})
                                      .count("tokens", &Box::tokens)
                                      .number("ratio", &Box::ratio, {.above = 0.0, .max = 1})
                                      .flag("fast", &Box::fast)
                                      .choice("color", &Box::color, colors)
                                      .quantity("cap", &Box::cap, {.unit_hint = "W"})
                                      .quantity("latency", &Box::latency, {.max = Seconds{1}})
                                      .counts("torus", &Box::torus, {.min = 1})
                                      .texts("tags", &Box::tags)
                                      .object("main", &Box::main, part_table())
                                      .list("parts", &Box::parts, part_table())
                                      .check([](const Box& box, const Report& report) {
                                        if (box.fast && box.color == Color::green)
                                          report.error("color", "'green' on a fast box", "red", "write 'red'");
                                      });
  return table;
}

const Catalogue& box_catalogue() {
  static const Catalogue catalogue{
      "box",
      [](const yaml::Node& name, Diagnostics&) -> std::optional<yaml::Node> {
        if (name.text == "big")
          return parsed("name: big\ncount: 8\ncap: 1 kW\nmain: {name: m, bandwidth: 1 TB/s}\nparts: [{name: p, bandwidth: 2 GB/s}]\n",
                        "big.yaml");
        if (name.text == "bigger")
          return parsed("base: big\nname: bigger\ncount: 16\n", "bigger.yaml");
        if (name.text == "circle")
          return parsed("base: circle\nname: circle\n", "circle.yaml");
        return std::nullopt;
      },
      [] { return std::vector<std::string>{"big", "bigger"}; }};
  return catalogue;
}

const Table<Shelf>& shelf_table() {
  static const Table<Shelf> table = Table<Shelf>("shelf", "A shelf.")
                                        .reference("box", &Shelf::box, box_table(), box_catalogue(), {.required = true})
                                        .count("boxes", &Shelf::boxes, {.min = 1})
                                        .object("spare", &Shelf::spare, part_table());
  return table;
}

template <class T> T good(const Table<T>& table, const std::string& text) {
  Diagnostics diagnostics;
  T value = table.read(parsed(text), diagnostics);
  INFO(diagnostics.render());
  REQUIRE(diagnostics.empty());
  return value;
}

} // namespace

TEST_CASE("a table reads every kind of value") {
  const Box box = good(box_table(), "name: a\ncount: 1e1\ntokens: 300e9\nratio: 0.5\ncolor: green\ncap: 700 W\nlatency: 2 us\n"
                                    "torus: [4, 4]\ntags: [x, \"y z\"]\nmain: {name: m, bandwidth: 400 Gb/s, peak: {red: 989 TFLOP/s}}\n"
                                    "parts:\n  - name: p\n");
  CHECK(box.name == "a");
  CHECK(box.count == 10);
  CHECK(box.tokens == 300e9);
  CHECK(box.ratio == 0.5);
  CHECK_FALSE(box.fast);
  CHECK(box.color == Color::green);
  CHECK(box.cap == Watts{700});
  CHECK(box.latency == Seconds{2e-6});
  CHECK(box.torus == std::vector{4, 4});
  CHECK(box.tags == std::vector<std::string>{"x", "y z"});
  CHECK(box.main.bandwidth == BytesPerSecond{50e9});
  CHECK(box.main.peak.at(Color::red) == FlopsPerSecond{989e12});
  CHECK(box.parts.size() == 1);
}

TEST_CASE("keys that are not given keep the member's initialiser") {
  const Box box = good(box_table(), "name: a\nmain: {name: m}\n");
  CHECK(box.count == 4);
  CHECK_FALSE(box.cap.has_value());
  CHECK(box.latency == Seconds{1e-6});
}

TEST_CASE("a written value reads back to an equal one") {
  Box box;
  box.name = "12";
  box.tokens = 1.0 * (1LL << 53);
  box.ratio = 1.0 / 3;
  box.cap = Watts{1e3 / 7};
  box.latency = Seconds{0.1 + 0.2};
  box.torus = {1, 2, 3};
  box.tags = {"", "null", "a: b", "\n\t\"\\#", "true", "\xC3\xA9"};
  box.main = Part{"m", BytesPerSecond{3.35e12}, {{Color::green, FlopsPerSecond{1e15 / 3}}}};
  box.parts = {box.main, Part{"-", {}, {}}};
  const yaml::Node written = box_table().write(box);
  CHECK(good(box_table(), yaml::to_yaml(written)) == box);
  CHECK(parsed(yaml::to_yaml(written)) == written);
}

TEST_CASE("all mistakes are reported at once, in file order") {
  CHECK(mistakes(box_table(), "cuont: 3\ncount: 70\nratio: 0\nfast: no\ncolor: gren\ncap: 700\nlatency: 3 GB\n"
                              "torus: [1, 0, 012]\nmain: {name: m, bandwith: 1 GB/s}\ntokens: 1_000\n") ==
        "t.yaml:1:1: cuont: an unknown key of 'box'; allowed: name, count, tokens, ratio, fast, color, cap, latency, torus, tags, main, "
        "parts; "
        "did you mean 'count'?\n"
        "t.yaml:1:1: name: missing; allowed: text\n"
        "t.yaml:2:8: count: '70'; allowed: a whole number from 1 to 64\n"
        "t.yaml:3:8: ratio: '0'; allowed: a number above 0 and at most 1\n"
        "t.yaml:4:7: fast: 'no'; allowed: true or false; write 'false'\n"
        "t.yaml:5:8: color: 'gren'; allowed: red, green; did you mean 'green'?\n"
        "t.yaml:6:6: cap: '700', a number without a unit; allowed: a power of at least 0 W in W, kW, MW, GW, mW; write '700 W'\n"
        "t.yaml:7:10: latency: '3 GB', which is a size; allowed: a time from 0 s to 1 s in ns, us, ms, s, min, h, d, y\n"
        "t.yaml:8:12: torus.1: '0'; allowed: a whole number of at least 1\n"
        "t.yaml:8:15: torus.2: '012', a number with a leading zero; allowed: a whole number of at least 1; write '12'\n"
        "t.yaml:9:17: main.bandwith: an unknown key of 'part'; allowed: name, bandwidth, peak; did you mean 'bandwidth'?\n"
        "t.yaml:10:9: tokens: '1_000', not a number; allowed: a whole number of at least 0; write '1000'\n");
}

TEST_CASE("checks over several fields are placed at the key") {
  CHECK(mistakes(box_table(), "name: a\nfast: true\ncolor: green\n") ==
        "t.yaml:3:8: color: 'green' on a fast box; allowed: red; write 'red'\n");
}

TEST_CASE("references are names, inline maps, or maps over a base") {
  CHECK(good(shelf_table(), "box: big\n").box.count == 8);
  const Box bigger = good(shelf_table(), "box: {base: bigger, main: {bandwidth: 9 GB/s}}\n").box;
  CHECK(bigger.count == 16);
  CHECK(bigger.cap == Watts{1000});
  CHECK(bigger.main.name == "m");
  CHECK(bigger.main.bandwidth == BytesPerSecond{9e9});
  CHECK(good(shelf_table(), "box: {name: own}\n").box.name == "own");
  CHECK(mistakes(shelf_table(), "box: bgi\n") == "t.yaml:1:6: box: no box of the name 'bgi'; allowed: big, bigger; did you mean 'big'?\n");
  CHECK(mistakes(shelf_table(), "box: circle\n") == "circle.yaml:1:7: box: a circle of 'base' keys; allowed: the name of a box\n");
}

TEST_CASE("overrides") {
  const auto overridden = [](const std::string& text, const std::string& assignment) {
    Diagnostics diagnostics;
    yaml::Node node = parsed(text);
    set_path(node, assignment, shelf_table(), diagnostics);
    const Shelf shelf = shelf_table().read(node, diagnostics);
    return std::pair(shelf, diagnostics.render());
  };
  CHECK(overridden("box: big", "boxes=3").first.boxes == 3);
  CHECK(overridden("box: big", "box=bigger").first.box.count == 16);
  CHECK(overridden("box: big", "box.main.bandwidth=400 Gb/s").first.box.main.bandwidth == BytesPerSecond{50e9});
  CHECK(overridden("box: big", "box.parts.0.bandwidth=7 GB/s").first.box.parts[0].bandwidth == BytesPerSecond{7e9});
  CHECK(overridden("box: big", "box.parts.p.peak.green=7 TFLOP/s").second == "");
  CHECK(overridden("box: big", "box.parts.p.peak.blue=7 TFLOP/s").second ==
        "--set box.parts.p.peak.blue=7 TFLOP/s: box.parts.p.peak.blue: 'blue'; allowed: red, green\n");
  CHECK(overridden("box: big", "box.main.bandwith=1 GB/s").second == "--set box.main.bandwith=1 GB/s: box.main.bandwith: an unknown key of "
                                                                     "'part'; allowed: name, bandwidth, peak; did you mean 'bandwidth'?\n");
  CHECK(overridden("box: big", "box.count=500").second == "--set box.count=500: box.count: '500'; allowed: a whole number from 1 to 64\n");
  CHECK(overridden("box: big", "box.parts.7.name=x").second == "--set box.parts.7.name=x: box.parts.7: no such item; allowed: p\n");
  CHECK(overridden("box: big", "box.count.x=1").second == "--set box.count.x=1: box.count.x: a key below a single value\n");
}

TEST_CASE("schema and help come from the same declarations") {
  const nlohmann::json schema = shelf_table().schema();
  CHECK(schema["$schema"] == "https://json-schema.org/draft/2020-12/schema");
  CHECK(schema["additionalProperties"] == false);
  CHECK(schema["required"] == nlohmann::json::array({"box"}));
  CHECK(schema["properties"]["boxes"]["minimum"] == 1);
  CHECK(schema["properties"]["boxes"]["default"] == 1);
  CHECK(schema["properties"]["box"]["anyOf"][0]["examples"] == nlohmann::json::array({"big", "bigger"}));
  const nlohmann::json& box = schema["$defs"]["box_reference"]["properties"];
  CHECK(box["base"]["type"] == "string");
  CHECK(box["count"]["description"] == "how many");
  CHECK(box["count"]["maximum"] == 64);
  CHECK(box["ratio"]["exclusiveMinimum"] == 0);
  CHECK(box["color"]["enum"] == nlohmann::json::array({"red", "green"}));
  CHECK(box["latency"]["default"] == "1 us");
  CHECK(box["parts"]["items"]["$ref"] == "#/$defs/part");
  const std::string pattern = schema["$defs"]["part"]["properties"]["bandwidth"]["pattern"];
  CHECK(pattern.starts_with("^ *(?:[0-9]+"));
  CHECK(pattern.find("B/s|kB/s|") != std::string::npos);

  const std::vector<HelpRow> rows = help_rows(box_table());
  const auto row = [&rows](const std::string& path) {
    return *std::find_if(rows.begin(), rows.end(), [&path](const HelpRow& candidate) { return candidate.path == path; });
  };
  CHECK(row("name").standard == "required");
  CHECK(row("count").accepts == "a whole number from 1 to 64");
  CHECK(row("count").standard == "4");
  CHECK(row("main.bandwidth").help == "per direction");
  CHECK(row("parts.*.bandwidth").standard == "0 B/s");
  CHECK(row("cap").standard.empty());
}

} // namespace orrery::params_test
