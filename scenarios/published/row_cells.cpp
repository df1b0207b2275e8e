#include "scenarios/published/row_cells.hpp"

#include "scenarios/data_files.hpp"

#include <regex>

namespace orrery {

std::string lower_case(std::string text) {
  for (char& c : text)
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

std::optional<double> first_number(const std::string& text, const char* pattern) {
  std::smatch match;
  if (!std::regex_search(text, match, std::regex(pattern)))
    return std::nullopt;
  return std::stod(match[1]);
}

std::string plain_name(std::string_view text) {
  std::string plain;
  for (const char c : lower_case(std::string(text)))
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.')
      plain += c;
    else if (plain.empty() || plain.back() != '-')
      plain += '-';
  return plain;
}

CsvTable read_csv(const std::string& path) {
  Diagnostics diagnostics;
  CsvTable table = parse_csv(read_text_file(path), path, {}, diagnostics);
  diagnostics.throw_if_any();
  return table;
}

void read_rows(const CsvTable& table, const std::string& file_name, std::span<const char* const> columns,
               const std::function<void(const Cells&)>& read) {
  Diagnostics diagnostics;
  for (const char* column : columns)
    if (std::find(table.columns.begin(), table.columns.end(), column) == table.columns.end())
      diagnostics.add({.file = file_name, .line = 1, .column = 1, .path = column, .message = "column is missing"});
  diagnostics.throw_if_any();
  for (std::size_t i = 0; i < table.rows.size(); ++i)
    read(Cells(table, i, file_name, diagnostics));
  diagnostics.throw_if_any();
}

} // namespace orrery
