#include "scenarios/data_files.hpp"
#include "scenarios/published/training_rows.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

namespace orrery {
namespace {

/// The project's row of this name, its cell of `column` replaced.
TrainingRow row_with(const std::string& id, const std::string& column, const std::string& value) {
  const std::string file = data_file("scenarios/validation/training.csv");
  Diagnostics diagnostics;
  CsvTable table = parse_csv(read_text_file(file), file, {}, diagnostics);
  const auto place = [&](const std::string& name) {
    return static_cast<std::size_t>(std::find(table.columns.begin(), table.columns.end(), name) - table.columns.begin());
  };
  const auto found = std::find_if(table.rows.begin(), table.rows.end(), [&](const auto& row) { return row[place("id")] == id; });
  REQUIRE(found != table.rows.end());
  (*found)[place(column)] = value;
  table.rows = {*found};
  table.lines.resize(1);
  return training_rows(table, file).front();
}

TEST_CASE("a vocabulary that is not stated follows from the published size", "[unit][training_rows]") {
  const auto vocabulary = [](const char* billions) {
    return row_with("zb-14.6b-1f1b-m48", "params_total_b", billions).job.model.vocabulary;
  };
  CHECK(vocabulary("14.6") == 32000);
  CHECK(vocabulary("14.8") == 51200);
  CHECK(vocabulary("") == 51200);
  CHECK(row_with("zb-14.6b-1f1b-m48", "vocab", "64000").job.model.vocabulary == 64000);
}

TEST_CASE("Megatron pads the vocabulary to 128 words on each rank", "[unit][training_rows]") {
  CHECK(row_with("modellink-aquila-7b-2k", "tp", "8").job.model.vocabulary == 100352); // 100,008 stated
  CHECK(row_with("modellink-aquila-7b-2k", "tp", "1").job.model.vocabulary == 100096);
  CHECK(row_with("titan-atp-8b-bf16-0", "vocab", "100008").job.model.vocabulary == 100008);
}

TEST_CASE("Composer's mixed precision decides where parameters are cast", "[unit][training_rows]") {
  const auto software = [](const char* notes) { return row_with("mosaic-a100-80g-1b-s2048-n8-amp_bf16-mb14", "notes", notes).software; };
  CHECK(software("MP mode DEFAULT; sharding FULL_SHARD").autocast);
  CHECK(software("MP mode DEFAULT; sharding FULL_SHARD").reduction == Precision::bf16);
  CHECK_FALSE(software("MP mode PURE; sharding FULL_SHARD").autocast);
  CHECK(software("MP mode PURE; sharding FULL_SHARD").reduction == Precision::bf16);
  CHECK(software("").reduction == Precision::fp32);
}

} // namespace
} // namespace orrery
