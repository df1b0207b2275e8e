// What documents of unequal length do to the passes of a step.
//
// What:    the attention of a micro-batch takes more or less than the mean, and with it its passes; other replicas and stages wait.
// Formula: factor of micro-batch m of replica r = mean attended length of its sequences over that of all drawn (workloads/documents.hpp),
//          on the part of a pass that its fused attention takes. One step of few sequences says little of a run: its longest documents
//          decide how long it takes. So steps of 512 sequences together are drawn, and the mean of their times counts. With attention
//          servers all micro-batches take the mean. Balanced documents are dealt to the replicas by their work too. Ranks that share a
//          sequence (cp) take even parts of each of its documents.
// Source:  DistCA (arXiv 2510.18121): core attention goes with the squares of documents, the rest with the tokens. WLB-LLM (arXiv
//          2503.17924): context parallelism document by document.
// Units:   factors and shares.
// Valid:   simulated steps: an estimate takes every micro-batch for the mean one.
// Error:   not compared with a measurement. Of what unequal documents add to a step the draw leaves some 10% (16 sequences of 512k tokens a
//          step, a spread of 1.5).
#pragma once

#include "scenarios/run.hpp"
#include "sim/engine/pipeline.hpp"

#include <cstdint>
#include <vector>

namespace orrery {

/// Whether micro-batches of a job take unequal times.
bool has_unequal_passes(const TrainingScenario& job);

/// StepOptions::loads of all replicas, for each of the steps that stand for a run; of one step, empty, where passes take equal times.
std::vector<PassLoads> document_loads(const TrainingScenario& job, const Stages& stages, std::uint64_t seed);

} // namespace orrery
