#include "sim/base/csv.hpp"

#include <catch2/catch.hpp>

namespace orrery::csv_test {

TEST_CASE("a table is read with its rows", "[base][csv]") {
  Diagnostics diagnostics;
  const CsvTable table = parse_csv("a,b\n1,x\r\n2.5,\n", "t.csv", {"a", "b"}, diagnostics);
  REQUIRE(diagnostics.empty());
  REQUIRE(table.rows.size() == 2);
  CHECK(table.rows[0][1] == "x");
  CHECK(table.rows[1][1].empty());
  CHECK(csv_number(table, 1, 0, "t.csv", diagnostics) == 2.5);
  CHECK(diagnostics.empty());
}

TEST_CASE("mistakes of a table are told with their line", "[base][csv]") {
  Diagnostics diagnostics;
  const CsvTable table = parse_csv("a,b\n1\n2,3\nx,4\n", "t.csv", {"a", "b"}, diagnostics);
  REQUIRE(table.rows.size() == 2);
  csv_number(table, 1, 0, "t.csv", diagnostics);
  REQUIRE(diagnostics.size() == 2);
  CHECK(diagnostics.render().find("t.csv:2:") != std::string::npos);
  Diagnostics header;
  CHECK(parse_csv("a,c\n1,2\n", "t.csv", {"a", "b"}, header).rows.empty());
  CHECK(header.render().find("a,b") != std::string::npos);
  Diagnostics empty;
  (void)parse_csv("", "t.csv", {"a"}, empty);
  CHECK(empty.size() == 1);
}

} // namespace orrery::csv_test
