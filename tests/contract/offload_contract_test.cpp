// What holds for every training step that keeps something outside its devices.
#include "tests/support/scenarios.hpp"
#include "workloads/graph_tables.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace orrery::offload_contract_test {

namespace {

TrainingResult run(const Overrides& overrides, Fidelity fidelity = Fidelity::estimate) {
  const std::string file = data_file("scenarios/papers/ct11-zero-offload.yaml");
  return run_scenario(load_scenario(file, overrides), {.fidelity = fidelity}).jobs.front();
}

double seconds(const Overrides& overrides) {
  const TrainingResult job = run(overrides);
  CAPTURE(overrides, job.violations);
  REQUIRE(job.violations.empty());
  return job.step_time.si();
}

const std::string update = "jobs.0.plan.offload.update=";
const std::string overlap = "jobs.0.plan.offload.overlap=";

} // namespace

TEST_CASE("a split update is never slower than either side alone", "[contract][offload]") {
  const double split = seconds({update + "split"}) * (1 - 1e-9); // the share is found to that
  CHECK(split <= seconds({update + "host"}));
  CHECK(split <= seconds({update + "device"}));
  for (const char* share : {"0.1", "0.5", "0.9"})
    CHECK(split <= seconds({update + "split", std::string("jobs.0.plan.offload.device_share=") + share}));
}

TEST_CASE("an update in the shadow of more passes is never slower", "[contract][offload]") {
  const double exposed = seconds({});
  const double beside_backward = seconds({overlap + "backward"});
  CHECK(beside_backward < exposed);
  CHECK(seconds({overlap + "next_step"}) <= beside_backward);
}

TEST_CASE("a faster tier never slows the step", "[contract][offload]") {
  const Overrides drives{"jobs.0.plan.offload.optimizer=nvme", "jobs.0.plan.offload.parameters=nvme",
                         "jobs.0.plan.offload.activations=host"};
  const double base = seconds(drives);
  for (const char* better : {"cluster.node.host.device_link=200 GB/s", "cluster.node.host.memory.bandwidth=2 TB/s",
                             "cluster.node.host.storage.bandwidth=400 GB/s", "cluster.node.host.storage.write_bandwidth=400 GB/s"}) {
    CAPTURE(better);
    Overrides overrides = drives;
    overrides.push_back(better);
    CHECK(seconds(overrides) <= base);
  }
}

TEST_CASE("what is offloaded leaves the device", "[contract][offload]") {
  const TrainingResult kept = run({"jobs.0.plan.offload.optimizer=none"});
  const TrainingResult moved = run({});
  CHECK(moved.memory.optimizer.si() == 0);
  CHECK(moved.memory.host > Bytes{});
  CHECK(moved.memory.total() < kept.memory.total());
  CHECK(kept.memory.host.si() == 0);
}

TEST_CASE("estimate and simulate agree, and shares add up, with tiers", "[contract][offload]") {
  const Overrides overrides{"jobs.0.plan.offload.activations=host", "jobs.0.plan.offload.parameters=nvme"};
  for (const Fidelity fidelity : {Fidelity::estimate, Fidelity::simulate}) {
    const TrainingResult job = run(overrides, fidelity);
    REQUIRE(job.violations.empty());
    CHECK(job.step_time.si() == Approx(run(overrides).step_time.si()).epsilon(1e-9));
  }
}

TEST_CASE("a plan without the tier it asks for is infeasible", "[contract][offload]") {
  const TrainingResult none = run({"cluster.node=gcp-a3-high", "jobs.0.plan.offload.optimizer=nvme"});
  REQUIRE(none.violations.size() == 1);
  CHECK_THAT(none.violations.front(), Catch::Contains("drives of node") && Catch::Contains("needed > 0.0 GB"));
  const TrainingResult small = run({"cluster.node.host.memory.capacity=64 GB"});
  REQUIRE(small.violations.size() == 1);
  CHECK_THAT(small.violations.front(), Catch::Contains("host memory of node dgx-h100: 8 devices x"));
}

TEST_CASE("offload keys that say nothing together are refused", "[contract][offload]") {
  const std::string file = data_file("scenarios/papers/ct11-zero-offload.yaml");
  for (const Overrides& overrides : {Overrides{"jobs.0.plan.offload.optimizer=none", update + "split"},
                                     Overrides{"jobs.0.plan.offload.optimizer=none", overlap + "backward"},
                                     Overrides{"jobs.0.plan.offload.device_share=0.5"}, Overrides{"jobs.0.plan.offload.optimizer=tape"}})
    CHECK_THROWS_AS(load_scenario(file, overrides), UserError);
}

TEST_CASE("a graph with transfers reads back to itself", "[contract][offload]") {
  const Scenario scenario = load_scenario(data_file("scenarios/papers/ct12-fuyou-13b.yaml"), {});
  const OpGraph graph = stages_of(scenario, scenario.jobs.front()).graph;
  Diagnostics diagnostics;
  const yaml::Node written = write_graph(graph);
  CHECK(write_graph(read_graph(written, diagnostics, "")) == written);
  CHECK(diagnostics.size() == 0);
}

} // namespace orrery::offload_contract_test
