// Ways over which prefill replicas hand KV memory to decode replicas.
//
// What:    links that a hand-over loads, and how often its pieces cross each.
// Formula: memory is spread evenly over the devices of a replica; as many pieces as the larger side has devices go from the device that has
//          them to the device that will, all at once.
// Units:   devices are those of the Topology; bytes over all devices of a replica.
// Valid:   replicas on devices of their own.
#pragma once

#include "hardware/topology.hpp"
#include "sim/engine/serving.hpp"

#include <span>

namespace orrery {

/// Neighbouring devices that a replica runs on.
struct ReplicaPlace {
  int first = 0;
  int count = 1;
};

/// `places` parallel to `replicas`; `per_token` = KV bytes of one token over all devices.
KvTransfer kv_transfer(const Topology& topology, std::span<const ServingReplica> replicas, std::span<const ReplicaPlace> places,
                       Bytes per_token);

} // namespace orrery
