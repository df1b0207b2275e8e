// Rows of the serving table for tests.
#pragma once

#include "scenarios/published/serving_rows.hpp"

#include <catch2/catch.hpp>

#include <map>
#include <string>
#include <vector>

namespace orrery {

using Given = std::map<std::string, std::string>;

/// The row of these cells; the others are empty.
inline ServingRow serving_row_of(Given cells) {
  CsvTable table{.rows = {{}}, .lines = {2}};
  for (const std::string column : serving_columns()) {
    table.columns.push_back(column);
    table.rows.front().push_back(cells[column]);
  }
  std::vector<ServingRow> rows = serving_rows(table, "rows.csv");
  REQUIRE(rows.size() == 1);
  return rows.front();
}

} // namespace orrery
