// Commands as data: what main.cpp shows the parser, and what a command gets back. A new command is one file tools/command_NAME.cpp and one
// row in tools/commands/commands.cpp.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace orrery {

/// Exit statuses of the command line.
enum class Exit { ok = 0, internal = 1, user_error = 2, infeasible = 3, expectation = 4 };

/// Where a command writes: the answer to `out`, everything else to `error`.
struct Console {
  std::ostream& out;
  std::ostream& error;
  bool colour = false;   ///< `out` is a terminal that may be coloured
  bool progress = false; ///< `error` is a terminal
};

enum class OptionKind {
  positional,
  positionals, ///< a positional that may be repeated
  value,       ///< given at most once
  values,      ///< may be repeated
  flag
};

struct Option {
  std::string name; ///< "--format", or "FILE" for a positional
  OptionKind kind = OptionKind::value;
  std::string value; ///< how the value is named in the help
  std::string help;
  bool required = false;
  std::vector<std::string> choices = {}; ///< empty = any text
  std::string otherwise = {};            ///< what holds where it is not given, for the help
};

/// What the user gave, by the option's name.
class Arguments {
public:
  void add(const std::string& name, std::string value) { values_[name].push_back(std::move(value)); }

  [[nodiscard]] bool has(const std::string& name) const { return values_.contains(name); }
  /// The value of an option, or `otherwise` where it was not given.
  [[nodiscard]] std::string text(const std::string& name, const std::string& otherwise = {}) const;
  [[nodiscard]] std::vector<std::string> all(const std::string& name) const;
  /// The value of --seed, where it was given.
  [[nodiscard]] std::optional<std::uint64_t> seed() const;

private:
  std::map<std::string, std::vector<std::string>> values_;
};

struct Command {
  std::string name;
  std::string summary;
  std::string details; ///< shown at the end of its help
  std::vector<Option> options;
  Exit (*run)(const Arguments&, Console&) = nullptr;
};

/// FILE and --set, of every command that reads one scenario.
Option scenario_file();
Option set_values();

/// The registry.
const std::vector<Command>& commands();

/// Throws UserError where a value is none of the choices of its option.
void check_choices(const Command& command, const Arguments& arguments);

/// Runs a command: a UserError becomes its diagnostics on the error stream and exit status 2.
Exit run_command(const Command& command, const Arguments& arguments, Console& console);

// One per file tools/command_NAME.cpp.
Command run_command_row();
Command estimate_command_row();
Command plan_command_row();
Command capacity_command_row();
Command validate_command_row();
Command calibrate_command_row();
Command sweep_command_row();
Command compare_command_row();
Command catalog_command_row();
Command explain_command_row();
Command schema_command_row();
Command import_command_row();

} // namespace orrery
