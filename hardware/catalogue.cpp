#include "hardware/catalogue.hpp"

#include "hardware/tables.hpp"
#include "sim/base/catalogue.hpp"

namespace orrery {

namespace {

template <class T> T load(const std::string& name, const Table<T>& table, const Catalogue& catalogue) {
  Diagnostics diagnostics;
  T value = read_reference(yaml::scalar(name), table, catalogue, diagnostics);
  diagnostics.throw_if_any();
  return value;
}

} // namespace

const Catalogue& device_catalogue() {
  static const Catalogue catalogue = folder_catalogue("device", "hardware/catalogue/devices");
  return catalogue;
}

const Catalogue& link_catalogue() {
  static const Catalogue catalogue = folder_catalogue("link", "hardware/catalogue/links");
  return catalogue;
}

const Catalogue& tier_catalogue() {
  static const Catalogue catalogue = folder_catalogue("memory tier", "hardware/catalogue/tiers");
  return catalogue;
}

const Catalogue& node_catalogue() {
  static const Catalogue catalogue = folder_catalogue("node", "hardware/catalogue/nodes");
  return catalogue;
}

const Catalogue& cluster_catalogue() {
  static const Catalogue catalogue = folder_catalogue("cluster", "hardware/catalogue/clusters");
  return catalogue;
}

Device load_device(const std::string& name) { return load(name, device_table(), device_catalogue()); }
NodeType load_node(const std::string& name) { return load(name, node_table(), node_catalogue()); }
Cluster load_cluster(const std::string& name) { return load(name, cluster_table(), cluster_catalogue()); }

} // namespace orrery
