// FLOPs of one step over all ranks, under the field's conventions. Elementwise work is not counted, as everywhere in the field.
#pragma once

#include "workloads/transformer.hpp"

namespace orrery {

StepFlops step_flops(const TrainingJob& job, const Plan& plan, const SoftwareProfile& software);

} // namespace orrery
