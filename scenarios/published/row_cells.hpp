// One row of a table of published measurements, by column.
#pragma once

#include "sim/base/csv.hpp"
#include "sim/base/diagnostics.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace orrery {

/// ASCII letters alone.
std::string lower_case(std::string text);

/// One row with its columns by name.
class Cells {
public:
  Cells(const CsvTable& table, std::size_t row, const std::string& file, Diagnostics& diagnostics)
      : table_(table), row_(row), file_(file), diagnostics_(diagnostics) {}

  [[nodiscard]] const std::string& text(std::string_view column) const {
    const auto found = std::find(table_.columns.begin(), table_.columns.end(), column);
    return table_.rows[row_][static_cast<std::size_t>(found - table_.columns.begin())];
  }
  [[nodiscard]] bool given(std::string_view column) const { return !text(column).empty(); }
  [[nodiscard]] double number(std::string_view column, double otherwise = 0) const {
    const std::string& cell = text(column);
    if (cell.empty())
      return otherwise;
    double value = 0;
    const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
    if (error != std::errc{} || end != cell.data() + cell.size() || !std::isfinite(value) || value < 0 || value > 1e15) {
      diagnostics_.add({.file = file_,
                        .line = table_.lines[row_],
                        .column = 1,
                        .path = std::string(column),
                        .message = "'" + cell + "'",
                        .allowed = "a number that is not negative"});
      return otherwise;
    }
    return value;
  }
  [[nodiscard]] int count(std::string_view column, int otherwise = 0) const {
    return static_cast<int>(std::min(number(column, otherwise), 1e9));
  }
  [[nodiscard]] bool contains(std::string_view column, std::string_view part) const { return text(column).find(part) != std::string::npos; }
  /// The same whatever the case of the cell; `part` is in lower case.
  [[nodiscard]] bool mentions(std::string_view column, std::string_view part) const {
    return lower_case(text(column)).find(part) != std::string::npos;
  }

private:
  const CsvTable& table_;
  std::size_t row_;
  const std::string& file_;
  Diagnostics& diagnostics_;
};

/// The first group that `pattern` (ECMAScript) captures, as a number.
std::optional<double> first_number(const std::string& text, const char* pattern);

/// A published name in lower case; all that is no letter, digit or dot is one dash, typographic dashes too.
std::string plain_name(std::string_view text);

/// The table of a file, whatever its columns. Throws UserError.
CsvTable read_csv(const std::string& path);

/// Reads the rows of a table one by one. Throws UserError where it lacks one of the columns, or a cell is no number.
void read_rows(const CsvTable& table, const std::string& file_name, std::span<const char* const> columns,
               const std::function<void(const Cells&)>& read);

} // namespace orrery
