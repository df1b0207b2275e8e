// libFuzzer harness of everything that reads the user's text: the YAML reader and its writer, tables, references, overrides and quantities.
// Nothing may crash, throw or hang, and what was read must be written and read back to the same values. Built and run by tests/fuzz/run.
#include "sim/base/params.hpp"

#include <cstdlib>

using namespace orrery;

namespace {

enum class Mode { eager, lazy };

struct Part {
  std::string name;
  BytesPerSecond bandwidth;
  std::map<Mode, FlopsPerSecond> peak;
  bool operator==(const Part&) const = default;
};

struct Whole {
  std::string name;
  int count = 1;
  double share = 0;
  bool flag = false;
  std::optional<Seconds> pause;
  DollarsPerJoule tariff;
  std::vector<int> grid;
  std::vector<Part> parts;
  Part part;
  std::variant<Part, std::monostate> other;
};

const Choices<Mode> modes = {{"eager", Mode::eager}, {"lazy", Mode::lazy}};

const Table<Part>& part_table() {
  static const Table<Part> table = Table<Part>("part", "A part.")
                                       .text("name", &Part::name)
                                       .quantity("bandwidth", &Part::bandwidth, {.required = true})
                                       .quantity_map("peak", &Part::peak, modes);
  return table;
}

const Catalogue& part_catalogue() {
  static const Catalogue catalogue{"part",
                                   [](const yaml::Node& name, Diagnostics&) -> std::optional<yaml::Node> {
                                     if (name.text == "circle")
                                       return yaml::map({{"base", yaml::scalar("circle")}});
                                     if (name.text == "p")
                                       return yaml::map({{"bandwidth", yaml::scalar("1 GB/s")}});
                                     return std::nullopt;
                                   },
                                   [] { return std::vector<std::string>{"p", "circle"}; }};
  return catalogue;
}

const Table<std::monostate>& nothing_table() {
  static const Table<std::monostate> table("nothing", "No keys.");
  return table;
}

const Table<Whole>& whole_table() {
  static const Table<Whole> table = Table<Whole>("whole", "A whole.")
                                        .text("name", &Whole::name)
                                        .count("count", &Whole::count)
                                        .number("share", &Whole::share, {.min = -1, .max = 1})
                                        .flag("flag", &Whole::flag)
                                        .quantity("pause", &Whole::pause)
                                        .quantity("tariff", &Whole::tariff)
                                        .counts("grid", &Whole::grid)
                                        .list("parts", &Whole::parts, part_table())
                                        .reference("part", &Whole::part, part_table(), part_catalogue())
                                        .one_of("other", &Whole::other, {"part", "nothing"}, part_table(), nothing_table());
  return table;
}

void require(bool law) {
  if (!law)
    std::abort();
}

void read_document(std::string_view text, std::string_view assignment) {
  Diagnostics diagnostics;
  yaml::Node node = yaml::parse_yaml(text, "fuzz", diagnostics);
  static_cast<void>(diagnostics.render());
  if (!diagnostics.empty())
    return;
  Diagnostics again;
  const std::string written = yaml::to_yaml(node);
  const yaml::Node back = yaml::parse_yaml(written, "fuzz", again);
  require(again.empty() && yaml::to_yaml(back) == written);
  set_path(node, assignment, whole_table(), diagnostics);
  const Whole whole = whole_table().read(node, diagnostics);
  static_cast<void>(diagnostics.render());
  if (diagnostics.empty()) {
    Diagnostics third;
    static_cast<void>(whole_table().read(whole_table().write(whole), third));
    require(third.empty());
  }
}

template <class Q> void read_quantity_text(std::string_view text) {
  QuantityError error;
  const double si = parse_quantity(text, dimension_of<Q>(), "", error);
  if (!error.message.empty())
    return;
  QuantityError again;
  require(parse_quantity(exact_quantity(Q{si}), dimension_of<Q>(), "", again) == si && again.message.empty());
  static_cast<void>(format_quantity(Q{si}));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t line = std::min(text.find('\n'), text.size());
  read_document(text, "count=2");
  read_document(text.substr(std::min(line + 1, text.size())), text.substr(0, line)); // an override, then a document
  read_quantity_text<Seconds>(text);
  read_quantity_text<BytesPerSecond>(text);
  read_quantity_text<DollarsPerJoule>(text);
  return 0;
}
