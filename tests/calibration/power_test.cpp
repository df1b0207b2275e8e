// The power model against published measurements: models/calibration/power.yaml.
#include "hardware/catalogue.hpp"
#include "models/power.hpp"
#include "sim/base/catalogue.hpp"
#include "sim/base/params.hpp"

#include <catch2/catch.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace orrery::power_test {

namespace {

enum class Quantity { power, time, energy, flexibility };

struct Load {
  double busy = 1;
  double stretchable = 0;
  FlopsPerSecond arithmetic;
  BytesPerSecond memory;
};

struct Range {
  double from = 0;
  double to = 0;
};

struct Row {
  std::string id;
  std::string device;
  Load load;
  std::optional<Watts> cap;
  std::optional<Watts> reference_cap;
  Quantity quantity = Quantity::power;
  Range published;
  double tolerance = 0;
  std::string setup;
  std::string source;

  /// Relative distance from the published range.
  [[nodiscard]] double error(double predicted) const {
    if (predicted < published.from)
      return predicted / published.from - 1;
    return predicted > published.to ? predicted / published.to - 1 : 0;
  }
};

struct File {
  std::vector<Row> rows;
};

const Table<Load>& load_table() {
  static const Table<Load> table = Table<Load>("load", "What a device does in a second.")
                                       .number("busy", &Load::busy, {.max = 1})
                                       .number("stretchable", &Load::stretchable, {.max = 1})
                                       .quantity("arithmetic", &Load::arithmetic)
                                       .quantity("memory", &Load::memory);
  return table;
}

const Table<Range>& range_table() {
  static const Table<Range> table = Table<Range>("range", "Published values.").number("from", &Range::from).number("to", &Range::to);
  return table;
}

const Table<Row>& row_table() {
  static const Choices<Quantity> quantities = {
      {"power", Quantity::power}, {"time", Quantity::time}, {"energy", Quantity::energy}, {"flexibility", Quantity::flexibility}};
  static const Table<Row> table = Table<Row>("row", "One measurement.")
                                      .text("id", &Row::id, {.required = true})
                                      .text("device", &Row::device, {.required = true})
                                      .object("load", &Row::load, load_table())
                                      .quantity("cap", &Row::cap)
                                      .quantity("reference_cap", &Row::reference_cap)
                                      .choice("quantity", &Row::quantity, quantities)
                                      .object("published", &Row::published, range_table())
                                      .number("tolerance", &Row::tolerance)
                                      .text("setup", &Row::setup)
                                      .text("source", &Row::source, {.required = true});
  return table;
}

std::vector<Row> rows() {
  static const Table<File> table = Table<File>("power", "Measurements.").list("rows", &File::rows, row_table());
  Diagnostics diagnostics;
  File file = table.read(yaml::read_yaml_file(data_root() + "/models/calibration/power.yaml"), diagnostics);
  diagnostics.throw_if_any();
  return file.rows;
}

/// One second of a load at full clock, under a cap.
PowerPoint run(const Row& row, std::optional<Watts> cap) {
  const Device device = load_device(row.device);
  const PowerModel model = power_model(device, JoulesPerByte{}, JoulesPerByte{});
  const double busy = row.load.busy;
  Activity span;
  span.stretchable = Seconds{busy * row.load.stretchable};
  span.rigid = Seconds{busy * (1 - row.load.stretchable)};
  span.arithmetic = busy * (row.load.arithmetic * Seconds{1} * arithmetic_energy(device.units.front(), Precision::fp16));
  span.transfer = busy * (row.load.memory * Seconds{1} * model.memory);
  PowerPoint point = under_cap(model, span, cap);
  point.time += Seconds{1 - busy};
  point.energy += waiting_power(model) * Seconds{1 - busy};
  return point;
}

double flexibility(const Row& row) {
  const PowerPoint full = run(row, Watts{700});
  double sum = 0;
  int caps = 0;
  for (const double watts : {200.0, 300.0, 400.0, 500.0, 600.0}) {
    const PowerPoint point = run(row, Watts{watts});
    if (!point.capped)
      continue;
    sum += (1 - point.power() / full.power()) / (1 - full.time / point.time);
    ++caps;
  }
  return sum / caps;
}

double predicted(const Row& row) {
  if (row.quantity == Quantity::flexibility)
    return flexibility(row);
  const PowerPoint point = run(row, row.cap);
  if (row.quantity == Quantity::power)
    return point.power().si();
  const PowerPoint reference = run(row, row.reference_cap);
  return row.quantity == Quantity::time ? point.time / reference.time : point.energy / reference.energy;
}

double predicted(const std::string& id) {
  const std::vector<Row> all = rows();
  const auto found = std::find_if(all.begin(), all.end(), [&](const Row& row) { return row.id == id; });
  REQUIRE(found != all.end());
  return predicted(*found);
}

} // namespace

TEST_CASE("power model against published measurements", "[power][calibration]") {
  for (const Row& row : rows()) {
    const double value = predicted(row);
    INFO(fmt::format("{}: published {} to {}, predicted {:.3f}, tolerance {}", row.id, row.published.from, row.published.to, value,
                     row.tolerance));
    CHECK(std::abs(row.error(value)) <= row.tolerance);
  }
}

TEST_CASE("table of the power model's errors", "[.][power-report]") {
  for (const Row& row : rows()) {
    const double value = predicted(row);
    fmt::print("{:<28} {:>8.3f} {:>8.3f} {:>9.3f} {:>7.1f}%\n", row.id, row.published.from, row.published.to, value,
               100 * row.error(value));
  }
}

TEST_CASE("a cap slows prefill far more than decode", "[power][calibration]") {
  CHECK(predicted("rtx3090-prefill-cap150") - 1 > 3 * (predicted("rtx3090-decode-cap150") - 1));
  CHECK(predicted("rtx3090-prefill-cap250") > predicted("rtx3090-decode-cap250"));
}

TEST_CASE("the less of a job scales with the clock, the more power it can give up per lost rate", "[power][calibration]") {
  CHECK(predicted("h200-dense-pretraining") < predicted("h200-moe-pretraining"));
  CHECK(predicted("h200-moe-pretraining") < predicted("h200-moe-finetuning"));
}

TEST_CASE("energy under caps falls, then rises again", "[power][calibration]") {
  CHECK(predicted("v100-cap175-energy") < 1);
  CHECK(predicted("v100-cap125-energy") < predicted("v100-cap175-energy"));
  CHECK(predicted("v100-cap100-energy") > predicted("v100-cap125-energy"));
}

} // namespace orrery::power_test
