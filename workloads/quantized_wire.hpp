// Sharded states that travel in fewer bits than they are kept in.
//
// What:    the bytes that gathers of parameters and scatters of gradients carry, and the kernels that convert at both ends.
// Formula: of e elements over n ranks, q bytes each on the wire: a gather quantises a rank's own e / n and brings back all e; a scatter
//          quantises all e, and reads the e that arrive to sum them into e / n. The scatter exchanges all parts at once, so that values are
//          rounded a fixed number of times; every link carries what it would carry of a reduce-scatter.
// Source:  ZeRO++ (arXiv 2306.10209): qwZ, 8 bits; qgZ, 4 bits in a hierarchical all-to-all.
// Units:   bytes.
// Valid:   blocks of thousands of elements: a scale for each adds less than 1% and is left out. So are the kernels between the hops of a
//          hierarchical exchange, which see one part in as many as a node has ranks.
#pragma once

#include "workloads/graph.hpp"

#include <vector>

namespace orrery {

/// Bytes of an element on the wire; `kept` = of one that is not quantised.
double wire_bytes(Wire wire, double kept);

/// What converts the parameters of one gather over `ranks`, from and to elements of `kept` bytes. Nothing where the wire is plain.
void convert_gathered(std::vector<Operator>& list, Wire wire, double elements, int ranks, double kept);

/// What converts the gradients of one scatter over `ranks`: made with `made` bytes each, summed in elements of `summed` bytes.
void convert_scattered(std::vector<Operator>& list, Wire wire, double elements, int ranks, double made, double summed);

} // namespace orrery
