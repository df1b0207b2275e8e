// Time of one collective over one group of ranks, every group of the same shape running at the same time.
//
// What: latency, time and bytes per rank of all-reduce, all-gather, reduce-scatter, all-to-all, broadcast, and of point-to-point messages.
//
// Formula: inside a scale-up domain of n ranks, with wire = w(n) x bytes / wire rate,
//   floor + (n - 2) floor_per_rank + 2 sqrt((n - 1) step x wire) + wire / (share (1 - few_loss / n)).
// The root is what cutting a message into the best number of pipelined pieces leaves (Hockney); w = 2 (n-1)/n for all-reduce, (n-1)/n for
// gather, scatter and all-to-all, 1 for broadcast. A switch that reduces carries the buffer once: the faster of both is taken. A mesh of
// D devices gives n of them (n-1)/(D-1) of their links; the devices of a PCIe tree share its root. Levels nest: islands of i ranks inside
// a domain carry w(i) x bytes on their own links, the domain w(n/i) x bytes / i, and the longer of the two is the wire. On a torus a ring
// runs along every dimension that the group fills, both ways round where the dimension closes, so that links of all dimensions carry the
// buffer at once and hops replace ranks in the latency; an all-to-all loads the links of a closed dimension of e ranks with e/8 of what a
// rank sends, of an open one with e/4.
//   Over d domains of p members: the longer of the part inside and the part outside, which a ring, or for all-reduce a double binary
// tree, carries over p NIC shares at once; plus (d - 1) hops per pass of the ring, log2(d) of the tree. Both carry a rank's buffer twice
// over the NICs: NCCL's tuning rates a tree at half the bus bandwidth whatever the number of nodes (src/graph/tuning.cc), so that large
// buffers go round the ring. An all-to-all is flat, a message to every rank outside, or hierarchical, inside to the rank on the rail of
// the destination and then one message to each domain: the faster of both. Beyond a leaf, or a dragonfly group, the up-links' share paces.
// An engine's exchange with the ranks of experts (DeepEP) takes the faster of its two modes inside; a rank stores to all others at once,
// inside and outside, so that more ranks than the eight measured add no latency. Faster links of a node do not speed it (exchange_links).
// Where it goes by way of the rank on the same rail (its normal mode), a row crosses the network once for each domain that holds one of its
// experts and is copied inside.
//
// Source: inside, fitted to NCCL measurements (models/calibration/kernels/collective.csv) and carried to other domains by wire rate.
// Between domains, assumed share and hop times (NetworkCurve); no public table that we know isolates them: Vidur's two-node rows are of
// A100 nodes whose ports are not stated, and jump between 4 and 9 GB/s from one size to the next.
//
// Units: SI; bandwidth per direction and device.
//
// Valid range: 2 to 8 ranks inside a domain, 1 KiB to 1 GiB; larger domains extrapolate floor_per_rank. Torus, islands and dragonfly rest
// on wire rates alone: no table of kernels isolates them.
//
// Known error: tests/calibration/collective_fit_test.cpp prints and bounds it (2 to 8% from 32 MiB; 29% on the uneven links of a V100
// node; 2 to 5% for the engines' own all-reduce of vLLM and SGLang, whose sizes up to 8 MiB count, from where NCCL takes over;
// TensorRT-LLM's takes 1.6 us less below 128 KiB; 10 to 16% for DeepEP with 4 to 10 experts a token, 30 to 60% with one or two). Between
// domains the exchange was not measured here: its README (deepseek-ai/DeepEP) has 118 and 195 us for 128 tokens of DeepSeek-V3 on 16 H800,
// 194 and 360 us on 256, and 58 GB/s for 4,096 tokens on 32, each node of a token counted; the tests hold both.
#pragma once

#include "hardware/description.hpp"
#include "models/cost.hpp"
#include "models/kernel_curves.hpp"
#include "workloads/graph.hpp"
#include "workloads/model.hpp"

#include <array>
#include <optional>
#include <string_view>

namespace orrery {

/// Links of the device that the exchange (DeepEP) was measured on. Its normal mode is paced by the multiprocessors that it takes, 20 by
/// default, not by the links: 4,096 tokens of 2,048 values go out in 1123, 591, 413, 320, 263 and 229 us with 4 to 24 of them (the table
/// that the curve is fitted to). Inside a node of eight, faster links do not help; in larger domains engines run another exchange
/// (HybridEP), which does fill them.
inline constexpr BytesPerSecond exchange_links{450e9};

/// What a group finds on a torus.
struct TorusPaths {
  double lanes = 0;     ///< link directions of a rank that rings along all dimensions keep busy at once
  double hops = 0;      ///< of the longest way that a ring's data goes
  double crossings = 0; ///< all-to-all: what the busiest link carries / what a rank sends

