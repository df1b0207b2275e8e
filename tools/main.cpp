// The command line: turns the rows of commands() into a parser and runs the one that was asked for.
#include "sim/base/diagnostics.hpp"
#include "tools/commands/command.hpp"
#include "tools/reports/text.hpp"

#include <CLI/CLI.hpp>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <sstream>

namespace {

using namespace orrery;

constexpr const char* version = "orrery 0.1.0";
constexpr const char* exit_statuses =
    "Exit status: 0 answered; 2 the input is wrong; 3 the plan is infeasible; 4 an expectation is not met or a "
    "metric regressed; 1 internal error.";

constexpr std::size_t beside_names = page_width - 30; // columns for what an option or a command does

void add_option(CLI::App& parser, const Option& option, Arguments& arguments) {
  if (option.kind == OptionKind::flag) {
    parser.add_flag_callback(option.name, [&option, &arguments] { arguments.add(option.name, "true"); }, option.help);
    return;
  }
  const auto keep = [&option, &arguments](const std::vector<std::string>& values) {
    for (const std::string& value : values)
      arguments.add(option.name, value);
  };
  std::string help = option.help;
  for (std::size_t i = 0; i < option.choices.size(); ++i)
    help += (i == 0 ? ": " : ", ") + option.choices[i];
  if (!option.otherwise.empty())
    help += "; " + option.otherwise + " where not given";
  help = wrap(help, beside_names);
  CLI::Option* added = nullptr;
  if (option.kind == OptionKind::positional) {
    added = parser.add_option_function<std::string>(
        option.name, [&option, &arguments](const std::string& value) { arguments.add(option.name, value); }, help);
    added->type_name("");
  } else if (option.kind == OptionKind::positionals) {
    added = parser.add_option_function<std::vector<std::string>>(option.name, keep, help);
    added->type_name("");
  } else {
    added = parser.add_option_function<std::vector<std::string>>(option.name, keep, help);
    added->type_name(option.value)->allow_extra_args(false);
    added->expected(1, option.kind == OptionKind::values ? 1 << 20 : 1);
  }
  added->required(option.required);
}

/// Words that the parser did not know, with what may have been meant.
std::string unknown_words(const CLI::App& parser) {
  const CLI::App* chosen = parser.get_subcommands().empty() ? nullptr : parser.get_subcommands().front();
  std::vector<std::string> known;
  std::string behind;
  for (const Command& command : commands()) {
    if (chosen == nullptr)
      known.push_back(command.name);
    else if (command.name == chosen->get_name())
      for (const Option& option : command.options) {
        known.push_back(option.name);
        if (option.kind == OptionKind::positionals)
          behind = "; words that are not for " + command.name + " itself go behind '--'";
      }
  }
  std::string text;
  for (const std::string& word : parser.remaining(true)) {
    const bool is_option = word.starts_with("-");
    const std::string kind = is_option ? "unknown option " : chosen == nullptr ? "unknown command " : "unexpected argument ";
    text += "orrery: " + kind + shown(word) + or_did_you_mean(word.substr(0, word.find('=')), known) + (is_option ? behind : "") + "\n";
    if (chosen == nullptr && !is_option)
      break; // what follows an unknown command belongs to it
  }
  return text;
}

int parse_failure(const CLI::App& parser, const CLI::ParseError& failure) {
  const CLI::App* chosen = parser.get_subcommands().empty() ? nullptr : parser.get_subcommands().front();
  const std::string command = chosen == nullptr ? "orrery" : "orrery " + chosen->get_name();
  std::string text = unknown_words(parser);
  if (text.empty())
    text = command + ": " + failure.what() + "\n";
  std::cerr << text << "Try '" << command << " --help'.\n";
  return static_cast<int>(Exit::user_error);
}

int finish(Exit status) {
  std::cout.flush();
  if (!std::cout) {
    std::cerr << "orrery: the answer could not be written to standard output\n";
    return static_cast<int>(Exit::internal);
  }
  return static_cast<int>(status);
}

/// Every line of a text within the width of a page.
std::string lines(std::string_view text) {
  std::string out;
  for (std::size_t from = 0; from < text.size();) {
    const std::size_t end = std::min(text.find('\n', from), text.size());
    out += (out.empty() ? "" : "\n") + wrap(text.substr(from, end - from), page_width);
    from = end + 1;
  }
  return out;
}

int run(int argc, char** argv) {
  CLI::App parser("Models AI hardware and clusters: what a plan would reach in throughput, memory, power, cost and goodput.\n"
                  "Begin with 'orrery run scenarios/quickstart.yaml'; 'orrery COMMAND --help' tells the rest.",
                  "orrery");
  parser.footer(wrap(exit_statuses, page_width));
  parser.set_version_flag("--version", version);
  parser.require_subcommand(1);
  Arguments arguments;
  for (const Command& command : commands()) {
    CLI::App* added = parser.add_subcommand(command.name, command.summary);
    added->footer(lines(command.details));
    for (const Option& option : command.options)
      add_option(*added, option, arguments);
  }
  try {
    parser.parse(argc, argv);
  } catch (const CLI::Success& help_or_version) {
    parser.exit(help_or_version);
    return finish(Exit::ok);
  } catch (const CLI::ParseError& failure) {
    return parse_failure(parser, failure);
  }
  Console console{.out = std::cout,
                  .error = std::cerr,
                  .colour = isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr,
                  .progress = isatty(STDERR_FILENO) == 1};
  const std::string chosen = parser.get_subcommands().front()->get_name();
  for (const Command& command : commands()) {
    if (command.name == chosen)
      return finish(run_command(command, arguments, console));
  }
  return static_cast<int>(Exit::internal);
}

} // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& bug) {
    std::cerr << "orrery: internal error: " << bug.what() << "\nThis is a bug; please report it with the command and the file.\n";
    return static_cast<int>(orrery::Exit::internal);
  }
}
