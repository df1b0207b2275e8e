#include "scenarios/published/published_machine.hpp"

#include <catch2/catch.hpp>

namespace orrery::published_machine_test {

TEST_CASE("publishers' names of accelerators find their node and device", "[scenarios]") {
  struct Named {
    const char* published;
    const char* node;
    const char* device;
  };
  const Named named =
      GENERATE(Named{"H100-SXM-80GB", "dgx-h100", "h100-sxm-80gb"}, Named{"h100-80g-sxm", "dgx-h100", "h100-sxm-80gb"},
               Named{"a100-40g-sxm", "dgx-a100-40gb", "a100-sxm-40gb"}, Named{"A100-SXM-40GB", "dgx-a100-40gb", "a100-sxm-40gb"},
               Named{"b200-power-limited", "b200-power-limited", "b200-power-limited"}, Named{"GB200-NVL72", "gb200-nvl72", "gb200"},
               Named{"v100-16g-sxm2", "dgx-1-v100", "v100-sxm2-16gb"}, Named{"llamacpp:4070 Ti 12GB", "rtx-4090-box", "rtx-4070-ti"},
               Named{"llamacpp:4080 16GB", "rtx-4090-box", "rtx-4080"}, Named{"llamacpp:RTX 6000 Ada 48GB", "rtx-4090-box", "rtx-6000-ada"},
               Named{"llamacpp:RTX A6000 48GB", "rtx-4090-box", "rtx-a6000"}, Named{"L4", "rtx-4090-box", "l4"},
               Named{"rtx3090-24g", "rtx-4090-box", "rtx-3090"}, Named{"L40S-48GB", "rtx-4090-box", "l40s"},
               // A typographic dash, as the source has it.
               Named{"llamacpp:M3 Max 40‑Core GPU 64GB", "rtx-4090-box", "m3-max-40"});
  INFO(named.published);
  const auto node = published_machine(named.published).node;
  REQUIRE(node);
  CHECK(node->name == named.node);
  CHECK(node->device.name == named.device);
}

TEST_CASE("machines that differ by their network only are told apart by it", "[scenarios]") {
  CHECK(published_machine("h100-80g-sxm", "A3 GPUDirect-TCPX").node->name == "gcp-a3-high");
  CHECK(published_machine("h100-80g-sxm", "InfiniBand").node->name == "dgx-h100");
}

TEST_CASE("a name that no machine has is unknown", "[scenarios]") {
  CHECK_FALSE(published_machine("XPU-9000").node);
  CHECK(published_machine("XPU-9000").refusal == "no node description of accelerator XPU-9000");
}

TEST_CASE("a machine that no serving engine of ours runs on says so", "[scenarios]") {
  const char* const name = GENERATE("Groq LPU", "GroqCard", "Cerebras WSE-3", "Cerebras CS-3", "SambaNova SN40L");
  CHECK_THAT(published_machine(name).refusal, Catch::Contains("one compiled program"));
}

TEST_CASE("a processor alone is no accelerator", "[scenarios]") {
  const char* const name = GENERATE("2x Intel Xeon 8480+", "AMD EPYC 9654", "AWS Graviton3", "Grace CPU");
  CHECK(published_machine(name).refusal == "processors without an accelerator are not modelled");
}

TEST_CASE("a device is known by its word where that stands in others' names", "[scenarios]") {
  const auto [published, device] =
      GENERATE(std::pair{"Apple M4", "m4-10"}, std::pair{"M4 Max 128GB", "m4-max-40"}, std::pair{"M1 Pro", "m1-pro-16"},
               std::pair{"RX 7900XT", "rx-7900-xt"}, std::pair{"Tesla P40", "p40"}, std::pair{"Radeon RX 9070 XT 16GB", "rx-9070-xt"},
               std::pair{"GB10 (DGX Spark)", "dgx-spark"}, std::pair{"Jetson AGX Orin 64GB", "jetson-agx-orin-64gb"},
               std::pair{"H20-3e 141GB", "h20-141gb"}, std::pair{"H200-SXM-141GB", "h200-sxm"},
               std::pair{"A100 40GB PCIe", "a100-pcie-40gb"}, std::pair{"HL-325L", "gaudi3"}, std::pair{"MI350X", "mi350x"},
               std::pair{"inf2.48xlarge", "inferentia2"}, std::pair{"RTX 4060", "rtx-4060"}, std::pair{"Gaudi 3 128GB", "gaudi3"},
               std::pair{"Trainium1 32GB", "trainium1"}, std::pair{"H100 80GB NVLink", "h100-sxm-80gb"},
               std::pair{"RTX6000Pro", "rtx-pro-6000-blackwell"}, std::pair{"p5en.48xlarge", "h200-sxm"});
  CAPTURE(published);
  REQUIRE(published_machine(published).node.has_value());
  CHECK(published_machine(published).node->device.name == device);
}

} // namespace orrery::published_machine_test
