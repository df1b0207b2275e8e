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
  static const std::vector<std::string> columns = {
      "id",           "source",       "source_ref",  "accelerator",  "devices",        "tp",
      "pp",           "ep",           "dp",          "engine",       "engine_version", "model",
      "w_prec",       "a_prec",       "kv_prec",     "kind",         "input_len",      "output_len",
      "num_requests", "batch",        "concurrency", "request_rate", "out_tok_s",      "in_tok_s",
      "ttft_ms_mean", "tpot_ms_mean", "tpot_ms_p50", "itl_ms_mean",  "e2e_ms_mean",    "energy_j_per_out_tok",
      "pd_config",    "chk_flag",     "notes"};
  CsvTable table{.columns = columns, .rows = {{}}, .lines = {2}};
  for (const std::string& column : columns)
    table.rows.front().push_back(cells[column]);
  std::vector<ServingRow> rows = serving_rows(table, "rows.csv");
  REQUIRE(rows.size() == 1);
  return rows.front();
}

} // namespace orrery
