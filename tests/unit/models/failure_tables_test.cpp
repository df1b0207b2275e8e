// What `reliability:` of a scenario and the profiles of the catalogue may say.
#include "models/failure_tables.hpp"
#include "tests/support/yaml_text.hpp"

#include <catch2/catch.hpp>

namespace orrery::failure_tables_test {

namespace {

ReliabilityProfile profile(const std::string& name) { return from_catalogue(name, reliability_profile_table(), reliability_catalogue()); }

ReliabilityOptions options(const std::string& text, Diagnostics& diagnostics) {
  return reliability_table().read(yaml::parse_yaml(text, "test.yaml", diagnostics), diagnostics);
}

} // namespace

TEST_CASE("every profile of the catalogue reads, says where it is from, and is written back", "[reliability][tables]") {
  const std::vector<std::string> names = reliability_catalogue().names();
  CHECK(names == std::vector<std::string>{"llama3-2024", "none", "rsc-1", "rsc-2"});
  for (const std::string& name : names) {
    const ReliabilityProfile value = profile(name);
    CHECK(value.name == name);
    CHECK(value.sources.empty() == value.classes.empty());
    const yaml::Node written = reliability_profile_table().write(value);
    Diagnostics diagnostics;
    CHECK(reliability_profile_table().write(reliability_profile_table().read(written, diagnostics)) == written);
    CHECK(diagnostics.empty());
  }
}

TEST_CASE("Llama 3: 419 interruptions of 18 causes, one in 3.09 hours", "[reliability][tables]") {
  const ReliabilityProfile llama = profile("llama3-2024");
  CHECK(llama.classes.size() == 18);
  double count = 0;
  for (const FailureClass& failure : llama.classes)
    count += *failure.count;
  CHECK(count == 419);
  const Hertz rate = failure_rate(llama, {16384, 2048});
  CHECK(1 / rate.si() / 3600 == Approx(3.093).margin(5e-4));
  CHECK(rate.si() * 86400 / 2.048 == Approx(3.79).margin(5e-3)); // per 1,000 node-days
}

TEST_CASE("RSC-1: 28.8 hours for 1,024 GPUs by its node rate", "[reliability][tables]") {
  CHECK(1 / failure_rate(profile("rsc-1"), {1024, 128}).si() / 3600 == Approx(28.8).margin(0.05));
}

TEST_CASE("a reliability section reads", "[reliability][tables]") {
  Diagnostics diagnostics;
  const ReliabilityOptions read = options("failures: llama3-2024\n"
                                          "checkpoint: { policy: synchronous, interval: 30 min, storage: 200 GB/s }\n"
                                          "restart: 10 min\ndetection: 2 min\n",
                                          diagnostics);
  INFO(diagnostics.render());
  REQUIRE(diagnostics.empty());
  CHECK(read.checkpoint.interval.fixed->si() == 1800);
  CHECK(read.checkpoint.storage->si() == 200e9);
  CHECK(read.restart.si() == 600);
  CHECK(read.detection.si() == 120);
  CHECK(read.run_length.si() == 60 * 86400.0);

  const ReliabilityOptions inline_profile =
      options("failures: { classes: [{ name: gpu, mtbf: 50000 h, detection: 1 h }] }\n"
              "checkpoint: { policy: asynchronous, interval: optimal, write_time: 40 s, read_time: 1 min }\n"
              "restart: 10 min\ndetection: 0 s\nrun_length: 7 d\n",
              diagnostics);
  INFO(diagnostics.render());
  REQUIRE(diagnostics.empty());
  CHECK(inline_profile.checkpoint.kind == CheckpointKind::asynchronous);
  CHECK(inline_profile.checkpoint.interval.rule == "optimal");
  CHECK_FALSE(inline_profile.checkpoint.interval.fixed);
  CHECK(inline_profile.failures.classes.front().detection->si() == 3600);
}

TEST_CASE("mistakes in a reliability section are named", "[reliability][tables]") {
  const std::string head = "failures: none\nrestart: 1 min\ndetection: 1 min\n";
  CHECK(mistakes(reliability_table(), head + "checkpoint: { interval: 30, storage: 1 GB/s }\n").find("write '30 min'") !=
        std::string::npos);
  CHECK(
      mistakes(reliability_table(), head + "checkpoint: { interval: young_dali, storage: 1 GB/s }\n").find("did you mean 'young_daly'?") !=
      std::string::npos);
  CHECK(mistakes(reliability_table(), head + "checkpoint: { interval: [1], storage: 1 GB/s }\n").find("checkpoint.interval: a list") !=
        std::string::npos);
  CHECK(mistakes(reliability_table(), head + "checkpoint: {}\n").find("no storage and no write_time") != std::string::npos);
  CHECK(mistakes(reliability_table(), "failures: llama-2024\nrestart: 1 min\ndetection: 1 min\ncheckpoint: { storage: 1 GB/s }\n")
            .find("llama3-2024") != std::string::npos);
  CHECK(mistakes(reliability_table(),
                 "failures: { classes: [{ name: gpu }] }\nrestart: 1 min\ndetection: 1 min\ncheckpoint: { storage: 1 GB/s }\n")
            .find("neither mtbf nor count") != std::string::npos);
  CHECK(mistakes(reliability_table(),
                 "failures: { classes: [{ name: gpu, count: 3 }] }\nrestart: 1 min\ndetection: 1 min\ncheckpoint: { storage: 1 GB/s }\n")
            .find("a count without 'observed'") != std::string::npos);
}

} // namespace orrery::failure_tables_test
