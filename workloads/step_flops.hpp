// FLOPs of one step over all ranks, under the field's conventions. Elementwise work is not counted, as everywhere in the field.
#pragma once

#include "workloads/transformer.hpp"

namespace orrery {

/// Without recomputation.
StepFlops step_flops(const TrainingJob& job, const SoftwareProfile& software);

/// Of one operator: those of products and of fused attention.
StepFlops operator_flops(const Operator& op);

/// The same added up over a graph; what is computed again counts as executed only.
StepFlops summed_flops(const OpGraph& graph);

/// What the graph's backward passes compute again.
Flops recomputed_flops(const OpGraph& graph);

} // namespace orrery
