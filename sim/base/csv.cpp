#include "sim/base/csv.hpp"

#include <charconv>
#include <cmath>
#include <memory>

namespace orrery {

namespace {

std::vector<std::string> split(std::string_view line) {
  std::vector<std::string> cells;
  while (true) {
    const std::size_t comma = line.find(',');
    cells.emplace_back(line.substr(0, comma));
    if (comma == std::string_view::npos)
      return cells;
    line.remove_prefix(comma + 1);
  }
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
  int line_number = 0;
  while (!text.empty()) {
    ++line_number;
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.ends_with('\r'))
      line.remove_suffix(1);
    std::vector<std::string> cells = split(line);
    if (line_number == 1) {
      table.columns = expected;
      if (cells != expected) {
        diagnostics.add(Location{file, 1, 1}, "", "found columns " + shown(line), joined(expected));
        return table;
      }
      continue;
    }
    if (cells.size() != expected.size()) {
      diagnostics.add(Location{file, line_number, 1}, "", "found " + std::to_string(cells.size()) + " cells",
                      std::to_string(expected.size()) + " cells");
      continue;
    }
    table.rows.push_back(std::move(cells));
  }
  if (line_number == 0)
    diagnostics.add(Location{file, 1, 1}, "", "the table is empty", "a header row " + joined(expected));
  return table;
}

double csv_number(const CsvTable& table, std::size_t row, std::size_t column, const std::string& file_name, Diagnostics& diagnostics) {
  const std::string& cell = table.rows[row][column];
  double value = 0;
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (error == std::errc() && end == cell.data() + cell.size() && std::isfinite(value))
    return value;
  diagnostics.add(Location{std::make_shared<const std::string>(file_name), static_cast<int>(row) + 2, 1}, table.columns[column],
                  "found " + shown(cell), "a number");
  return 0;
}

} // namespace orrery
