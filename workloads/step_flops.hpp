// FLOPs of one step over all ranks, under the field's conventions. Elementwise work is not counted, as everywhere in the field.
#pragma once

#include "workloads/transformer.hpp"

namespace orrery {

/// Without recomputation.
StepFlops step_flops(const TrainingJob& job, const SoftwareProfile& software);

/// What the graph's backward passes compute again.
Flops recomputed_flops(const OpGraph& graph);

} // namespace orrery
