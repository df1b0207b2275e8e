// A strict reader of comma-separated tables (RFC 4180): a header row, then rows of as many cells. Cells may be quoted; no empty lines
// inside; LF or CRLF.
#pragma once

#include "sim/base/diagnostics.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace orrery {

struct CsvTable {
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows; ///< each as long as `columns`
  std::vector<int> lines;                     ///< of the file, on which each row begins
};

/// Reads a table that has exactly the columns `expected`, in that order; none expected = whatever the header names. Mistakes go to
/// `diagnostics`; rows at fault are left out.
CsvTable parse_csv(std::string_view text, const std::string& file_name, const std::vector<std::string>& expected, Diagnostics& diagnostics);

/// A cell that must hold a finite number. Otherwise reports it and gives 0.
double csv_number(const CsvTable& table, std::size_t row, std::size_t column, const std::string& file_name, Diagnostics& diagnostics);

} // namespace orrery
