// The blocks of a decoder-only transformer for one micro-batch on one tensor-parallel rank.
#pragma once

#include "workloads/graph.hpp"
#include "workloads/transformer.hpp"

namespace orrery {

/// One transformer layer. Its backward list starts with whatever the plan recomputes.
Block layer_block(const TrainingJob& job, const Plan& plan, const SoftwareProfile& software);

/// Token (and position) embedding at the start of the first chunk.
Block embedding_block(const TrainingJob& job, const Plan& plan, const SoftwareProfile& software);

/// Final norm, LM head and loss at the end of the last chunk.
Block head_block(const TrainingJob& job, const Plan& plan, const SoftwareProfile& software);

/// Gathers a pipeline message that arrived in tensor-parallel shares; both lists may be empty.
Block receive_block(const TrainingJob& job, const Plan& plan, const SoftwareProfile& software);

} // namespace orrery
