// What holds for every training step whatever its figures.
#include "hardware/topology.hpp"
#include "scenarios/data_files.hpp"
#include "scenarios/run.hpp"
#include "sim/engine/pipeline.hpp"
#include "sim/engine/step_traffic.hpp"
#include "sim/engine/step_transfers.hpp"
#include "tests/support/scenarios.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <string>

namespace orrery::training_contract_test {

namespace {

const Overrides one_device{"jobs.0.plan.tp=1",
                           "jobs.0.plan.pp=1",
                           "jobs.0.plan.dp=1",
                           "jobs.0.plan.schedule=1f1b",
                           "jobs.0.plan.virtual_stages=1",
                           "jobs.0.plan.sequence_parallel=false",
                           "jobs.0.training.model=gpt-1.7b",
                           "jobs.0.training.global_batch=8",
                           "cluster.nodes=1",
                           "cluster.node.devices=1",
                           "cluster.node.nics.count=1",
                           "cluster.fabric.kind=single_node"};

} // namespace

TEST_CASE("shares of the step add up to it", "[contract][training]") {
  for (const Fidelity fidelity : {Fidelity::estimate, Fidelity::simulate}) {
    const TrainingResult job = run_scenario(quickstart(), {.fidelity = fidelity}).jobs.front();
    Seconds sum;
    for (const TimeShare& share : job.time) {
      CHECK(share.time.si() >= 0);
      sum += share.time;
    }
    CHECK(sum.si() == Approx(job.step_time.si()).epsilon(1e-9));
  }
}

TEST_CASE("exchanges inside a pass are reported by what they exchange, as far as nothing hides them", "[contract][training]") {
  const auto shares_of = [](const Overrides& overrides) {
    const TrainingResult job = estimated(quickstart(overrides));
    CAPTURE(job.violations);
    REQUIRE(job.violations.empty());
    std::map<std::string, double> shares;
    double sum = 0;
    for (const TimeShare& share : job.time) {
      CHECK(shares.emplace(share.name, share.time.si()).second);
      sum += share.time.si();
    }
    CHECK(sum == Approx(job.step_time.si()).epsilon(1e-9));
    return shares;
  };
  const Overrides whole{"jobs.0.plan.pp=1", "jobs.0.plan.virtual_stages=1", "jobs.0.plan.schedule=1f1b", "jobs.0.plan.dp=128",
                        "jobs.0.plan.tp=8", "jobs.0.plan.zero=3",           "jobs.0.plan.recompute=full"};
  const auto sharded = shares_of(whole);
  CHECK(sharded.contains("tensor parallel"));
  CHECK(sharded.at("parameter gather") > 0);
  CHECK(sharded.at("gradient reduction") > 0);
  Overrides experts = whole;
  for (const char* change :
       {"jobs.0.training.model=mixtral-8x7b", "jobs.0.plan.ep=8", "jobs.0.plan.etp=1", "jobs.0.plan.cp=2", "jobs.0.plan.dp=64"})
    experts.push_back(change);
  const auto mixed = shares_of(experts);
  CHECK(mixed.at("expert parallel") > 0);
  CHECK_FALSE(mixed.contains("expert tensor parallel"));
  CHECK(mixed.contains("context parallel"));
}

TEST_CASE("a faster part never slows the step", "[contract][training]") {
  const double base = estimated(quickstart()).step_time.si();
  for (const char* better : {"cluster.node.device.units.tensor.peak.bf16=1978 TFLOP/s", "cluster.node.device.memory.hbm.bandwidth=6.7 TB/s",
                             "cluster.node.scale_up.bandwidth=900 GB/s", "cluster.node.nics.bandwidth=100 GB/s"}) {
    CAPTURE(better);
    CHECK(estimated(quickstart({better})).step_time.si() <= base);
  }
}

TEST_CASE("one device has no communication and no bubble", "[contract][training]") {
  const TrainingResult job = estimated(quickstart(one_device));
  REQUIRE(job.violations.empty());
  for (const TimeShare& share : job.time) {
    CAPTURE(share.name);
    CHECK(share.kind != TimeKind::communication);
    CHECK(share.kind != TimeKind::bubble);
  }
}

TEST_CASE("power lies between idle and the cap, and energy is its integral", "[contract][training]") {
  const Scenario scenario = quickstart();
  const TrainingResult job = run_scenario(scenario).jobs.front();
  const Device& device = scenario.cluster.node.device;
  CHECK(job.power.device_mean >= *device.idle_power);
  CHECK(job.power.device_mean <= job.power.device_peak);
  CHECK(job.power.device_peak <= *device.power_cap);
  CHECK(job.power.energy_per_step.si() == Approx((job.power.facility_mean * job.step_time).si()).epsilon(1e-12));
}

TEST_CASE("a device cap slows compute alone, and saves energy", "[contract][training]") {
  const TrainingResult base = estimated(quickstart());
  const TrainingResult capped = estimated(quickstart({"power.device_cap=400 W"}));
  CHECK(capped.step_time > base.step_time);
  CHECK(capped.power.device_peak <= Watts{400.001});
  CHECK(capped.power.clock < 1);
  const auto share = [](const TrainingResult& job, const char* name) {
    for (const TimeShare& s : job.time)
      if (s.name == name)
        return s.time.si();
    return 0.0;
  };
  CHECK(share(capped, "tensor parallel") == Approx(share(base, "tensor parallel")).epsilon(1e-9));
  CHECK(share(capped, "matmul") > share(base, "matmul"));
}

TEST_CASE("a device with a lower cap than that of its kernels is slower", "[contract][training]") {
  const TrainingResult same = estimated(quickstart());
  const TrainingResult lower = estimated(quickstart({"cluster.node.device.kernel_cap=700 W", "cluster.node.device.power_cap=500 W"}));
  CHECK(lower.step_time > same.step_time);
  CHECK(lower.power.device_peak <= Watts{500.001});
  const TrainingResult own = estimated(quickstart({"cluster.node.device.power_cap=500 W"}));
  CHECK(own.step_time > same.step_time);
}

TEST_CASE("a lower cap is the same whoever states it", "[contract][training]") {
  const TrainingResult asked = estimated(quickstart({"power.device_cap=500 W"}));
  for (const char* assignment : {"cluster.node.device.power_cap=500 W", "cluster.node.device={ base: h100-sxm-80gb, power_cap: 500 W }"}) {
    CAPTURE(assignment);
    const TrainingResult described = estimated(quickstart({assignment}));
    CHECK(described.step_time.si() == Approx(asked.step_time.si()).epsilon(1e-12));
    CHECK(described.power.energy_per_step.si() == Approx(asked.power.energy_per_step.si()).epsilon(1e-12));
    CHECK(described.power.clock == Approx(asked.power.clock).epsilon(1e-12));
  }
}

TEST_CASE("a result rests on the assumed figures that something reads, the user's among them", "[contract][training]") {
  const Result result = run_scenario(quickstart({"cluster.node.device.memory.hbm.bandwidth=4 TB/s"}), {.fidelity = Fidelity::estimate});
  const auto rests_on = [&](const char* figure) {
    return std::ranges::any_of(result.assumptions, [&](const Assumption& a) { return a.figure == figure; });
  };
  CHECK_FALSE(rests_on("max_clock"));
  CHECK(rests_on("units.vector.energy"));
  CHECK(rests_on("price"));
  CHECK(rests_on("memory.hbm.bandwidth"));
}

TEST_CASE("a cap that memory alone exceeds is said", "[contract][training]") {
  const TrainingResult above = estimated(quickstart({"power.device_cap=150 W"}));
  CHECK(above.violations.empty());
  CHECK(above.power.above_cap);
  CHECK(above.power.device_peak > Watts{150});
  CHECK_FALSE(estimated(quickstart({"power.device_cap=500 W"})).power.above_cap);
}

TEST_CASE("devices that wait draw no more than their cap either", "[contract][training]") {
  const TrainingResult job = estimated(quickstart({"power.device_cap=120 W", "cluster.node.device.active_power=300 W"}));
  CHECK(job.power.device_mean <= job.power.device_peak);
  CHECK(job.power.clock < 1);
}

TEST_CASE("a degraded link slows what crosses it, in the estimate and in the simulation", "[contract][training]") {
  for (const Fidelity fidelity : {Fidelity::estimate, Fidelity::simulate}) {
    const auto step = [&](const Overrides& overrides) {
      return run_scenario(quickstart(overrides), {.fidelity = fidelity}).jobs.front().step_time;
    };
    const Seconds whole = step({});
    CHECK(step({"cluster.degraded=[{link: node3/nic1, factor: 0.1}]"}) > whole);
    CHECK(step({"cluster.degraded=[{link: device9/scale-up/up, factor: 0.5}]"}) > whole);
  }
}

TEST_CASE("flows carry the bytes that the costs put on shared links", "[contract][training]") {
  const Scenario scenario = quickstart({"jobs.0.plan.overlap_p2p=false"});
  const Stages stages = stages_of(scenario, scenario.jobs.front());
  const StepTraffic traffic = step_traffic(Topology(scenario.cluster), stages.costs, one_for_all(stages.costs.replicas));
  const StepTimeline timeline = simulate_step(stages.costs, {.traffic = &traffic});
  REQUIRE_FALSE(timeline.traffic.empty());
  // Every message once per micro-batch and chunk that has a neighbour, every collective once.
  const StepTransfers plan = plan_transfers(stages.costs, 1, &traffic);
  std::map<std::string, double> expected;
  const auto add = [&](const Transfer& transfer, double count) {
    for (const LinkLoad& load : transfer.route)
      expected[plan.network.links[load.link].name] += count * load.weight * transfer.bytes.si();
  };
  const double passes = static_cast<double>(stages.costs.micro_batches) * stages.costs.virtual_stages;
  for (std::size_t lane = 0; lane < plan.messages.size(); ++lane) {
    add(plan.messages[lane][0], lane + 1 == plan.messages.size() ? passes - stages.costs.micro_batches : passes);
    add(plan.messages[lane][1], lane == 0 ? passes - stages.costs.micro_batches : passes);
  }
  // An overlapped gather runs in the shadow of the next step.
  for (const Meeting& meeting : plan.meetings)
    if (meeting.kind != SpanKind::gather || !meeting.overlapped)
      add(meeting.transfer, 1);
  double carried = 0;
  for (const LinkTraffic& link : timeline.traffic) {
    CAPTURE(link.link);
    carried += link.delivered.si();
    CHECK(link.delivered.si() == Approx(expected[link.link]).epsilon(1e-9));
  }
  CHECK(carried > 0);
}

TEST_CASE("all replicas without jitter take the time of the folded one", "[contract][training]") {
  const std::string one_leaf = "cluster.fabric.nodes_per_leaf=128";
  const double folded = run_scenario(quickstart({one_leaf})).jobs.front().step_time.si();
  const double unfolded = run_scenario(quickstart({one_leaf, "simulation.unfold_replicas=true"})).jobs.front().step_time.si();
  CHECK(unfolded == Approx(folded).epsilon(1e-12));
}

TEST_CASE("flows that collide on a spine break the symmetry: the folded replica bears the worst of them", "[contract][training]") {
  const double folded = run_scenario(quickstart()).jobs.front().step_time.si();
  const double unfolded = run_scenario(quickstart({"simulation.unfold_replicas=true"})).jobs.front().step_time.si();
  CHECK(unfolded <= folded);
  CHECK(unfolded == Approx(folded).epsilon(0.01));
}

} // namespace orrery::training_contract_test
