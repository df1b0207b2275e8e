#include "scenarios/published/published_machine.hpp"
#include "scenarios/published/serving_rows.hpp"

#include <array>

namespace orrery {

namespace {

bool is_processor(const std::string& accelerator) {
  const std::string name = "-" + plain_name(accelerator) + "-";
  constexpr std::array words = {"-cpu-", "-xeon-", "-epyc-", "-graviton", "-core-ultra-", "-grace-cpu-"};
  return std::ranges::any_of(words, [&](const char* word) { return name.find(word) != std::string::npos; });
}

} // namespace

bool find_serving_machine(const Cells& row, ServingRow& out) {
  if (is_processor(out.accelerator)) {
    out.refusal = "processors without an accelerator are not modelled in serving";
    return false;
  }
  const auto node = published_node(out.accelerator);
  if (!node) {
    out.refusal = "no node description of accelerator " + out.accelerator;
    return false;
  }
  out.cluster.node = *node;
  out.cluster.name = out.id;
  out.devices = row.count("devices");
  return true;
}

} // namespace orrery
