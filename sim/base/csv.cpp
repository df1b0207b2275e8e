#include "sim/base/csv.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>

namespace orrery {

namespace {

/// Takes one record off the front of `text`. Counts the lines it stood on; false where a quote is not closed.
bool take_record(std::string_view& text, std::vector<std::string>& cells, int& lines) {
  cells.assign(1, "");
  lines = 1;
  bool quoted = false;
  std::size_t i = 0;
  for (; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      const bool doubled = c == '"' && i + 1 < text.size() && text[i + 1] == '"';
      if (c == '"' && !doubled) {
        quoted = false;
        continue;
      }
      i += doubled ? 1 : 0;
      lines += c == '\n' ? 1 : 0;
      cells.back() += c;
    } else if (c == '"' && cells.back().empty()) {
      quoted = true;
    } else if (c == ',') {
      cells.emplace_back();
    } else if (c == '\n') {
      break;
    } else if (c != '\r' || i + 1 >= text.size() || text[i + 1] != '\n') {
      cells.back() += c;
    }
  }
  text.remove_prefix(std::min(text.size(), i + 1));
  return !quoted;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names)
    text += (text.empty() ? "" : ",") + name;
  return text;
}

} // namespace

CsvTable parse_csv(std::string_view text, const std::string& file_name, const std::vector<std::string>& expected,
                   Diagnostics& diagnostics) {
  const auto file = std::make_shared<const std::string>(file_name);
  CsvTable table;
  int line_number = 1;
  bool header = true;
  std::vector<std::string> cells;
  int lines = 0;
  if (text.empty())
    diagnostics.add(Location{file, 1, 1}, "", "the table is empty", "a header row " + joined(expected));
  for (; !text.empty(); line_number += lines) {
    if (!take_record(text, cells, lines))
      diagnostics.add(Location{file, line_number, 1}, "", "a quote is not closed");
    if (header) {
      header = false;
      table.columns = cells;
      if (!expected.empty() && cells != expected) {
        diagnostics.add(Location{file, 1, 1}, "", "found columns " + shown(joined(cells)), joined(expected));
        return table;
      }
    } else if (cells.size() != table.columns.size()) {
      diagnostics.add(Location{file, line_number, 1}, "", "found " + std::to_string(cells.size()) + " cells",
                      std::to_string(table.columns.size()) + " cells");
    } else {
      table.rows.push_back(cells);
      table.lines.push_back(line_number);
    }
  }
  return table;
}

double csv_number(const CsvTable& table, std::size_t row, std::size_t column, const std::string& file_name, Diagnostics& diagnostics) {
  const std::string& cell = table.rows[row][column];
  double value = 0;
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (error == std::errc() && end == cell.data() + cell.size() && std::isfinite(value))
    return value;
  diagnostics.add(Location{std::make_shared<const std::string>(file_name), table.lines[row], 1}, table.columns[column],
                  "found " + shown(cell), "a number");
  return 0;
}

} // namespace orrery
