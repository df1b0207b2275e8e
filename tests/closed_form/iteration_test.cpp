// Cost of a serving iteration against what bounds it: bytes of weights and of the KV cache, FLOPs, and the engine's host.
#include "hardware/catalogue.hpp"
#include "models/iteration_model.hpp"
#include "models/serving_memory.hpp"
#include "scenarios/data_files.hpp"
#include "tests/unit/models/serving_models.hpp"

#include <catch2/catch.hpp>

namespace orrery::iteration_test {

namespace {

ServingJob job_in(const char* format, TransformerModel model = llama()) {
  ServingJob job{.model = std::move(model)};
  job.weights = *find_weight_format(format);
  return job;
}

SoftwareProfile no_host() {
  SoftwareProfile software = load_software("vllm-v1-2025");
  software.serving.iteration_host = software.serving.sequence_host = software.kernel_launch = Seconds{};
  return software;
}

Cluster h100() { return {.node = load_node("dgx-h100"), .nodes = 1}; }

double bandwidth(const Cluster& cluster) { return cluster.node.device.memory.front().bandwidth.si(); }

ReplicaModel replica(const ServingJob& job, const ServingPlan& plan = {}, const SoftwareProfile& software = no_host()) {
  return ReplicaModel(h100(), job, plan, software, load_calibration());
}

} // namespace

TEST_CASE("one sequence decodes as fast as memory gives the weights", "[closed_form][serving]") {
  ReplicaModel model = replica(job_in("bf16"));
  const double table = 128256.0 * 4096; // the embedding is looked up, not read
  const double weights = 2 * (model.graph().job().model.parameters() - table);
  const IterationCost cost = model.decode(1).at(1);
  CHECK(cost.memory.si() == Approx(weights).epsilon(0.01));
  const double bound = weights / bandwidth(h100());
  CHECK(cost.latency.si() > bound);
  CHECK(cost.latency.si() < 1.6 * bound);                  // kernels of 32 layers start and end
  CHECK(cost.flops.si() == Approx(weights).epsilon(0.01)); // a product and a sum for each weight of two bytes
}

TEST_CASE("each token of context is read from the KV cache once", "[closed_form][serving]") {
  for (const auto& [kv, bytes] : {std::pair{Precision::bf16, 2.0}, {Precision::fp8, 1.0}}) {
    ServingJob job = job_in("bf16");
    job.kv = kv;
    ReplicaModel model = replica(job);
    const DecodeCurve& curve = model.decode(16);
    const double token = 32 * 2 * 8 * 128 * bytes;
    CHECK((curve.at(8192).memory - curve.at(4096).memory).si() == Approx(16 * 4096 * token).epsilon(1e-6));
  }
}

TEST_CASE("latency of a decode iteration is linear in long contexts", "[closed_form][serving]") {
  ReplicaModel model = replica(job_in("bf16"));
  const DecodeCurve& curve = model.decode(64);
  const double slope = (curve.at(9000).latency - curve.at(5000).latency).si() / 4000;
  CHECK((curve.at(33000).latency - curve.at(9000).latency).si() == Approx(24000 * slope).epsilon(0.001));
}

TEST_CASE("a prompt takes the FLOPs of its tokens", "[closed_form][serving]") {
  ReplicaModel model = replica(job_in("bf16"));
  const PrefillChunk whole{.tokens = 4096};
  const IterationCost cost = model.cost({&whole, 1}, 0, 0);
  const TransformerModel& m = model.graph().job().model;
  const double ends = 2.0 * m.vocabulary * m.hidden; // embedding and head
  const double layers = 2 * (m.parameters() - ends) * 4096;
  const double attention = 32.0 * 4 * 32 * 128 * 4096 * 4097 / 2;
  CHECK(cost.flops.si() == Approx(layers + attention + ends).epsilon(0.001));
  CHECK(cost.latency.si() > cost.flops.si() / 989e12);
}

TEST_CASE("a prompt loses the clock that the power cap takes, decoding none", "[closed_form][serving]") {
  Cluster uncapped = h100();
  uncapped.node.device.power_cap.reset();
  ReplicaModel limited = replica(job_in("bf16"));
  ReplicaModel free(uncapped, job_in("bf16"), {}, no_host(), load_calibration());
  const PrefillChunk prompt{.tokens = 8192};
  const IterationCost cost = limited.cost({&prompt, 1}, 0, 0);
  const double loss = KernelModel(h100().node.device, load_calibration()).clock_limit().loss(cost.flops.si());
  CHECK(loss == Approx(1.16).epsilon(0.05));
  const double slower = cost.latency / free.cost({&prompt, 1}, 0, 0).latency;
  CHECK(slower < loss);
  CHECK(slower > 1 + 0.7 * (loss - 1)); // norms and activations are bound by memory
  CHECK(limited.decode(4).at(500).latency == free.decode(4).at(500).latency);
}

TEST_CASE("chunks of a prompt attend to what came before", "[closed_form][serving]") {
  ReplicaModel model = replica(job_in("bf16"));
  const PrefillChunk whole{.tokens = 2048};
  const PrefillChunk first{.tokens = 1024, .last = false};
  const PrefillChunk second{.tokens = 1024, .past = 1024};
  IterationCost parts = model.cost({&first, 1}, 0, 0);
  parts += model.cost({&second, 1}, 0, 0);
  const IterationCost once = model.cost({&whole, 1}, 0, 0);
  CHECK(parts.flops.si() == Approx(once.flops.si()).epsilon(1e-6));
  CHECK(parts.latency > once.latency);
}

TEST_CASE("more tensor-parallel ranks decode faster and split the KV cache down to one head", "[closed_form][serving]") {
  const SoftwareProfile software = no_host();
  double before = 1e9;
  for (const int tp : {1, 2, 4, 8}) {
    ReplicaModel model = replica(job_in("bf16"), {.tp = tp});
    const double now = model.decode(32).at(2000).latency.si();
    CHECK(now < before);
    before = now;
    const ServingMemory memory = serving_memory(model.graph(), h100().node.device, software, {});
    CHECK(memory.kv_token.si() == 32.0 * 2 * 8 / tp * 128 * 2);
    CHECK(memory.replica_kv_token.si() == 32.0 * 2 * 8 * 128 * 2);
  }
  TransformerModel few = llama();
  few.kv_heads = 2;
  ReplicaModel copied = replica(job_in("bf16", few), {.tp = 8});
  CHECK(serving_memory(copied.graph(), h100().node.device, software, {}).replica_kv_token.si() == 32.0 * 2 * 8 * 128 * 2);
}

TEST_CASE("weights in four bits quarter a small batch's time and gain nothing in a large one", "[closed_form][serving]") {
  // MARLIN (arXiv 2408.11743): close to 4x up to 16 to 32 rows on A100, gone past 64 to 128. Products of one layer, beyond their floors.
  const KernelModel kernels(load_device("a100-sxm-80gb"), load_calibration());
  const auto gain = [&](double rows) {
    const auto time = [&](double weight_bytes) {
      Operator op;
      op.precision = Precision::fp16;
      op.shape = Matmul{.m = rows, .n = 28672, .k = 8192, .weight_bytes = weight_bytes};
      return kernels.cost(op).time.si();
    };
    return time(0) / time(find_weight_format("w4a16")->weight_bytes);
  };
  CHECK(gain(1) > 2.8);
  CHECK(gain(16) > 2.5);
  CHECK(gain(64) < gain(16));
  CHECK(gain(256) < 1.15);
  CHECK(gain(2048) < 1.0);
}

TEST_CASE("the host adds to an iteration or hides behind it", "[closed_form][serving]") {
  SoftwareProfile software = no_host();
  const double device = replica(job_in("bf16"), {}, software).decode(8).at(100).latency.si();
  software.serving.iteration_host = Seconds{1e-3};
  software.serving.sequence_host = Seconds{1e-5};
  software.serving.works_ahead = false;
  CHECK(replica(job_in("bf16"), {}, software).decode(8).at(100).latency.si() == Approx(device + 1.08e-3));
  software.serving.works_ahead = true;
  CHECK(replica(job_in("bf16"), {}, software).decode(8).at(100).latency.si() == Approx(device));
  software.serving.iteration_host = Seconds{1};
  CHECK(replica(job_in("bf16"), {}, software).decode(8).at(100).latency.si() == Approx(1.00008));
}

TEST_CASE("pipeline stages: the slowest paces, all of them make the latency", "[closed_form][serving]") {
  ReplicaModel one = replica(job_in("bf16"));
  ReplicaModel four = replica(job_in("bf16"), {.pp = 4});
  const IterationCost whole = one.decode(16).at(1000);
  const IterationCost staged = four.decode(16).at(1000);
  CHECK(staged.latency > whole.latency);
  CHECK(staged.latency.si() == Approx(whole.latency.si()).epsilon(0.05));       // three messages
  CHECK(staged.occupancy.si() == Approx(whole.latency.si() / 4).epsilon(0.25)); // the last stage has the head
  CHECK(staged.flops.si() == Approx(whole.flops.si()));
}

TEST_CASE("a lower device cap slows prompts more than decoding", "[closed_form][serving]") {
  const PrefillChunk chunk{.tokens = 8192};
  const auto slowdown = [&](bool prompt) {
    ReplicaModel free(h100(), job_in("bf16"), {}, no_host(), load_calibration());
    ReplicaModel capped(h100(), job_in("bf16"), {}, no_host(), load_calibration(), Watts{400});
    return prompt ? capped.cost({&chunk, 1}, 0, 0).latency / free.cost({&chunk, 1}, 0, 0).latency
                  : capped.decode(4).at(500).latency / free.decode(4).at(500).latency;
  };
  CHECK(slowdown(true) > 1.05);
  CHECK(slowdown(false) >= 1);
  CHECK(slowdown(false) < slowdown(true));
}

TEST_CASE("weights that do not fit are an inequality", "[closed_form][serving]") {
  TransformerModel large = llama(320);
  ReplicaModel model = replica(job_in("bf16", large));
  const ServingMemory memory = serving_memory(model.graph(), h100().node.device, no_host(), {});
  CHECK(memory.kv_tokens == 0);
  const std::vector<Violation> found = check_serving_memory(memory, 1);
  REQUIRE(found.size() == 1);
  CHECK(found.front().constraint.starts_with("weights 14"));
  CHECK(check_serving_plan(job_in("bf16"), {.tp = 3}, 8).size() == 3); // heads, key/value heads, width
  CHECK(check_serving_plan(job_in("bf16"), {.tp = 4, .replicas = 4}, 8).size() == 1);
  CHECK(check_serving_plan(job_in("bf16"), {.ep = 2}, 8).size() == 1);
}

} // namespace orrery::iteration_test