  friend bool operator==(const TorusPaths&, const TorusPaths&) = default;
};

/// Where the ranks of a group sit, level by level: island, scale-up domain, leaf or dragonfly group, fabric.
struct GroupPlacement {
  int size = 1;
  int per_island = 1;          ///< members that share an island
  int per_domain = 1;          ///< members inside one scale-up domain, where they are most
  int fewest = 1;              ///< members inside one scale-up domain, where they are fewest: as many NIC shares carry a ring
  int domains = 1;             ///< scale-up domains that the group touches
  double beyond_leaf = 0;      ///< part of the group's domains that lie under another leaf
  BytesPerSecond nic_share;    ///< NIC bandwidth of one member while all ranks of its node that take part send at once
  BytesPerSecond ring_share;   ///< the same of a ring through the domains, whose last domain under each leaf goes up
  BytesPerSecond spread_share; ///< up-link bandwidth of one member where all send to all leaves
  BytesPerSecond far_share;    ///< up-link bandwidth of one member where all under a leaf send to one other leaf
  TorusPaths torus = {};

  friend bool operator==(const GroupPlacement&, const GroupPlacement&) = default;
};

/// Ranks fill nodes in order. `active_per_node` devices of a node communicate at the same time; 0 = all of them (every group of this shape
/// runs at once, as they do in a training step). Where groups straddle domains unevenly, the placement is that of the worst one.
GroupPlacement place_group(const Cluster& cluster, GroupShape shape, int active_per_node = 0);

/// A rank and its partner in another pipeline stage, all `ranks_per_stage` ranks of the stage sending at once: the pair that is worst off.
GroupPlacement place_stages(const Cluster& cluster, int ranks_per_stage, int from, int to);

struct CollectiveCost {
  Seconds latency;            ///< part of `time` that no bandwidth shortens
  Seconds time;               ///< with nothing else on its links
  Bytes scale_up_bytes;       ///< sent by one rank over its scale-up links
  Bytes network_bytes;        ///< sent by one rank over its NIC
  std::string_view algorithm; ///< "none", "ring", "in-switch", "one-shot", "two-shot", "pairwise", "torus", "network ring", "network tree",
                              ///< "network pairwise", "network hierarchical"
  bool assumed = false;
};

/// Wire bytes of one rank for each byte of the full buffer, in a ring (pairwise for all-to-all) of n ranks.
double wire_factor(CollectiveKind kind, int n);

/// The same of an all-reduce in which every rank reads all others' buffers at once.
constexpr double one_shot_factor(int n) { return n - 1.0; }

/// Share of the wire rate that n ranks reach with large messages.
double bulk_share(const CollectiveCurve& curve, int n);

/// Time inside a domain by the formula above. `wire` = seconds that the wire needs at its full rate.
double collective_time(const CollectiveCurve& curve, int n, double wire);

/// Collectives that an engine runs by kernels of its own where they are faster than the library's.
struct EngineCollectives {
  bool all_reduce = false; ///< small buffers inside a node are summed by direct loads from peers
  bool exchange = false;   ///< tokens go to the ranks of their experts and back by stores into their memory (DeepEP)
  bool low_latency = true; ///< of that, the mode of few tokens too
  Experts experts = {};    ///< that it reaches; of none a row is sent to every rank by itself
};

/// Prices collectives on one cluster. Immutable.
class CollectiveModel {
public:
  CollectiveModel(const Cluster& cluster, const Calibration& calibration, EngineCollectives engine = {});

  /// `bytes` is the full buffer, as in Collective.
  [[nodiscard]] CollectiveCost cost(CollectiveKind kind, Bytes bytes, const GroupPlacement& placement) const;

  /// A point-to-point message between neighbours of a group, every other rank of the stage sending its own. A group that leaves its domain
  /// is paced by the neighbours that do.
  [[nodiscard]] CostedMessage message(Bytes bytes, const GroupPlacement& placement) const;

private:
  void attempt(const std::optional<CollectiveCurve>& curve, Bytes sent, int n, std::string_view name, CollectiveCost& best) const;
  void try_engine(CollectiveKind kind, Bytes bytes, int n, CollectiveCost& best) const;
  [[nodiscard]] CollectiveCost inside(CollectiveKind kind, Bytes bytes, const GroupPlacement& placement) const;
  [[nodiscard]] double wire_time(CollectiveKind kind, Bytes bytes, int n, const GroupPlacement& placement) const;
  [[nodiscard]] BytesPerSecond wire_rate(int n) const;
  [[nodiscard]] CollectiveCost across(CollectiveCost cost, Seconds latency, Seconds outside, Bytes sent, std::string_view algorithm) const;
  [[nodiscard]] CollectiveCost all_to_all(Bytes bytes, const GroupPlacement& placement) const;
  [[nodiscard]] double crossing(const GroupPlacement& placement) const;
  [[nodiscard]] static Seconds carried(double sent, double rate);

  static constexpr std::size_t kinds = 5;

  ScaleUp scale_up_;
  int domain_ = 1;
  double slowest_nic_ = 1; ///< factors of the worst degraded link of each kind
  double slowest_up_ = 1;
  Seconds hop_; ///< between two domains: software, NIC, switches
  NetworkCurve network_;
  std::array<CollectiveCurve, kinds> curves_;
  std::optional<CollectiveCurve> in_switch_;
  std::optional<CollectiveCurve> one_shot_;
  std::optional<CollectiveCurve> two_shot_;
  std::optional<CollectiveCurve> exchange_;
  std::optional<CollectiveCurve> exchange_low_latency_;
  Experts experts_;
  CollectiveCurve send_;
};

} // namespace orrery
