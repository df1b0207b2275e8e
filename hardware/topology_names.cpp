#include "hardware/topology.hpp"

#include <fmt/format.h>

namespace orrery {

std::string Topology::name(LinkId link) const {
  const TopologyLink& it = links_[link];
  const char* const way = it.direction == LinkDirection::up ? "up" : "down";
  switch (it.kind) {
  case LinkClass::scale_up:
    if (it.direction == LinkDirection::none) {
      const LinkId peers = domain_ - 1;
      const LinkId from = link / peers;
      const LinkId local = from % domain_;
      const LinkId peer = link % peers;
      return fmt::format("device{}/scale-up/device{}", from, from - local + peer + (peer >= local ? 1 : 0));
    }
    return fmt::format("device{}/scale-up/{}", link / 2, way);
  case LinkClass::pcie:
    return fmt::format("device{}/pcie/{}", (link - first_pcie_) / 2, way);
  case LinkClass::root:
    return fmt::format("node{}/root", link - first_root_);
  case LinkClass::nic: {
    const LinkId port = (link - first_nic_) / 2;
    return fmt::format("node{}/nic{}/{}", port / ports_, port % ports_, way);
  }
  case LinkClass::spine: {
    const LinkId pair = (link - first_spine_) / 2;
    return fmt::format("leaf{}/spine{}/{}", pair / spines_, pair % spines_, way);
  }
  case LinkClass::local: {
    const LinkId peers = routers_ - 1;
    const LinkId from = (link - first_local_) / peers % routers_;
    const LinkId peer = (link - first_local_) % peers;
    return fmt::format("group{}/router{}/router{}", (link - first_local_) / peers / routers_, from, peer + (peer >= from ? 1 : 0));
  }
  case LinkClass::global: {
    const LinkId peers = leaves_ - 1;
    const LinkId from = (link - first_global_) / peers;
    const LinkId peer = (link - first_global_) % peers;
    return fmt::format("group{}/group{}", from, peer + (peer >= from ? 1 : 0));
  }
  case LinkClass::torus:
    break;
  }
  const LinkId side = (link - first_torus_) / 2;
  const auto dimensions = static_cast<LinkId>(torus_.size());
  return fmt::format("device{}/torus{}/{}", side / dimensions, side % dimensions, it.direction == LinkDirection::up ? "ahead" : "back");
}

std::vector<LinkId> Topology::find(std::string_view name) const {
  std::vector<LinkId> found;
  for (LinkId link = 0; link < links_.size(); ++link) {
    const std::string own = this->name(link);
    const bool whole = own == name;
    const bool without_direction = links_[link].direction != LinkDirection::none && own.starts_with(name) &&
                                   own.find('/', name.size()) == name.size() && own.find('/', name.size() + 1) == std::string::npos;
    if (whole || without_direction)
      found.push_back(link);
  }
  return found;
}

} // namespace orrery
