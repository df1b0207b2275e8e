#include "scenarios/published/published_machine.hpp"
#include "scenarios/published/serving_rows.hpp"

namespace orrery {

bool find_serving_machine(const Cells& row, ServingRow& out) {
  if (out.accelerator.starts_with("CPU:")) {
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
