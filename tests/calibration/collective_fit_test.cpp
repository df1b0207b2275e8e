// Which errors do the curves of collectives have on messages that they were not fitted to?
#include "tests/calibration/kernel_data.hpp"

using namespace orrery;

TEST_CASE("errors on held-out collectives", "[calibration]") {
  struct Bar {
    const char* device;
    const char* source;
    const char* group;
    double mean;
  };
  const Bar bars[] = {
      {"a100-sxm-80gb", "aic", "all_reduce from 1 MiB", 0.12},
      {"a100-sxm-80gb", "aic", "all_reduce from 32 MiB", 0.05},
      {"a100-sxm-80gb", "vtrain", "all_reduce from 1 MiB", 0.05},
      {"a100-sxm-80gb", "aic", "all_gather from 1 MiB", 0.15},
      {"h100-sxm-80gb", "aic", "all_reduce from 1 MiB", 0.12},
      {"h100-sxm-80gb", "aic", "reduce_scatter from 1 MiB", 0.12},
      {"h100-sxm-80gb", "apex", "all_reduce from 32 MiB", 0.08},
      {"h100-sxm-80gb", "vidur", "send_recv from 1 MiB", 0.12},
      {"b200-sxm", "aic", "all_reduce from 1 MiB", 0.12},
      {"b200-sxm", "aic", "all_to_all from 1 MiB", 0.12},
      {"h100-sxm-80gb", "aic-vllm", "custom_all_reduce below 1 MiB", 0.06},
      {"h100-sxm-80gb", "aic-sglang", "custom_all_reduce from 1 MiB", 0.10},
      {"a100-sxm-80gb", "aic-vllm", "custom_all_reduce below 1 MiB", 0.10},
  };
  for (const Bar& bar : bars) {
    INFO(bar.device << ' ' << bar.source << ' ' << bar.group);
    CHECK(held_out_error(bar.device, bar.source, bar.group).mean_absolute <= bar.mean);
  }
}
