// Costs: what the models hand to the engine. Plain values.
#pragma once

#include "hardware/description.hpp"
#include "sim/base/units.hpp"
#include "workloads/graph.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace orrery {

/// Share of the shorter of a kernel and a collective that running them side by side saves: the collective takes multiprocessors and memory
/// bandwidth from the kernel. Assumed: no kernel measurement of overlapped pairs is public.
inline constexpr double overlap_gain = 0.8;

enum class Bound { compute, memory, latency, network, host };

/// Cost of one operator on one rank.
struct OpCost {
  Seconds time;
  Seconds stretchable; ///< the part of `time` that scales with 1 / compute clock
  Seconds unlimited;   ///< the same at the clock of short kernels, which no power limiter slows
  Flops flops;
  Bytes memory;   ///< traffic to the device's memory
  Bytes scale_up; ///< sent over the scale-up links
  Bytes network;  ///< sent over the NIC
  Bound bound = Bound::compute;
  int unit = 0;              ///< index into Device::units
  bool assumed = false;      ///< rests on an assumed fraction rather than on fitted kernels
  bool extrapolated = false; ///< outside the range of the kernels that the curve was fitted to
};

/// How long work outside a device keeps each part of the way busy, for one rank while all devices of its node do the same.
struct TierLoad {
  Seconds in;        ///< link from the host to the device
  Seconds out;       ///< link from the device to the host
  Seconds memory;    ///< host memory
  Seconds storage;   ///< drives
  Seconds processor; ///< host processors

  [[nodiscard]] Seconds longest() const { return std::max({in, out, memory, storage, processor}); }

  void add(const TierLoad& other, double times = 1) {
    in += other.in * times;
    out += other.out * times;
    memory += other.memory * times;
    storage += other.storage * times;
    processor += other.processor * times;
  }
};

/// A run of operators on a rank's compute stream.
struct Span {
  Seconds stretchable;
  Seconds rigid;
  Watts power;        ///< mean draw of one device over the span
  double clock = 1.0; ///< that its power cap leaves
  Seconds wait;       ///< part of `rigid` in which the device waits for a tier outside it

  [[nodiscard]] Seconds total() const { return stretchable + rigid; }
};

struct CostedBlock {
  std::vector<OpCost> forward;  ///< parallel to Block::forward; of a collective, the time that its pass does not hide
  std::vector<OpCost> backward; ///< parallel to Block::backward
};

struct CostedChunk {
  Span forward;
  Span backward;
  Span weight;            ///< gradients of the weights, where the schedule splits them off
  double weight_held = 1; ///< share of the kept activations that they need
  TierLoad forward_tiers; ///< in the shadow of the pass, or what it waits for
  TierLoad backward_tiers;
};

/// A point-to-point message of one rank to its pipeline neighbour. All ranks of a stage send theirs at the same time.
struct CostedMessage {
  Bytes bytes;
  Seconds latency;
  BytesPerSecond bandwidth; ///< that one rank gets when only its own stage's ranks share the NICs
  bool over_network = false;

  [[nodiscard]] Seconds time() const { return bytes.si() > 0 ? latency + bytes / bandwidth : Seconds{}; }
};

/// A collective at the end of a step.
struct CostedCollective {
  std::string name;
  CollectiveKind kind = CollectiveKind::all_reduce;
  Group group = Group::data;
  Seconds latency;
  Seconds time;  ///< latency + transfer when nothing else uses its links
  Bytes network; ///< per rank, over its NIC; 0 = stays inside the scale-up domain
  bool overlapped = false;
};

struct CostedStage {
  std::vector<CostedChunk> chunks;          ///< by virtual stage
  std::vector<CostedCollective> reductions; ///< after the last backward pass, before the optimizer
  Span optimizer;
  std::vector<CostedCollective> gathers; ///< after the optimizer
  CostedMessage forward_send;            ///< to the next stage; of no bytes on a pipeline of one
  CostedMessage backward_send;           ///< to the previous stage
  CostedMessage forward_return;          ///< to the previous stage, where a schedule runs chunks in falling order of stages
  CostedMessage backward_return;         ///< to the next stage

  std::vector<CostedMessage> sends; ///< by receiving stage (x 2, + 1 = backward) where micro-batches take paths of their own; else empty

  [[nodiscard]] int messages() const { return sends.empty() ? 4 : static_cast<int>(sends.size()); }
  /// As `sends`; where that is empty, by direction of the pass (+ 1 = backward) and of the chunk (+ 2 = falling order).
  [[nodiscard]] const CostedMessage& message(int index) const {
    if (!sends.empty())
      return sends[static_cast<std::size_t>(index)];
    return index == 0 ? forward_send : index == 1 ? backward_send : index == 2 ? forward_return : backward_return;
  }
};

/// Everything that the engine needs of a training step.
struct CostedGraph {
  ScheduleKind schedule = ScheduleKind::one_f_one_b;
  int micro_batches = 1;
  int virtual_stages = 1;
  int skip_stages = 0; ///< that each micro-batch leaves out (SkipPipe)
  int replicas = 1;    ///< ranks of a data group
  GroupShapes groups;
  bool overlap_p2p = false;
  std::vector<CostedBlock> blocks; ///< parallel to OpGraph::blocks
  std::vector<CostedStage> stages;
  Seconds step_host; ///< framework time per step that nothing hides

  [[nodiscard]] int ranks() const { return groups.at(Group::tensor).size * groups.at(Group::data).size * groups.at(Group::pipeline).size; }
};

} // namespace orrery
