// Paths of micro-batches that leave out stages, and an order of passes in which they seldom meet.
//
// What:    every micro-batch runs through the first and the last stage (the input and the loss) and leaves out `skip_stages` of those
//          between, which change from one micro-batch to the next so that each is left out equally often. The order is played in time on a
//          pipeline whose ports carry one message each way at a time: a stage that is free runs the backward pass that has waited longest,
//          else such a forward pass. A micro-batch that comes out of a stage goes to the one of its next two stages that costs less,
//          messages on the way through both and work waiting at the first (in order where they are equal); a stage that it has put off
//          comes next, so that none moves by more than one place. As many micro-batches as there are stages are on their way at most, as
//          in 1F1B. Of two plays, one that leaves out stages far from each other and one that leaves out neighbours, which spares slow
//          links, the shorter counts.
// Source:  Blagoev et al., "SkipPipe: Partial and Reordered Pipelining Framework for Training LLMs in Heterogeneous Networks", arXiv
//          2502.19913: stages skipped and swapped, paths for each micro-batch by the costs of nodes and links that avoid collisions. Its
//          search over paths is replaced by the rules above, which take links behind the ports to be free; which stages are left out
//          together follows no rule of convergence.
// Valid:   one chunk a stage; backward passes in one piece.
// Error:   not compared with a measurement; without skipping, the step of 1F1B (tests/unit/workloads).
#pragma once

#include "workloads/schedule.hpp"

#include <optional>
#include <string>

namespace orrery {

/// Why no such paths exist; none where they do.
[[nodiscard]] std::optional<std::string> skip_problem(int stages, int micro_batches, int skip_stages);

/// Whether a micro-batch leaves this stage out, where those left out lie far from each other. Neighbours are left out in whole rounds of
/// the stages between, so that each stage sees as many micro-batches either way.
[[nodiscard]] bool skips(int stages, int skip_stages, int micro_batch, int stage);

[[nodiscard]] PassOrder skip_order(int stages, int micro_batches, int skip_stages, const PassRatios& ratios);

} // namespace orrery
