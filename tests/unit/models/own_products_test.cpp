// An engine whose own kernels take few rows, and which converts for the vendor's library above (llama.cpp).
#include "hardware/catalogue.hpp"
#include "models/iteration_model.hpp"
#include "models/kernel_cost.hpp"
#include "models/serving_memory.hpp"
#include "scenarios/data_files.hpp"
#include "tests/unit/models/serving_models.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

namespace orrery::own_products_test {

using Catch::Detail::Approx;

namespace {

int count(const std::vector<Operator>& list, std::string_view name) {
  return static_cast<int>(std::ranges::count_if(list, [&](const Operator& op) { return name == op.name; }));
}

ServingJob four_bits() {
  return {.model = llama(), .precision = Precision::fp16, .weights = *find_weight_format("q4_k_m"), .kv = Precision::fp16};
}

} // namespace

TEST_CASE("weights are widened by a kernel of their own where products are the library's", "[models][serving]") {
  const SoftwareProfile software = load_software("llama.cpp-2024");
  const ServingGraph graph(four_bits(), {}, software);
  const LayerKind kind = graph.kinds().front();
  CHECK(count(graph.layer(kind, 32, 32), "weight_cast") == 0);
  const std::vector<Operator> prompt = graph.layer(kind, 33, 33);
  CHECK(count(prompt, "weight_cast") == 7); // queries, keys, values, output, gate, up, down
  CHECK(count(prompt, "operand_cast") == 7);
  for (const Operator& op : prompt)
    if (const auto* product = std::get_if<Matmul>(&op.shape))
      CHECK(product->weight_bytes == 0);
  // Scores of all keys, whatever the order of tokens lets each see.
  const std::vector<Operator> mixing = graph.prompt(kind, 512, 512);
  REQUIRE(count(mixing, "attention_scores") == 1);
  CHECK(std::get<Matmul>(mixing.front().shape).n == 1024);
  CHECK(count(mixing, "softmax") == 1);
}

TEST_CASE("the head keeps its own bits, and the table lies in host memory", "[models][serving]") {
  SoftwareProfile software = load_software("llama.cpp-2024");
  const double elements = 128256.0 * 4096;
  const double narrow = stage_weights(ServingGraph(four_bits(), {}, software)).front().si();
  software.serving.host_embedding = false;
  CHECK(stage_weights(ServingGraph(four_bits(), {}, software)).front().si() - narrow == Approx(elements * 4.5 / 8));
  // The published file of Llama 3 8B in Q4_K_M has 4.92 GB.
  CHECK(stage_weights(ServingGraph(four_bits(), {}, software)).front().si() == Approx(4.92e9).epsilon(0.01));
}

TEST_CASE("sums in half precision are faster where the device says so", "[models][kernels]") {
  SoftwareProfile software;
  const Operator product{.name = "product", .precision = Precision::fp16, .shape = Matmul{.m = 8192, .n = 8192, .k = 8192}};
  for (const auto& [name, gain] : {std::pair{"rtx-4090", 2.0}, std::pair{"rtx-a6000", 1.0}}) {
    const Device device = load_device(name);
    software.serving.half_sums = false;
    const Seconds full = KernelModel(device, load_calibration(), software).cost(product).time;
    software.serving.half_sums = true;
    const Seconds half = KernelModel(device, load_calibration(), software).cost(product).time;
    CHECK(full / half == Approx(gain).epsilon(0.05));
  }
}

} // namespace orrery::own_products_test
