#include "hardware/catalogue.hpp"
#include "hardware/topology.hpp"
#include "tests/benchmarks/rows.hpp"
#include "tests/unit/hardware/clusters.hpp"

#include <stdexcept>

namespace orrery::bench {

namespace {

void build() {
  const Topology topology(testing::rail_cluster(2048));
  if (topology.devices() != 16384)
    throw std::runtime_error("16,384 devices");
}

void million_routes() {
  static const Topology topology(testing::rail_cluster(2048));
  Route route;
  std::size_t links = 0;
  for (std::int64_t i = 0; i < 1'000'000; ++i) {
    topology.route(static_cast<int>(i * 7919 % 16384), static_cast<int>((i * 104729 + 13) % 16384), 0, route);
    links += route.links.size();
  }
  if (links < 2'000'000)
    throw std::runtime_error("routes have links");
}

void load() {
  if (load_cluster("llama3-16k").devices() != 16384)
    throw std::runtime_error("16,384 devices");
}

} // namespace

Rows hardware_rows() {
  return {{"topology of 16,384 devices", 0.2, build},
          {"a million routes among 16,384 devices", 1.0, million_routes},
          {"a cluster of the catalogue, its files read before", 0.002, load}};
}

} // namespace orrery::bench
