// How axes become points.
#include "scenarios/scenario_tables.hpp"
#include "sim/base/catalogue.hpp"
#include "sim/base/quantity_text.hpp"
#include "tests/unit/scenarios/study_files.hpp"

#include <catch2/catch.hpp>
#include <rapidcheck.h>

#include <cmath>
#include <set>

namespace orrery::study_test {

namespace {

/// The values of a point, "tp=4 pp=2".
std::string point_text(const Study& study, std::uint64_t point) {
  const std::vector<std::string> paths = study.paths();
  const std::vector<const yaml::Node*> values = point_values(study, point);
  std::string text;
  for (std::size_t i = 0; i < paths.size(); ++i)
    text += (text.empty() ? "" : " ") + paths[i].substr(paths[i].rfind('.') + 1) + "=" + value_text(*values[i]);
  return text;
}

std::vector<double> drawn_numbers(const std::string& path, const std::string& distribution, const std::string& more = {}) {
  const Study study = study_of("  - random: { count: 400, seed: 3, draw: { " + more + path + ": " + distribution + " } }\n");
  std::vector<double> values;
  for (const auto& row : study.groups.front().rows) {
    QuantityError error;
    values.push_back(parse_number(row.back().text, error));
    REQUIRE(error.message.empty());
  }
  return values;
}

std::string written(const Scenario& scenario) { return yaml::to_yaml(scenario_table().write(scenario)); }

} // namespace

TEST_CASE("a study has every combination of its axes once", "[sweep]") {
  REQUIRE(rc::check([] {
    const std::vector<std::string> paths{"jobs.0.plan.tp", "jobs.0.plan.pp", "jobs.0.plan.dp", "cluster.nodes"};
    std::vector<int> sizes;
    std::string axes;
    std::size_t product = 1;
    for (const std::string& path : paths) {
      sizes.push_back(*rc::gen::inRange(1, 5));
      product *= static_cast<std::size_t>(sizes.back());
      axes += "  - " + std::string(*rc::gen::arbitrary<bool>() ? "grid" : "zip") + ": { " + path + ": [";
      for (int i = 0; i < sizes.back(); ++i)
        axes += (i == 0 ? "" : ", ") + std::to_string(i + 1);
      axes += "] }\n";
    }
    const Study study = study_of(axes);
    RC_ASSERT(study.points() == product);
    std::set<std::string> seen;
    for (std::uint64_t i = 0; i < product; ++i)
      seen.insert(point_text(study, i));
    RC_ASSERT(seen.size() == product);
  }));
}

TEST_CASE("grids multiply, zips move together, lists stand as they are; the last axis varies fastest", "[sweep]") {
  const Study study = study_of("  - zip: { jobs.0.plan.tp: [1, 2], jobs.0.plan.dp: [8, 4] }\n"
                               "  - grid: { jobs.0.plan.pp: [1, 2], jobs.0.plan.zero: [0, 1] }\n"
                               "  - list: [{ jobs.0.plan.recompute: full }, { jobs.0.plan.overlap_p2p: false }]\n");
  REQUIRE(study.points() == 2 * 4 * 2);
  CHECK(point_text(study, 0) == "tp=1 dp=8 pp=1 zero=0 recompute=full overlap_p2p=");
  CHECK(point_text(study, 1) == "tp=1 dp=8 pp=1 zero=0 recompute= overlap_p2p=false");
  CHECK(point_text(study, 2) == "tp=1 dp=8 pp=1 zero=1 recompute=full overlap_p2p=");
  CHECK(point_text(study, 4) == "tp=1 dp=8 pp=2 zero=0 recompute=full overlap_p2p=");
  CHECK(point_text(study, 15) == "tp=2 dp=4 pp=2 zero=1 recompute= overlap_p2p=false");
}

TEST_CASE("a point is the scenario that --set would give", "[sweep]") {
  const TemporaryFolder folder;
  const Study study = load_study(folder.write("study.yaml", study_text("  - grid:\n"
                                                                       "      cluster.node: [~, dgx-a100]\n"
                                                                       "      cluster.node.scale_up.latency: [1 us, 2 us]\n"
                                                                       "      power: [{ feed: 1 MW }, ~]\n"
                                                                       "      jobs.0.plan.tp: [8, 4]\n")));
  const std::string base = data_root() + "/scenarios/quickstart.yaml";
  CHECK(written(point_scenario(study, 0)) ==
        written(load_scenario(base, {"cluster.node.scale_up.latency=1 us", "power={ feed: 1 MW }", "jobs.0.plan.tp=8"})));
  CHECK(written(point_scenario(study, 15)) ==
        written(load_scenario(base, {"cluster.node=dgx-a100", "cluster.node.scale_up.latency=2 us", "jobs.0.plan.tp=4"})));
}

TEST_CASE("an axis replaces a whole, not only the parts that it names", "[sweep]") {
  const Study study = study_of("  - grid: { power: [{ feed: 1 MW }] }\n", "");
  const TemporaryFolder folder;
  const Study capped =
      load_study(folder.write("study.yaml", "name: x\nscenario: { base: quickstart, power: { device_cap: 500 W } }\naxes:\n"
                                            "  - grid: { power: [{ feed: 1 MW }] }\n"));
  REQUIRE(capped.scenario.power.device_cap.has_value());
  CHECK_FALSE(point_scenario(capped, 0).power.device_cap.has_value());
  CHECK(point_scenario(study, 0).power.feed.has_value());
}

TEST_CASE("draws keep to their interval and to what the parameter takes", "[sweep]") {
  const std::vector<double> uniform = drawn_numbers("cluster.fabric.oversubscription", "{ uniform: [1, 4] }");
  const std::vector<double> log = drawn_numbers("cluster.fabric.oversubscription", "{ log: [1, 100] }");
  const std::vector<double> counts = drawn_numbers("jobs.0.plan.micro_batch", "{ uniform: [1, 3] }");
  const std::vector<double> log_counts = drawn_numbers("jobs.0.plan.micro_batch", "{ log: [1, 8] }");
  double mean = 0;
  double mean_log = 0;
  for (std::size_t i = 0; i < uniform.size(); ++i) {
    CHECK((uniform[i] >= 1 && uniform[i] <= 4));
    CHECK((log[i] >= 1 && log[i] <= 100));
    CHECK((log_counts[i] >= 1 && log_counts[i] <= 8 && log_counts[i] == std::floor(log_counts[i])));
    mean += uniform[i] / static_cast<double>(uniform.size());
    mean_log += std::log10(log[i]) / static_cast<double>(log.size());
  }
  CHECK(mean == Approx(2.5).margin(0.2));      // deviation of the mean 0.043
  CHECK(mean_log == Approx(1.0).margin(0.15)); // 0.029
  CHECK(std::set<double>(counts.begin(), counts.end()) == std::set<double>{1, 2, 3});
}

TEST_CASE("draws of quantities carry units; a choice gives its values", "[sweep]") {
  const Study study = study_of("  - random:\n      count: 50\n      draw:\n"
                               "        reliability.checkpoint.storage: { log: [10 GB/s, 1 TB/s] }\n"
                               "        software: { choice: [megatron-core-2024, megatron-lm-2022] }\n");
  std::set<std::string> names;
  for (const auto& row : study.groups.front().rows) {
    QuantityError error;
    const double storage = parse_quantity(row[0].text, dimension_of<BytesPerSecond>(), "", error);
    CHECK(error.message.empty());
    CHECK((storage >= 10e9 && storage <= 1e12));
    names.insert(row[1].text);
  }
  CHECK(names == std::set<std::string>{"megatron-core-2024", "megatron-lm-2022"});
}

TEST_CASE("what one parameter draws does not depend on the others", "[sweep]") {
  const std::string path = "cluster.fabric.oversubscription";
  CHECK(drawn_numbers(path, "{ uniform: [1, 4] }") ==
        drawn_numbers(path, "{ uniform: [1, 4] }", "jobs.0.plan.micro_batch: { uniform: [1, 3] }, "));
}

TEST_CASE("the fingerprint of a study changes with its points and with nothing else", "[sweep]") {
  const std::string axes = "  - grid: { jobs.0.plan.tp: [1, 2] }\n";
  const std::uint64_t key = study_fingerprint(study_of(axes));
  CHECK(study_fingerprint(study_of("  # a comment\n  - grid:\n      jobs.0.plan.tp: [ 1,  2 ]\n", "metrics: [step_time_s]\n")) == key);
  CHECK(study_fingerprint(study_of("  - grid: { jobs.0.plan.tp: [2, 1] }\n")) != key);
  CHECK(study_fingerprint(study_of("  - grid: { jobs.0.plan.pp: [1, 2] }\n")) != key);
  CHECK(study_fingerprint(study_of(axes, "method: simulate\n")) != key);
  CHECK(study_fingerprint(study_of("  - grid: { jobs.0.plan.tp: [1], jobs.0.plan.pp: [2] }\n")) !=
        study_fingerprint(study_of("  - grid: { jobs.0.plan.tp: [1] }\n  - grid: { jobs.0.plan.pp: [3] }\n")));
}

TEST_CASE("a file that an axis names counts with what is in it", "[sweep]") {
  const TemporaryFolder folder;
  folder.write("node.yaml", "base: dgx-h100\ndevices: 8\n");
  const std::string file = folder.write("study.yaml", study_text("  - grid: { cluster.node: [dgx-h100, node.yaml] }\n"));
  const std::uint64_t before = study_fingerprint(load_study(file));
  CHECK(point_scenario(load_study(file), 1).cluster.node.devices == 8); // found beside the study
  folder.write("node.yaml", "base: dgx-h100\ndevices: 4\n");
  CHECK(study_fingerprint(load_study(file)) != before);
}

} // namespace orrery::study_test
