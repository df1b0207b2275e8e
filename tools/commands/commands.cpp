#include "tools/commands/command.hpp"

#include "sim/base/diagnostics.hpp"

#include <algorithm>
#include <charconv>

namespace orrery {

Option scenario_file() {
  return {.name = "FILE", .kind = OptionKind::positional, .value = {}, .help = "scenario (YAML)", .required = true};
}

Option set_values() {
  return {.name = "--set", .kind = OptionKind::values, .value = "PATH=VALUE", .help = "replaces a value of the scenario; may be repeated"};
}

std::string Arguments::text(const std::string& name, const std::string& otherwise) const {
  const auto found = values_.find(name);
  return found == values_.end() ? otherwise : found->second.back();
}

std::optional<std::uint64_t> Arguments::seed() const {
  if (!has("--seed"))
    return std::nullopt;
  const std::string given = text("--seed");
  std::uint64_t seed = 0;
  const auto [end, problem] = std::from_chars(given.data(), given.data() + given.size(), seed);
  if (problem != std::errc() || end != given.data() + given.size())
    throw UserError("--seed: " + shown(given) + "; allowed: a whole number from 0 to 18446744073709551615");
  return seed;
}

std::vector<std::string> Arguments::all(const std::string& name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? std::vector<std::string>{} : found->second;
}

const std::vector<Command>& commands() {
  static const std::vector<Command> rows = {
      run_command_row(),    estimate_command_row(), plan_command_row(),      capacity_command_row(),
      sweep_command_row(),  compare_command_row(),  catalog_command_row(),   explain_command_row(),
      schema_command_row(), validate_command_row(), calibrate_command_row(), import_command_row(),
  };
  return rows;
}

void check_choices(const Command& command, const Arguments& arguments) {
  Diagnostics diagnostics;
  for (const Option& option : command.options) {
    if (option.choices.empty())
      continue;
    std::string allowed;
    for (const std::string& choice : option.choices)
      allowed += (allowed.empty() ? "" : ", ") + choice;
    for (const std::string& value : arguments.all(option.name)) {
      if (std::ranges::find(option.choices, value) == option.choices.end())
        diagnostics.add(
            {.path = option.name, .message = shown(value), .allowed = allowed, .suggestion = did_you_mean(value, option.choices)});
    }
  }
  diagnostics.throw_if_any();
}

Exit run_command(const Command& command, const Arguments& arguments, Console& console) {
  try {
    check_choices(command, arguments);
    return command.run(arguments, console);
  } catch (const UserError& mistake) {
    console.error << mistake.what();
    if (std::string_view(mistake.what()).ends_with('\n') == false)
      console.error << '\n';
    return Exit::user_error;
  }
}

} // namespace orrery
