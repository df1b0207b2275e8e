// Shipped scenarios and the figures they gave when a person last looked. A change of a prediction shows here, in percent.
// ORRERY_APPROVE=1 writes the new figures; the commit that does says why they moved.
#include "scenarios/data_files.hpp"
#include "scenarios/run.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

namespace orrery::scenario_golden_test {

namespace {

using Figures = std::map<std::string, double>;

Figures figures_of(const TrainingResult& job) {
  Figures figures{{"step_time_s", job.step_time.si()},
                  {"mfu_causal", job.flop_rates[1].utilisation},
                  {"memory_gb", job.memory.total().si() / 1e9},
                  {"device_power_w", job.power.device_mean.si()},
                  {"energy_per_token_j", job.power.energy_per_token.si()}};
  for (const TimeShare& share : job.time)
    if (share.time > 0.01 * job.step_time)
      figures["time " + share.name] = share.time.si();
  if (job.goodput)
    figures["goodput"] = job.goodput->goodput;
  return figures;
}

Figures figures_of(const ServingResult& job) {
  return {{"ttft_mean_s", job.latencies.ttft.mean.si()},
          {"ttft_p99_s", job.latencies.ttft.p99.si()},
          {"tpot_mean_s", job.latencies.tpot.mean.si()},
          {"itl_p99_s", job.itl.p99.si()},
          {"output_tokens_per_second", job.output_tokens_per_second},
          {"attainment", job.attainment},
          {"mfu", job.mfu},
          {"mbu", job.mbu},
          {"device_power_w", job.device_power.si()},
          {"cost_per_million_output_tokens_usd", job.cost_per_million_output_tokens.si()}};
}

Figures read_figures(const std::string& file) {
  Figures figures;
  std::ifstream in(file);
  std::string line;
  while (std::getline(in, line)) {
    const std::size_t at = line.rfind(' ');
    figures[line.substr(0, at)] = std::stod(line.substr(at));
  }
  return figures;
}

/// Compares with the figures kept, or keeps these.
void check_figures(const std::string& name, const Figures& now) {
  const std::string file = data_file(fmt::format("tests/golden/cases/{}.txt", name));
  const Figures kept = read_figures(file);
  if (std::getenv("ORRERY_APPROVE") != nullptr) {
    std::ofstream out(file);
    for (const auto& [figure, value] : now) {
      out << fmt::format("{} {:.6g}\n", figure, value);
      if (kept.contains(figure))
        fmt::print("{} {}: {:+.3f}%\n", name, figure, 100 * (value / kept.at(figure) - 1));
    }
    return;
  }
  REQUIRE(kept.size() == now.size());
  for (const auto& [figure, value] : kept) {
    CAPTURE(figure);
    CHECK(now.at(figure) == Approx(value).epsilon(1e-4));
  }
}

} // namespace

TEST_CASE("shipped scenarios give the figures they gave", "[golden]") {
  for (const char* name : {"quickstart", "gpt3-a100-selene", "llama3-70b-b200"}) {
    CAPTURE(name);
    const TrainingResult job = run_scenario(load_scenario(data_file(fmt::format("scenarios/{}.yaml", name)))).jobs.front();
    REQUIRE(job.violations.empty());
    check_figures(name, figures_of(job));
  }
}

TEST_CASE("shipped scenarios that serve give the figures they gave", "[golden][serving]") {
  const ServingResult job = run_scenario(load_scenario(data_file("scenarios/serving-chat.yaml"))).serving.front();
  REQUIRE(job.violations.empty());
  check_figures("serving-chat", figures_of(job));
}

} // namespace orrery::scenario_golden_test
