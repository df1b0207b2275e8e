// Links that are loaded alike count as one.
//
// What:    the loads of many transfers on the links of a topology, without a list of all links: those that the same transfers load with the
//          same weights are one class, and its tightest link stands for it.
// Formula: every transfer divides each class by the weight that it puts on a link. Max-min sharing does not see the difference: of links
//          with the same loads only the one of the least bandwidth can be full.
// Valid:   transfers that are all that may be in flight together. Error: none.
// Costs:   one look-up for each link of each transfer: a third of a second for a step of a million devices.
#pragma once

#include "hardware/topology.hpp"
#include "sim/base/work.hpp"
#include "sim/engine/link_loads.hpp"

#include <cstdint>
#include <vector>

namespace orrery {

class LinkClasses {
public:
  explicit LinkClasses(const Topology& topology)
      : topology_(topology), counter_(topology), class_(topology.links().size(), 0), classes_(1) {}

  /// One message of the transfer under way, from `source` to `destination`.
  void add(int source, int destination) { counter_.add(source, destination); }
  /// Ends the transfer under way and returns its number, from 0.
  std::uint32_t end_transfer();

  /// What stands for the links that each transfer loads, by ascending link.
  [[nodiscard]] std::vector<std::vector<LinkLoad>> routes() const;

private:
  /// Links of the class `parent` that transfer `transfer` loads so often.
  struct Class {
    std::uint32_t parent = 0;
    std::uint32_t transfer = 0;
    std::uint32_t weight = 0;
  };

  const Topology& topology_;
  LoadCounter counter_;              ///< of the transfer under way
  std::vector<std::uint32_t> class_; ///< by link; 0 = no transfer loads it
  std::vector<Class> classes_;       ///< each after its parent
  std::uint32_t transfers_ = 0;
};

} // namespace orrery
