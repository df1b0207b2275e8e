// `orrery import`: what users already have, as a scenario.
#include "scenarios/data_files.hpp"
#include "scenarios/imports/chakra_import.hpp"
#include "scenarios/imports/megatron_import.hpp"
#include "sim/base/diagnostics.hpp"
#include "tools/commands/command.hpp"
#include "tools/reports/text.hpp"

#include <fmt/format.h>

#include <charconv>
#include <iostream>
#include <iterator>

namespace orrery {

namespace {

int nodes_of(const Arguments& arguments) {
  if (!arguments.has("--nodes"))
    return 0;
  const std::string text = arguments.text("--nodes");
  int nodes = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), nodes);
  if (problem != std::errc() || end != text.data() + text.size() || nodes < 1)
    throw UserError("--nodes: " + shown(text) + "; allowed: a whole number of at least 1");
  return nodes;
}

std::string script_text(const std::string& file) {
  if (file != "-")
    return read_text_file(file);
  return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
}

constexpr const char* model_argument = "--num-layers";

/// The command of a launch script, of one quoted text, or of words that the shell has parted already.
LaunchCommand megatron_command(const Arguments& arguments) {
  const std::vector<std::string> words = arguments.all("WHAT");
  if (arguments.has("--file") == !words.empty())
    throw UserError(words.empty() ? "import megatron: nothing to import; give the command as words behind '--', or --file SCRIPT"
                                  : "import megatron: words of a command and --file; allowed: one of them");
  LaunchCommand command;
  if (arguments.has("--file"))
    command = launch_command(script_text(arguments.text("--file")), model_argument);
  else if (words.size() == 1)
    command = launch_command(words.front(), model_argument);
  else
    command.words = words;
  if (command.words.empty())
    throw UserError((arguments.has("--file") ? arguments.text("--file") : std::string("import megatron")) + ": no command with " +
                    model_argument);
  return command;
}

void list(std::ostream& out, const std::string& title, const std::vector<std::string>& lines) {
  if (!lines.empty())
    out << title << '\n';
  for (const std::string& line : lines)
    out << "  " << wrap(line, page_width - 2, 4) << '\n';
}

MachineOptions machine_of(const Arguments& arguments) {
  return {.cluster = arguments.text("--cluster"), .node = arguments.text("--node"), .nodes = nodes_of(arguments)};
}

std::string software_of(const Arguments& arguments) { return arguments.text("--software", ImportOptions{}.software); }

Exit import_from_megatron(const Arguments& arguments, Console& console) {
  if (arguments.has("--dump"))
    throw UserError("--dump: of 'import chakra' only");
  const ImportOptions options{.machine = machine_of(arguments), .software = software_of(arguments), .dropped = arguments.all("--ignore")};
  const ImportedScenario imported = import_megatron(megatron_command(arguments), options);
  console.out << yaml::to_yaml(imported.scenario);
  std::vector<std::string> ignored;
  for (const auto& [why, names] : imported.ignored)
    ignored.push_back(fmt::format("{}: {}", why, fmt::join(names, ", ")));
  list(console.error, "Ignored, without influence on the time of a step:", ignored);
  list(console.error, "Taken as:", imported.notes);
  return Exit::ok;
}

Exit import_from_chakra(const Arguments& arguments, Console& console) {
  const std::vector<std::string> files = arguments.all("WHAT");
  for (const char* other : {"--file", "--ignore"})
    if (arguments.has(other))
      throw UserError(std::string(other) + ": of 'import megatron' only");
  if (files.empty())
    throw UserError("import chakra: no files; give one per rank, or a pattern such as 'rank.%d.et'");
  if (arguments.has("--dump")) {
    console.out << yaml::to_yaml(readable_traces(files));
    return Exit::ok;
  }
  console.out << yaml::to_yaml(import_chakra(files, machine_of(arguments), software_of(arguments)));
  list(console.error, "Taken as:", {"software: a scenario names one; the trace was recorded with its own, and is replayed without it"});
  return Exit::ok;
}

Exit run_import(const Arguments& arguments, Console& console) {
  return arguments.text("FORM") == "megatron" ? import_from_megatron(arguments, console) : import_from_chakra(arguments, console);
}

} // namespace

Command import_command_row() {
  return {.name = "import",
          .summary = "turns a Megatron-LM command line or Chakra traces into a scenario",
          .details = "orrery import megatron --node dgx-h100 --nodes 16 -- pretrain_gpt.py --num-layers 96 ... > scenario.yaml\n"
                     "orrery import megatron --cluster selene --file launch.sh > scenario.yaml\n"
                     "orrery import chakra --node dgx-h100 'rank.%d.et' > scenario.yaml",
          .options =
              {
                  {.name = "FORM",
                   .kind = OptionKind::positional,
                   .value = {},
                   .help = "what is imported",
                   .required = true,
                   .choices = {"megatron", "chakra"}},
                  {.name = "WHAT",
                   .kind = OptionKind::positionals,
                   .value = {},
                   .help = "megatron: the command, as one quoted text or as words behind '--'; chakra: files, one per rank, or a pattern "
                           "'rank.%d.et'"},
                  {.name = "--file", .value = "SCRIPT", .help = "megatron: a launch script that holds the command; - = standard input"},
                  {.name = "--cluster", .value = "NAME", .help = "the machine: a catalogue name or a .yaml file"},
                  {.name = "--node", .value = "NAME", .help = "instead: the kind of node, joined by a full fat tree"},
                  {.name = "--nodes", .value = "N", .help = "how many nodes", .otherwise = "as many as the ranks fill"},
                  {.name = "--software", .value = "NAME", .help = "the framework release", .otherwise = ImportOptions{}.software},
                  {.name = "--ignore",
                   .kind = OptionKind::values,
                   .value = "ARGUMENT",
                   .help = "megatron: leaves an argument out, whatever it means; may be repeated"},
                  {.name = "--dump", .kind = OptionKind::flag, .value = {}, .help = "chakra: prints the traces as YAML instead"},
              },
          .run = run_import};
}

} // namespace orrery
