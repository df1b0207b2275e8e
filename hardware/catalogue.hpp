// The catalogue of machines under hardware/catalogue, by name. Loading throws UserError for names and figures that are wrong.
#pragma once

#include "hardware/description.hpp"
#include "sim/base/params_shape.hpp"

#include <string>

namespace orrery {

const Catalogue& device_catalogue();
const Catalogue& link_catalogue();
const Catalogue& tier_catalogue();
const Catalogue& node_catalogue();
const Catalogue& cluster_catalogue();

Device load_device(const std::string& name);
NodeType load_node(const std::string& name);
Cluster load_cluster(const std::string& name);

} // namespace orrery
