// Memory of one rank during a training step.
//
// What:    bytes by class on every pipeline stage, and whether the fullest stage fits its device.
// Formula: parameters + gradients + optimizer states + kept activations x micro-batches in flight + the largest working set + pipeline and
//          communicator buffers + the framework's own, times (1 + fragmentation) on what is allocated dynamically.
// Source:  Korthikanti et al. 2022 (activations); in-flight counts from the schedule itself (workloads/schedule.hpp).
// Units:   bytes.
// Valid:   dense training, ZeRO 0 and 1.
// Error:   tests/calibration: the BLOOM rows, which print nvidia-smi's figure (an upper side).
#pragma once

#include "hardware/description.hpp"
#include "workloads/graph.hpp"
#include "workloads/software.hpp"

#include <string>
#include <vector>

namespace orrery {

struct MemoryFootprint {
  Bytes parameters;
  Bytes gradients;
  Bytes optimizer;
  Bytes activations;
  Bytes working_set;
  Bytes buffers;   ///< pipeline messages in both directions
  Bytes framework; ///< device context, libraries, communicators
  Bytes fragmentation;
  Bytes host;    ///< in host memory, for this rank
  Bytes storage; ///< on the drives of its node, for this rank

  [[nodiscard]] Bytes total() const {
    return parameters + gradients + optimizer + activations + working_set + buffers + framework + fragmentation;
  }
};

/// One entry per pipeline stage.
std::vector<MemoryFootprint> memory_footprint(const OpGraph& graph, const SoftwareProfile& software);

/// The stage that needs most; the last of equals.
struct FullestStage {
  int stage = 0;
  MemoryFootprint memory;
};

FullestStage fullest_stage(const std::vector<MemoryFootprint>& stages);

/// "12.3 GB"
std::string gigabytes(Bytes bytes);

} // namespace orrery
