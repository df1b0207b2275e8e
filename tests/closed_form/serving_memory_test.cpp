// Room for a KV cache against what else a device holds.
#include "hardware/catalogue.hpp"
#include "models/serving_memory.hpp"
#include "scenarios/data_files.hpp"
#include "tests/unit/models/serving_models.hpp"

#include <catch2/catch.hpp>

namespace orrery::serving_memory_test {

TEST_CASE("an engine built for the batch that its cache holds keeps no logits of more", "[closed_form][serving]") {
  ServingJob job{.model = llama()};
  job.weights = *find_weight_format("bf16");
  const SoftwareProfile software = load_software("tensorrt-llm-2024");
  const ServingGraph graph(job, {}, software);
  const Device device = load_device("h100-sxm-80gb");
  const IterationLimits any{.sequences = 2048, .tokens = 8192};
  IterationLimits tuned = any;
  tuned.typical_tokens = 8192;
  const ServingMemory wide = serving_memory(graph, device, software, any);
  const ServingMemory fitted = serving_memory(graph, device, software, tuned);
  CHECK(fitted.sequences == (fitted.kv_tokens + 8191) / 8192);
  const double logits = (2048.0 - fitted.sequences) * 128256 * 8; // FP32 and a copy
  CHECK((wide.workspace - fitted.workspace).si() == Approx(logits));
  CHECK((fitted.room - wide.room).si() == Approx(0.95 * logits));
}

TEST_CASE("experts' buffers have a place for every slot of a token, unless arrivals are counted first", "[closed_form][serving]") {
  ServingJob job{.model = llama()};
  job.model.experts = {.count = 128, .top_k = 8, .hidden = 1536};
  job.weights = *find_weight_format("fp8");
  const Device device = load_device("h100-sxm-80gb");
  const double hidden = 4096;
  const double slot = hidden + 2 * hidden; // FP8 in, half precision out: both wider than an expert's own
  const auto workspace = [&](const char* engine, int tokens) {
    const ServingGraph graph(job, {.ep = 8, .attention_dp = 8}, load_software(engine));
    return serving_memory(graph, device, graph.software(), {.sequences = 8, .tokens = tokens}).workspace.si();
  };
  const auto others = [&](double tokens) { return tokens / 8 * 2 * hidden * 2 + 128256 * 8; }; // residual, hidden state, logits
  const auto fixed = [&](double tokens) { return std::min(tokens, 65536.0) * 8 * slot + tokens * hidden * 3 + others(tokens); };
  CHECK(workspace("tensorrt-llm-pytorch-2025", 8192) == Approx(fixed(8192)));
  CHECK(workspace("tensorrt-llm-pytorch-2026", 8192) == Approx(fixed(8192)));
  CHECK(workspace("tensorrt-llm-pytorch-2026", 131072) == Approx(fixed(131072))); // in chunks
  CHECK(workspace("sglang-2025", 65536) == Approx(65536 * slot + others(65536)));
}

} // namespace orrery::serving_memory_test
