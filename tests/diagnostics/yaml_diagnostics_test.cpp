// Bad files and the exact words about them. Each cases/NAME.yaml is read by the table below and must give cases/NAME.expected; a new case
// is a .yaml file and a run with ORRERY_APPROVE=1, whose output is then read by a person.
#include "sim/base/params.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace orrery::yaml_diagnostics_test {

namespace fs = std::filesystem;

namespace {

enum class Mode { eager, lazy, full };
const Choices<Mode> modes = {{"eager", Mode::eager}, {"lazy", Mode::lazy}, {"full", Mode::full}};

struct Engine {
  std::string name;
  Watts power;
  std::map<Mode, FlopsPerSecond> peak;
};

struct Wheel {
  Seconds turn;
};

struct Sail {
  double area = 0;
};

struct Machine {
  std::string name;
  int engines = 1;
  double load = 0.5;
  bool spare = false;
  Mode mode = Mode::lazy;
  std::string rule = "first";
  Bytes memory;
  BytesPerSecond link;
  std::optional<Seconds> pause;
  DollarsPerJoule tariff;
  std::vector<int> grid;
  std::vector<Engine> extra;
  Engine engine;
  std::variant<Wheel, Sail> drive;
};

const Table<Engine>& engine_table() {
  static const Table<Engine> table = Table<Engine>("engine", "An engine.")
                                         .text("name", &Engine::name)
                                         .quantity("power", &Engine::power, {.above = Watts{}, .required = true})
                                         .quantity_map("peak", &Engine::peak, modes);
  return table;
}

const Table<Wheel>& wheel_table() {
  static const Table<Wheel> table = Table<Wheel>("wheel", "A wheel.").quantity("turn", &Wheel::turn, {.required = true});
  return table;
}

const Table<Sail>& sail_table() {
  static const Table<Sail> table = Table<Sail>("sail", "A sail.").number("area", &Sail::area);
  return table;
}

const Catalogue& engine_catalogue() {
  static const Catalogue catalogue{"engine",
                                   [](const yaml::Node& name, Diagnostics&) -> std::optional<yaml::Node> {
                                     if (name.text == "diesel-1")
                                       return yaml::map({{"name", yaml::scalar("diesel-1")}, {"power", yaml::scalar("90 kW")}});
                                     return std::nullopt;
                                   },
                                   [] { return std::vector<std::string>{"diesel-1", "steam-2"}; }};
  return catalogue;
}

const Table<Machine>& machine_table() {
  static const Table<Machine> table = Table<Machine>("machine", "A machine.")
                                          .text("name", &Machine::name, {.required = true})
                                          .count("engines", &Machine::engines, {.min = 1, .max = 8})
                                          .number("load", &Machine::load, {.max = 1})
                                          .flag("spare", &Machine::spare)
                                          .choice("mode", &Machine::mode, modes)
                                          .word("rule", &Machine::rule, {"first", "last"})
                                          .quantity("memory", &Machine::memory, {.unit_hint = "GB"})
                                          .quantity("link", &Machine::link, {.unit_hint = "GB/s"})
                                          .quantity("pause", &Machine::pause, {.max = Seconds{60}})
                                          .quantity("tariff", &Machine::tariff)
                                          .counts("grid", &Machine::grid, {.min = 1})
                                          .list("extra", &Machine::extra, engine_table())
                                          .reference("engine", &Machine::engine, engine_table(), engine_catalogue())
                                          .one_of("drive", &Machine::drive, {"wheel", "sail"}, wheel_table(), sail_table())
                                          .check([](const Machine& machine, const Report& report) {
                                            for (std::size_t i = 0; i < machine.grid.size(); ++i) {
                                              if (machine.grid[i] > machine.engines)
                                                report.error("grid." + std::to_string(i), "more than the engines", "at most 'engines'");
                                            }
                                          });
  return table;
}

std::string bytes_of(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

std::string words_about(const fs::path& path) {
  Diagnostics diagnostics;
  const yaml::Node node = yaml::parse_yaml(bytes_of(path), path.filename().string(), diagnostics);
  if (diagnostics.empty())
    static_cast<void>(machine_table().read(node, diagnostics));
  return diagnostics.render();
}

} // namespace

TEST_CASE("bad files give the exact words") {
  const fs::path folder = fs::path(__FILE__).parent_path() / "cases";
  std::vector<fs::path> cases;
  for (const auto& file : fs::directory_iterator(folder)) {
    if (file.path().extension() == ".yaml")
      cases.push_back(file.path());
  }
  std::sort(cases.begin(), cases.end());
  REQUIRE(cases.size() >= 40);
  const bool approve = std::getenv("ORRERY_APPROVE") != nullptr;
  for (const fs::path& file : cases) {
    const std::string words = words_about(file);
    const fs::path expected = fs::path(file).replace_extension(".expected");
    if (approve)
      std::ofstream(expected, std::ios::binary) << words;
    INFO(file.filename().string());
    CHECK(words == bytes_of(expected));
    CHECK(words.empty() == (file.stem() == "good"));
  }
}

} // namespace orrery::yaml_diagnostics_test
