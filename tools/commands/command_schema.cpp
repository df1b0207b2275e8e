// `orrery schema` and `orrery explain`: what a scenario file may say, and what a result says.
#include "scenarios/published/validate_papers_tables.hpp"
#include "scenarios/scenario_tables.hpp"
#include "scenarios/sweep/study_tables.hpp"
#include "sim/base/diagnostics.hpp"
#include "tools/commands/command.hpp"
#include "tools/reports/report_json.hpp"
#include "tools/reports/text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace orrery {

namespace {

Exit print_schema(const Arguments& arguments, Console& console) {
  const std::string kind = arguments.text("KIND", "scenario");
  if (kind == "scenario")
    console.out << scenario_table().schema().dump(2) << '\n';
  else if (kind == "study")
    console.out << study_table().schema().dump(2) << '\n';
  else if (kind == "claim")
    console.out << claim_table().schema().dump(2) << '\n';
  else
    console.out << result_schema().dump(2) << '\n';
  return Exit::ok;
}

/// "jobs.*.plan.tp" for "jobs.0.plan.tp" too: an index stands for every item.
std::string general(const std::string& path) {
  std::string out;
  for (std::size_t from = 0; from <= path.size();) {
    const std::size_t dot = std::min(path.find('.', from), path.size());
    const std::string part = path.substr(from, dot - from);
    const bool index = !part.empty() && std::ranges::all_of(part, [](char c) { return c >= '0' && c <= '9'; });
    out += (from == 0 ? "" : ".") + (index ? "*" : part);
    from = dot + 1;
  }
  return out;
}

std::string row_text(const HelpRow& row, const Style& style) {
  const std::string help = row.help.empty() ? "" : "  " + row.help;
  const bool fits = row.path.size() + help.size() <= page_width;
  std::string accepts = "    accepts " + row.accepts;
  if (!row.standard.empty())
    accepts += row.standard == "required" ? "; required" : "; default " + row.standard;
  return style.heading(row.path) + (fits ? help : "\n    " + wrap(row.help, page_width - 4, 4)) + "\n" + wrap(accepts, page_width, 6) +
         "\n";
}

/// Rows at and below `wanted`, those of a description that it lies in or names included. `known` = all that were looked at.
std::string rows_below(const TableInfo& table, const std::string& prefix, const std::string& wanted, const Style& style,
                       std::vector<std::string>& known) {
  std::string out;
  for (HelpRow& row : help_rows(table)) {
    const Shape* shape = shape_at(table, row.path);
    row.path = prefix + row.path;
    known.push_back(row.path);
    if (wanted.empty() || row.path == wanted || row.path.starts_with(wanted + "."))
      out += row_text(row, style);
    if (shape != nullptr && shape->kind == ShapeKind::reference && (wanted + ".").starts_with(row.path + "."))
      out += rows_below(*shape->table, row.path + ".", wanted, style, known);
  }
  return out;
}

Exit explain(const Arguments& arguments, Console& console) {
  const std::string wanted = general(arguments.text("PATH"));
  std::vector<std::string> known;
  const std::string out = rows_below(scenario_table(), {}, wanted, Style{.colour = console.colour}, known);
  if (out.empty())
    throw UserError("PATH: " + shown(arguments.text("PATH")) + " is no key of a scenario" + or_did_you_mean(wanted, known) +
                    "\n'orrery explain' lists all keys.");
  console.out << out;
  return Exit::ok;
}

} // namespace

Command schema_command_row() {
  return {.name = "schema",
          .summary = "prints the JSON Schema of a scenario, a study, a published claim or a result",
          .details = {},
          .options = {{.name = "KIND",
                       .kind = OptionKind::positional,
                       .value = {},
                       .help = "which",
                       .choices = {"scenario", "study", "claim", "result"}}},
          .run = print_schema};
}

Command explain_command_row() {
  return {.name = "explain",
          .summary = "explains the keys of a scenario file",
          .details = {},
          .options = {{.name = "PATH",
                       .kind = OptionKind::positional,
                       .value = {},
                       .help = "a key, or the start of several: jobs.*.plan, cluster.node.device"}},
          .run = explain};
}

} // namespace orrery
