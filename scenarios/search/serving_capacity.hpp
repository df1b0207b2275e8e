// The cheapest deployment that serves a traffic within its bounds.
//
// For every node type, tensor-parallel degree and batch limit the fewest replicas that keep the bounds are found by doubling and halving:
// every deployment looked at is simulated with the scenario's traffic. With prefill and decode apart, first the fewest prefill replicas
// beside as many decode replicas as the devices allow, then the fewest decode replicas beside those.
#pragma once

#include "scenarios/result.hpp"
#include "scenarios/scenario.hpp"
#include "scenarios/search/plan_search.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace orrery {

/// One deployment, simulated.
struct DeploymentPoint {
  std::string node; ///< type
  int nodes = 0;
  int devices = 0;
  std::optional<ServingPools> pools; ///< prefill and decode apart; else `plan`
  ServingPlan plan;
  int max_sequences = 0; ///< in a batch; 0 = the engine's
  ServingResult result;
  std::string binds; ///< why it does not do; empty = it meets the bounds

  [[nodiscard]] bool meets() const { return binds.empty(); }
  [[nodiscard]] bool ran() const { return result.served > 0; }
};

struct ServingCapacity {
  std::string scenario;
  std::string software;
  std::string model;
  double attainment = 0; ///< share of requests that has to keep its bounds
  std::vector<DeploymentPoint> points;
  std::vector<std::size_t> frontier; ///< of those that meet the bounds: none has more tokens/s per device and less time per token
  std::optional<std::size_t> best;   ///< the cheapest that meets the bounds
  bool by_devices = false;           ///< no candidate states what costs need: the fewest devices win
  std::string smaller;               ///< what keeps the largest one with fewer devices of the same kind from doing
};

/// `progress` is told how many deployments were simulated. Throws UserError where the scenario is not one job that serves with bounds.
ServingCapacity find_serving_capacity(const Scenario& scenario, const std::function<void(const SearchProgress&)>& progress = {});

} // namespace orrery
