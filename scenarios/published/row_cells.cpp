#include "scenarios/published/row_cells.hpp"

#include <regex>

namespace orrery {

std::optional<double> first_number(const std::string& text, const char* pattern) {
  std::smatch match;
  if (!std::regex_search(text, match, std::regex(pattern)))
    return std::nullopt;
  return std::stod(match[1]);
}

void require_columns(const CsvTable& table, const std::string& file_name, std::span<const char* const> columns) {
  Diagnostics diagnostics;
  for (const char* column : columns)
    if (std::find(table.columns.begin(), table.columns.end(), column) == table.columns.end())
      diagnostics.add({.file = file_name, .line = 1, .column = 1, .path = column, .message = "column is missing"});
  diagnostics.throw_if_any();
}

} // namespace orrery
