// Transfers to and updates on the tiers outside a device, against hand-made formulas.
#include "models/offload_cost.hpp"
#include "models/training_cost.hpp"
#include "models/training_estimate.hpp"
#include "scenarios/data_files.hpp"
#include "workloads/offload.hpp"
#include "workloads/sharding.hpp"

#include <catch2/catch.hpp>

namespace orrery::offload_test {

namespace {

/// Two devices; every bandwidth another.
NodeType node() {
  NodeType node;
  node.name = "two";
  node.devices = 2;
  node.host.memory = {.name = "ddr", .capacity = Bytes{1000e9}, .bandwidth = BytesPerSecond{400e9}};
  node.host.cpu_peak = FlopsPerSecond{1e15};
  node.host.device_link = BytesPerSecond{50e9};
  node.host.storage =
      MemoryTier{.name = "nvme", .capacity = Bytes{4e12}, .bandwidth = BytesPerSecond{10e9}, .write_bandwidth = BytesPerSecond{5e9}};
  return node;
}

TierUpdate update_of(UpdatePlace place) {
  return {.place = place, .states = Bytes{12e9}, .gradients = Bytes{2e9}, .parameters = Bytes{2e9}};
}

TrainingJob small_job() {
  TrainingJob job;
  job.model = {.name = "small",
               .layers = 4,
               .hidden = 1024,
               .heads = 8,
               .kv_heads = 8,
               .head_dim = 128,
               .ffn_hidden = 4096,
               .vocabulary = 4096,
               .max_positions = 1024};
  job.sequence = 1024;
  job.global_batch = 8;
  return job;
}

SoftwareProfile half_gradients() { return {.gradient = Precision::bf16, .reduction = Precision::bf16}; }

/// Bytes of all transfers of one pass of every block, layers counted as often as they run.
std::pair<Bytes, Bytes> moved(const OpGraph& graph, bool backward) {
  Bytes in, out;
  for (const Chunk& chunk : graph.chunks)
    for (const BlockUse& use : chunk.blocks) {
      const Block& block = graph.blocks[static_cast<std::size_t>(use.block)];
      for (const Operator& op : backward ? block.backward : block.forward)
        if (const auto* transfer = std::get_if<TierTransfer>(&op.shape)) {
          in += transfer->in * use.count;
          out += transfer->out * use.count;
        }
    }
  return {in, out};
}

} // namespace

TEST_CASE("a transfer takes bytes over bandwidth on every part of its way", "[offload]") {
  const TierModel tiers(node());
  const TierLoad host = tiers.transfer({.tier = Tier::host, .in = Bytes{10e9}, .out = Bytes{4e9}});
  CHECK(host.in.si() == Approx(10e9 / (50e9 * link_share)));
  CHECK(host.out.si() == Approx(4e9 / (50e9 * link_share))); // both ways at once
  CHECK(host.memory.si() == Approx(14e9 / (200e9 * memory_share)));
  CHECK(host.storage.si() == 0);
  const TierLoad drives = tiers.transfer({.tier = Tier::storage, .in = Bytes{10e9}, .out = Bytes{4e9}});
  CHECK(drives.storage.si() == Approx(10e9 / 5e9 + 4e9 / 2.5e9));
  CHECK(drives.memory.si() == Approx(2 * host.memory.si()));
  CHECK(drives.longest() == drives.storage);
}

TEST_CASE("devices share what the host offers their links together", "[offload]") {
  NodeType shared = node();
  shared.host.device_links = BytesPerSecond{40e9};
  const TierLoad load = TierModel(shared).transfer({.in = Bytes{10e9}});
  CHECK(load.in.si() == Approx(10e9 / (20e9 * link_share)));
}

TEST_CASE("an update on the host is paced by its processors, one on the device by the link", "[offload]") {
  const TierModel tiers(node());
  const TierLoad host = tiers.update(update_of(UpdatePlace::host), 0, Seconds{});
  CHECK(host.processor.si() == Approx(28e9 / (200e9 * processor_share)));
  CHECK(host.in.si() == Approx(2e9 / (50e9 * link_share)));
  CHECK(host.longest() == host.processor);
  const TierLoad device = tiers.update(update_of(UpdatePlace::device), 1, Seconds{0.01});
  CHECK(device.processor.si() == 0);
  CHECK(device.in.si() == Approx(14e9 / (50e9 * link_share) + 0.01));
  CHECK(device.out.si() == Approx(12e9 / (50e9 * link_share)));
}

TEST_CASE("a serial update takes every part of its way, one after the other, and reads rescaled gradients once more", "[offload]") {
  const TierModel tiers(node());
  TierUpdate update = update_of(UpdatePlace::host);
  update.tier = Tier::storage;
  const TierLoad pipelined = tiers.update(update, 0, Seconds{});
  update.serial = true;
  const TierLoad serial = tiers.update(update, 0, Seconds{});
  CHECK(serial.longest().si() == Approx((pipelined.in + pipelined.out + pipelined.storage + pipelined.processor).si()));
  update.rescaled = Bytes{4e9};
  CHECK((tiers.update(update, 0, Seconds{}).longest() - serial.longest()).si() == Approx(8e9 / (200e9 * processor_share)));
}

TEST_CASE("a split update ends when both its parts do", "[offload]") {
  NodeType slow_link = node(); // faster ones leave the host's memory as the limit
  slow_link.host.device_link = BytesPerSecond{25e9};
  const TierModel tiers(slow_link);
  const TierUpdate split = update_of(UpdatePlace::split);
  const double share = tiers.device_share(split, Seconds{});
  const TierLoad load = tiers.update(split, share, Seconds{});
  CHECK(load.in.si() == Approx(load.processor.si()).epsilon(1e-6));
  CHECK(load.longest() < tiers.update(split, 0, Seconds{}).longest());
  CHECK(load.longest() < tiers.update(split, 1, Seconds{}).longest());
  // 2 + 12 k over the link against 28 (1 - k) at the processors' rate
  const double link = 25e9 * link_share, processor = 200e9 * processor_share;
  CHECK(share == Approx((28 / processor - 2 / link) / (12 / link + 28 / processor)).epsilon(1e-6));
  TierUpdate given = split;
  given.device_share = 0.25;
  CHECK(tiers.device_share(given, Seconds{}) == 0.25);
}

TEST_CASE("every state and activation is on one tier, and moves as often as it is used", "[offload]") {
  const TrainingJob job = small_job();
  const SoftwareProfile software = half_gradients();
  Plan plan{.dp = 4, .micro_batch = 1, .recompute = Recompute::full, .zero = 3};
  const OpGraph kept = build_training_graph(job, plan, software);
  plan.offload = {.parameters = Tier::storage, .optimizer = Tier::host, .activations = Tier::host};
  const OpGraph graph = build_training_graph(job, plan, software);
  const Stage& before = kept.stages.front();
  const Stage& after = graph.stages.front();
  CHECK(after.parameters + after.gradients + after.optimizer == Bytes{});
  CHECK(after.storage.si() == Approx(before.parameters.si()));
  // 12 of the 16 bytes that the device held: it kept an fp32 copy of each gradient besides.
  CHECK(after.host.si() == Approx(before.optimizer.si() * 12 / 16 + before.gradients.si()));
  const double layer = kept.blocks.front().activations.si();
  CHECK(graph.blocks.front().host_activations.si() == layer);
  CHECK(graph.blocks.front().activations.si() == 0);
  const auto [in, out] = moved(graph, false);
  // A tied table is fetched at both ends of the model.
  const double table = 2.0 * 4096 * 1024 / 4;
  CHECK(in.si() == Approx(before.parameters.si() + table).epsilon(1e-9));
  CHECK(out.si() == Approx(4 * layer));
}

TEST_CASE("gradients that are sharded leave in every pass, others once", "[offload]") {
  const TrainingJob job = small_job();
  Plan plan{.dp = 4, .micro_batch = 1, .zero = 1};
  plan.offload.optimizer = Tier::host;
  const auto leaves = [](const std::vector<Operator>& list) {
    return std::any_of(list.begin(), list.end(), [](const Operator& op) { return op.name == "gradient_offload"; });
  };
  OpGraph graph = build_training_graph(job, plan, half_gradients());
  CHECK_FALSE(leaves(graph.blocks.front().backward));
  CHECK(leaves(graph.steps.front()));
  plan.zero = 2;
  graph = build_training_graph(job, plan, half_gradients());
  CHECK(leaves(graph.blocks.front().backward));
  CHECK_FALSE(leaves(graph.steps.front()));
}

TEST_CASE("tiers that are too small or missing are inequalities", "[offload]") {
  NodeType small = node();
  MemoryFootprint stage;
  stage.host = Bytes{600e9};
  CHECK(tier_shortages(small, {stage}).front() == "host memory of node two: 2 devices x 600.0 GB needed > 1000.0 GB");
  stage.host = Bytes{400e9};
  CHECK(tier_shortages(small, {stage}).empty());
  stage.storage = Bytes{1e9};
  CHECK(tier_shortages(small, {stage}).empty());
  small.host.storage.reset();
  CHECK(tier_shortages(small, {stage}).front() == "drives of node two: 2 devices x 1.0 GB needed > 0.0 GB");
}

} // namespace orrery::offload_test
