// What a scenario says under `capacity`: machines that may be bought, and the deadline, or how they may serve.
#pragma once

#include "hardware/description.hpp"
#include "sim/base/params.hpp"
#include "workloads/serving_job.hpp"

#include <optional>
#include <vector>

namespace orrery {

/// What a deployment that serves may be made of.
struct ServingChoices {
  std::vector<int> tp;            ///< empty = powers of two up to a node's devices
  std::vector<ServingPlan> plans; ///< of one replica; not empty = instead of tp
  std::vector<int> max_sequences; ///< in a batch; empty = as the scenario says
  bool disaggregated = false;     ///< look at prefill and decode apart too
  int max_devices = 64;
};

struct CapacityOptions {
  std::vector<NodeType> nodes; ///< candidate types; the fabric and prices of the scenario's cluster hold for each
  std::optional<Seconds> deadline;
  int min_nodes = 1;
  int max_nodes = 256;
  ServingChoices serving; ///< of a job that serves
};

const Table<CapacityOptions>& capacity_table();

} // namespace orrery
