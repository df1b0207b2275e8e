// What a collective moves through the memory of each of its ranks.
//
// What:    bytes that one rank reads and writes, over all steps of a ring.
// Formula: of a buffer of b bytes over n ranks, in parts of b / n. Reduce-scatter: the first part is read and sent; each of the n - 1 that
//          arrive is written, then read with the rank's own to be summed, and the last sum is written: (2 n - 1) reads, n writes.
//          All-gather: n - 1 of each; all-reduce: both after each other; all-to-all: n - 1 of each; broadcast: one buffer read or written.
//          Summed in memory: what arrives is added where it lies, so that it is never read to be summed. The producer sends its first
//          part without writing it and the ring reads only what it passes on: n - 2 reads, n - 1 writes, and 1 write of the producer less.
// Source:  ring algorithms of NCCL; T3 (arXiv 2401.16677), near-memory reduction with tracked and triggered transfers.
// Units:   bytes.
// Valid:   caches hold nothing between the steps.
// Error:   against T3's own simulation, scenarios/papers/claims/CT14-t3.yaml.
#pragma once

#include "workloads/graph.hpp"

namespace orrery {

Bytes collective_traffic(const Collective& collective, int ranks);

} // namespace orrery
