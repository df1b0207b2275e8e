// Room for a KV cache against what else a device holds.
#include "hardware/catalogue.hpp"
#include "models/serving_memory.hpp"
#include "scenarios/data_files.hpp"
#include "tests/unit/models/serving_models.hpp"

#include <catch2/catch.hpp>

using namespace orrery;

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
