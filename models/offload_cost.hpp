// Time of moving bytes between a device and the tiers outside it, and of updating states that lie there.
//
// What:    how long a transfer or an update keeps each part of its way busy: link in, link out, host memory, drives, processors.
// Formula: bytes / (bandwidth x share), all devices of a node at once: a device has its own link, or its part of what the host offers all
//          links together; host memory, drives and processors are divided by the devices of the node. A link carries both directions at
//          once; drives and host memory carry reads and writes one after the other. Bytes of a drive pass through host memory twice (a
//          pinned buffer). Host processors stream through states, gradients and parameters, and once more through gradients that are
//          rescaled first, at `processor_share` of the memory's rate, or at their peak if that takes longer. Work on subgroups keeps all
//          parts busy at once: an update lasts as long as the busiest; a serial one, whose processors wait for each read, write and copy,
//          as long as all of them (DeepSpeed's pipeline_read and pipeline_write, which are off by default). A split update takes the share
//          that makes the busiest shortest.
// Source:  structure as workloads/offload.hpp. Shares: `link_share` assumed from bandwidth tests with pinned memory as commonly published
//          (12.5 of 15.75, 26 of 31.5, 53 of 63 GB/s); `memory_share` assumed from STREAM results (75 to 85% of peak); `processor_share`
//          derived from the CPU-Adam latencies of ZeRO-Offload (table 4: a billion parameters in 0.22 s, ten in 2.57 s, 30 bytes each, two
//          sockets of 128 GB/s), recalled, not re-read.
// Units:   SI, of one rank.
// Valid:   bulk transfers. Filling the pipeline with the first subgroup or block is not counted: 1 to 3% of 40 to 100 of them.
// Error:   no public kernel table isolates these; scenarios/papers compares with published systems.
#pragma once

#include "hardware/description.hpp"
#include "models/cost.hpp"
#include "models/memory.hpp"
#include "workloads/graph.hpp"

#include <string>
#include <vector>

namespace orrery {

inline constexpr double link_share = 0.82;
inline constexpr double memory_share = 0.8;
inline constexpr double processor_share = 0.5;

/// Of one device's path to its host, per direction, where all devices of the node use theirs.
BytesPerSecond host_link_rate(const NodeType& node);

/// Prices transfers and updates on one kind of node. Immutable.
class TierModel {
public:
  explicit TierModel(const NodeType& node);

  [[nodiscard]] TierLoad transfer(const TierTransfer& transfer) const;

  /// `on_device` = time of the whole update on the device once its states are there, which its share takes of the link.
  [[nodiscard]] TierLoad update(const TierUpdate& update, double device_share, Seconds on_device) const;

  /// The share that the plan asks for, or the one that ends first.
  [[nodiscard]] double device_share(const TierUpdate& update, Seconds on_device) const;

private:
  [[nodiscard]] TierLoad moved(Tier tier, Bytes in, Bytes out) const;

  BytesPerSecond link_;
  BytesPerSecond memory_;
  BytesPerSecond processor_;
  FlopsPerSecond peak_;
  BytesPerSecond read_;
  BytesPerSecond write_;
};

/// What keeps the tiers of a node from holding what a plan puts there, as inequalities; `stages` as memory_footprint gives them.
std::vector<std::string> tier_shortages(const NodeType& node, const std::vector<MemoryFootprint>& stages);

} // namespace orrery
