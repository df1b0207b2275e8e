#include "models/money.hpp"

namespace orrery {

std::optional<Dollars> purchase_price(const Cluster& cluster) {
  const NodeType& node = cluster.node;
  if (node.price) {
    return cluster.nodes * *node.price;
  }
  if (node.device.price) {
    return cluster.devices() * *node.device.price;
  }
  return std::nullopt;
}

RunCost run_cost(const Cluster& cluster, Seconds time, Watts power, std::optional<DollarsPerSecond> rent) {
  RunCost cost;
  cost.time = time;
  cost.energy = power * time;
  cost.device_hours = cluster.devices() * time.si() / 3600.0;
  if (rent) {
    cost.capital = cluster.devices() * *rent * time;
    cost.priced = true;
    return cost;
  }
  const std::optional<Dollars> price = purchase_price(cluster);
  if (price && cluster.depreciation.si() > 0.0) {
    cost.capital = *price * (time / cluster.depreciation);
    cost.priced = cluster.electricity_price.si() > 0.0;
  }
  cost.electricity = cost.energy * cluster.electricity_price;
  return cost;
}

Seconds wall_time(Seconds useful, const Goodput& goodput) { return useful / goodput.goodput; }

Watts mean_power(Watts working, Watts waiting, const Goodput& goodput) {
  const double at_work = goodput.goodput + goodput.lost_share;
  return working * at_work + waiting * (1.0 - at_work);
}

} // namespace orrery
