// What a study that cannot be run says.
#include "tests/support/refusal.hpp"
#include "tests/unit/scenarios/study_files.hpp"

#include <catch2/catch.hpp>

namespace orrery::study_diagnostics_test {

namespace {

std::string study_refusal(const std::string& text) {
  const TemporaryFolder folder;
  return refusal_of([&] { load_study(folder.write("study.yaml", text)); });
}

} // namespace

TEST_CASE("axes that make no points are refused where they stand", "[diagnostics][sweep]") {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"  - grid: { jobs.0.plan.tpp: [1] }\n", "study.yaml:4:13: jobs.0.plan.tpp: an unknown key of 'plan'"},
      {"  - grid: { jobs.0.plan.tpp: [1] }\n", "did you mean 'tp'"},
      {"  - grid: { jobs.3.plan.tp: [1] }\n", "jobs.3: no such item"},
      {"  - grid: { jobs.0.plan.tp: 4 }\n", "axes.0.grid.jobs.0.plan.tp: '4'; allowed: a list of values; write '[4]'"},
      {"  - grid: { jobs.0.plan.tp: [] }\n", "an empty list"},
      {"  - grid: {}\n", "an empty map"},
      {"  - gird: { jobs.0.plan.tp: [1] }\n", "did you mean 'grid'"},
      {"  - { grid: { jobs.0.plan.tp: [1] }, zip: { jobs.0.plan.pp: [1] } }\n", "not one kind of axes; allowed: one of grid, zip, list"},
      {"  - zip: { jobs.0.plan.tp: [1, 2, 4], jobs.0.plan.pp: [1, 2] }\n",
       "axes.0.zip: 2 values of jobs.0.plan.pp, 3 of jobs.0.plan.tp; allowed: as many values of every path"},
      {"  - grid: { jobs.0.plan.tp: [1] }\n  - grid: { jobs.0.plan.tp: [2] }\n", "study.yaml:5:13: jobs.0.plan.tp: is set by two axes"},
      {"  - grid: { jobs.0.plan.tp: [1] }\n  - grid: { jobs.0.plan: [{ tp: 2 }] }\n",
       "replaces what the axis jobs.0.plan.tp before it sets"},
      {"  - random: { draw: { jobs.0.plan.tp: { choice: [1] } } }\n", "axes.0.random.count: missing"},
      {"  - random: { count: 2, draw: { jobs.0.plan.tp: { uniform: [4, 1] } } }\n", "the low end is above the high end"},
      {"  - random: { count: 2, draw: { jobs.0.plan.tp: { uniform: [1] } } }\n", "1 values; allowed: the low and the high end"},
      {"  - random: { count: 2, draw: { power: { choice: [1] }, jobs.0.training.tokens: { log: [0, 1e9] } } }\n", "a low end above 0"},
      {"  - random: { count: 2, draw: { power.feed: { uniform: [1, 2] } } }\n", "MW"},
      {"  - random: { count: 2, draw: { software: { uniform: [a, b] } } }\n", "an interval of what is no number; use 'choice'"},
      {"  - random: { count: 2, draw: { jobs.0.plan.tp: { choice: [1], log: [1, 2] } } }\n", "one of choice, uniform, log"},
      {"  - random: { count: 1000000, draw: { jobs.0.plan.tp: { choice: [1] } } }\n  - grid: { jobs.0.plan.pp: [1, 2] }\n",
       "2e+06 points; allowed: at most 1000000"},
      {"  []\n", "an empty list; allowed: at least one group"},
  };
  for (const auto& [axes, words] : cases) {
    CAPTURE(axes);
    CHECK_THAT(study_refusal(study_text(axes)), Catch::Contains(words));
  }
}

TEST_CASE("the scenario of a study is read before any point runs", "[diagnostics][sweep]") {
  const std::string axes = "axes: [{ grid: { jobs.0.plan.tp: [1] } }]\n";
  CHECK_THAT(study_refusal("name: x\nscenario: quikstart\n" + axes), Catch::Contains("did you mean 'quickstart'"));
  CHECK_THAT(study_refusal("name: x\nscenario: missing.yaml\n" + axes), Catch::Contains("missing.yaml"));
  CHECK_THAT(study_refusal("name: x\nscenario: { base: quickstart, softwar: y }\n" + axes), Catch::Contains("did you mean 'software'"));
  CHECK_THAT(study_refusal("name: x\n" + axes), Catch::Contains("scenario: missing"));
  CHECK_THAT(study_refusal("name: x\nscenario: quickstart\nmethod: guess\n" + axes), Catch::Contains("allowed: estimate, simulate"));
}

TEST_CASE("all mistakes of a study are reported at once", "[diagnostics][sweep]") {
  const std::string text = study_refusal(study_text("  - grid: { jobs.0.plan.tpp: [1], cluster.pu: [2] }\n"));
  CHECK_THAT(text, Catch::Contains("did you mean 'tp'"));
  CHECK_THAT(text, Catch::Contains("did you mean 'pue'"));
}

} // namespace orrery::study_diagnostics_test
