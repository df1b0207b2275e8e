#include "scenarios/data_files.hpp"
#include "scenarios/run.hpp"
#include "scenarios/search/plan_space_tables.hpp"
#include "tests/support/scenarios.hpp"

#include <catch2/catch.hpp>

#include <set>

namespace orrery::plan_space_test {

namespace {

const Scenario& scenario() {
  static const Scenario read = quickstart();
  return read;
}

const TrainingJob& job() { return *scenario().jobs.front().job; }

SearchOptions read(const std::string& text, std::string& mistakes) {
  Diagnostics diagnostics;
  const yaml::Node node = yaml::parse_yaml(text, "search.yaml", diagnostics);
  SearchOptions options;
  search_codec().read(node, Site{diagnostics, "search"}, options);
  mistakes = diagnostics.render();
  return options;
}

std::vector<int> key_of(const Plan& plan) {
  std::vector<int> key;
  for (const SearchDimension& dimension : search_dimensions())
    key.push_back(dimension.get(plan));
  return key;
}

} // namespace

TEST_CASE("every plan of the space is visited once, fills the machine and keeps to its bounds", "[plan]") {
  SearchBounds bounds;
  bounds.values["micro_batch"] = {1, 2};
  bounds.max["tp"] = 8;
  bounds.max["cp"] = 1;
  bounds.min["pp"] = 2;
  const PlanSpace space(job(), scenario().software, 64, bounds);
  std::set<std::vector<int>> seen;
  int astray = 0;
  space.walk([&](const Plan& plan) {
    const bool fills = plan.tp * plan.cp * plan.pp * plan.dp == 64;
    const bool bounded = plan.tp <= 8 && plan.pp >= 2 && plan.micro_batch <= 2;
    // A switch without meaning keeps its default.
    const bool meant = (plan.tp > 1 || !plan.sequence_parallel) && (plan.dp * plan.cp > 1 || plan.zero == 0);
    astray += fills && bounded && meant ? 0 : 1;
    seen.insert(key_of(plan));
    return true;
  });
  CHECK(astray == 0);
  CHECK(seen.size() > 1000);
  CHECK(static_cast<double>(seen.size()) == space.size());
}

TEST_CASE("a bound on replicas selects degrees rather than breaking the product", "[plan]") {
  SearchBounds bounds;
  bounds.values["dp"] = {8};
  bounds.values["zero"] = {0};
  std::set<int> pipelines;
  int others = 0;
  PlanSpace(job(), scenario().software, 64, bounds).walk([&](const Plan& plan) {
    others += plan.dp == 8 ? 0 : 1;
    pipelines.insert(plan.pp);
    return true;
  });
  CHECK(others == 0);
  CHECK(pipelines == std::set<int>{1, 2, 4, 8});
}

TEST_CASE("a walk stops when its visitor says so", "[plan]") {
  int visited = 0;
  PlanSpace(job(), scenario().software, 64, {}).walk([&](const Plan&) { return ++visited < 10; });
  CHECK(visited == 10);
}

TEST_CASE("every dimension sets what it gets, and its values have words", "[plan]") {
  const PlanSpace space(job(), scenario().software, 64, {});
  Plan plan;
  plan.tp = plan.pp = plan.dp = 4;
  plan.zero = 1;
  plan.schedule = ScheduleKind::interleaved;
  for (const SearchDimension& dimension : search_dimensions()) {
    CAPTURE(dimension.key);
    for (const int value : space.values(dimension, plan)) {
      Plan other = plan;
      dimension.set(other, value);
      CHECK(dimension.get(other) == value);
      CHECK_FALSE(value_text(dimension, value).empty());
    }
  }
}

TEST_CASE("search bounds are read, written and read back", "[plan]") {
  std::string mistakes;
  const SearchOptions options = read("tp: [8, 2, 4]\nrecompute: [full, none]\nsequence_parallel: [true]\nmax: { pp: 16 }\nobjective: mix\n"
                                     "weights: { time: 2, energy: 1, cost: 0 }\nfinalists: 3\nmemory_margin: 0.1\n",
                                     mistakes);
  REQUIRE(mistakes.empty());
  CHECK(options.bounds.values.at("tp") == std::vector<int>{2, 4, 8});
  CHECK(options.bounds.values.at("recompute") == std::vector<int>{static_cast<int>(Recompute::none), static_cast<int>(Recompute::full)});
  CHECK(options.bounds.max.at("pp") == 16);
  CHECK(options.objective == Objective::mix);
  CHECK(options.weights.time == 2);
  CHECK(options.finalists == 3);
  const SearchOptions again = read(yaml::to_yaml(search_codec().write(options)), mistakes);
  CHECK(mistakes.empty());
  CHECK(again.bounds.values == options.bounds.values);
  CHECK(again.bounds.max == options.bounds.max);
  CHECK(again.memory_margin == options.memory_margin);
}

TEST_CASE("mistakes in search bounds are said with their place", "[plan]") {
  std::string mistakes;
  read("tp: 8\n", mistakes);
  CHECK(mistakes == "search.yaml:1:5: search.tp: '8'; allowed: a list of values; write '[8]'\n");
  read("recompute: [fulll]\n", mistakes);
  CHECK(mistakes.find("search.recompute.0") != std::string::npos);
  CHECK(mistakes.find("did you mean 'full'?") != std::string::npos);
  read("micro_batches: [1]\n", mistakes);
  CHECK(mistakes.find("did you mean 'micro_batch'?") != std::string::npos);
  read("max: { schedule: 2 }\n", mistakes);
  CHECK(mistakes.find("search.max") != std::string::npos);
  read("pp: []\nzero: [9]\n", mistakes);
  CHECK(mistakes.find("an empty list") != std::string::npos);
  CHECK(mistakes.find("search.zero.0") != std::string::npos);
}

TEST_CASE("switches that the software does not have are not tried, unless they are asked for", "[plan]") {
  SoftwareProfile plain = scenario().software;
  plain.abilities = {};
  const auto uses = [&](const SearchBounds& bounds, auto what) {
    bool found = false;
    PlanSpace(job(), plain, 16, bounds).walk([&](const Plan& plan) { return !(found = found || what(plan)); });
    return found;
  };
  CHECK_FALSE(uses({}, [](const Plan& plan) { return plan.schedule == ScheduleKind::interleaved || plan.overlap_p2p; }));
  SearchBounds asked;
  asked.values["overlap_p2p"] = {1};
  CHECK(uses(asked, [](const Plan& plan) { return plan.overlap_p2p; }));
}

} // namespace orrery::plan_space_test
