#include "scenarios/published/published_machine.hpp"
#include "scenarios/published/serving_rows.hpp"

#include <utility>

namespace orrery {

bool find_serving_machine(const Cells& row, ServingRow& out) {
  NamedMachine named = published_machine(out.accelerator);
  if (!named.node) {
    out.refusal = std::move(named.refusal);
    return false;
  }
  out.cluster.node = *std::move(named.node);
  out.cluster.name = out.id;
  out.devices = row.count("devices");
  return true;
}

} // namespace orrery
