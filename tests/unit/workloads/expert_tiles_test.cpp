// Tiles of the experts' kernel that vLLM's defaults set, and what they cost.
#include "hardware/catalogue.hpp"
#include "models/kernel_cost.hpp"
#include "scenarios/data_files.hpp"
#include "tests/support/yaml_text.hpp"
#include "workloads/expert_tiles.hpp"
#include "workloads/serving_graph.hpp"
#include "workloads/tables.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

namespace orrery::expert_tiles_test {
namespace {

ServingJob qwen(const char* weights) {
  ServingJob job{.model = from_catalogue("qwen3-235b-a22b", model_table(), model_catalogue())};
  job.weights = *find_weight_format(weights);
  return job;
}

GroupedMatmul up_product(const ServingJob& job, const ServingPlan& plan, const SoftwareProfile& software, double tokens) {
  const ServingGraph graph(job, plan, software);
  const auto list = graph.layer(graph.kinds().front(), tokens, tokens);
  return std::get<GroupedMatmul>(std::ranges::find(list, "expert_up", &Operator::name)->shape);
}

} // namespace

TEST_CASE("defaults of vLLM's expert kernel go by experts held, later by tokens", "[workloads][experts]") {
  const auto rows = [](ExpertTiles rule, bool blocks, double tokens) { return default_tile(rule, blocks, tokens, 16).rows; };
  CHECK(rows(ExpertTiles::by_experts, false, 16) == 16);
  CHECK(rows(ExpertTiles::by_experts, false, 17) == 64);
  CHECK(rows(ExpertTiles::by_experts, true, 1) == 64);
  CHECK(rows(ExpertTiles::by_tokens, true, 64) == 16);
  CHECK(rows(ExpertTiles::by_tokens, true, 65) == 64);
  CHECK(rows(ExpertTiles::by_tokens, false, 65) == 0);
  CHECK(rows(ExpertTiles::tuned, true, 65) == 0);
}

TEST_CASE("experts of expert parallelism run with default tiles, those split by TP with tuned ones", "[workloads][serving][experts]") {
  const SoftwareProfile software = load_software("vllm-v1-2025");
  const ServingPlan spread{.tp = 8, .ep = 8};
  CHECK(up_product(qwen("bf16"), spread, software, 16).tile.rows == 16);
  CHECK(up_product(qwen("bf16"), spread, software, 17).tile.rows == 64);
  CHECK(up_product(qwen("bf16"), {.tp = 8}, software, 17).tile.rows == 0);
  CHECK(up_product(qwen("fp8_block"), spread, software, 1).tile.columns == 128);
  CHECK(up_product(qwen("w4a16"), spread, software, 17).tile.rows == 0); // not Triton's
  CHECK(up_product(qwen("bf16"), spread, load_software("sglang-2025"), 17).tile.rows == 0);
}

TEST_CASE("tiles of more rows than experts get cost arithmetic, not memory", "[models][kernels][grouped]") {
  const KernelModel model(load_device("a100-sxm-80gb"), load_calibration(), load_software("vllm-v1-2025"));
  const auto cost = [&](ExpertTile tile, double rows) {
    return model.cost({.op_class = OpClass::gemm,
                       .precision = Precision::bf16,
                       .shape = GroupedMatmul{.groups = 128, .rows = rows, .busiest = rows / 64, .n = 3072, .k = 4096, .tile = tile}});
  };
  const OpCost small = cost({16, 32}, 1024), large = cost({64, 64}, 1024);
  CHECK(large.memory == small.memory);
  // 1.38 times at 160 tokens what it is at 128 in the table that the curve was fitted to.
  CHECK(large.time / small.time == Approx(1.4).epsilon(0.15));
  CHECK(cost({0, 0}, 1024).time <= large.time);
  CHECK(cost({16, 32}, 64 * 1024).time > cost({64, 64}, 64 * 1024).time);
}

} // namespace orrery::expert_tiles_test
