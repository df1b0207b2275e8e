#include "scenarios/search/capacity_options.hpp"

#include "hardware/catalogue.hpp"
#include "hardware/tables.hpp"
#include "scenarios/serving/serving_scenario.hpp"

#include <fmt/format.h>

namespace orrery {

namespace {

const Table<ServingChoices>& serving_choices_table() {
  using S = ServingChoices;
  static const Table<S> table =
      Table<S>("serving_choices", "What a deployment that serves may be made of.")
          .counts("tp", &S::tp, {.min = 1, .max = 1024, .help = "tensor-parallel degrees; empty = powers of two up to a node's devices"})
          .list("plans", &S::plans, serving_plan_table(), {.help = "instead of tp: layouts of a replica, with their pp, ep, attention_dp"})
          .counts("max_sequences", &S::max_sequences,
                  {.min = 1, .max = 1'000'000, .help = "sequences in a batch; empty = as the scenario says"})
          .flag("disaggregated", &S::disaggregated, {.help = "prefill and decode apart are looked at too"})
          .count("max_devices", &S::max_devices, {.min = 1, .max = 100'000, .help = "most devices of a deployment"});
  return table;
}

} // namespace

const Table<CapacityOptions>& capacity_table() {
  using C = CapacityOptions;
  static const Table<C> table =
      Table<C>("capacity", "What `orrery capacity` may buy, and by when the training must be done or how it may serve.")
          .value("nodes", &C::nodes, detail::list_codec(detail::reference_codec(node_table(), node_catalogue())),
                 {.help = "candidate node types, each under the fabric of the cluster; empty = that of the cluster"})
          .quantity("deadline", &C::deadline, {.above = Seconds{}, .unit_hint = "d", .help = "wall time for all tokens of the job"})
          .count("min_nodes", &C::min_nodes, {.min = 1, .max = 100'000, .help = "fewest nodes to look at"})
          .count("max_nodes", &C::max_nodes, {.min = 1, .max = 100'000, .help = "most nodes to look at"})
          .object("serving", &C::serving, serving_choices_table(), {.help = "of a job that serves: deployments to look at"})
          .check([](const C& capacity, const Report& report) {
            if (capacity.max_nodes < capacity.min_nodes)
              report.error("max_nodes", fmt::format("{} with min_nodes {}", capacity.max_nodes, capacity.min_nodes), "at least min_nodes");
          });
  return table;
}

} // namespace orrery
