// Documents of unequal length, packed into the sequences of a training job.
//
// What:    how much attention a packed sequence needs: tokens attend within their document, so that work goes with the sum of the squares
// of
//          the lengths, while everything else goes with the tokens.
// Formula: lengths are drawn log-normal. A sequence is filled document by document, and the last is cut at its end. With documents l_i in
//          a sequence of S tokens, attended length = sum l_i^2 / S: the length of the equal documents that would take as much attention.
//          Load of a sequence = its attended length over the mean one. Balanced: the same documents, longest first, each into the sequence
//          of least work that has room for it; where none has, it is cut at the end of the one with the most room.
// Source:  packing as in Megatron-LM and WLB-LLM (arXiv 2503.17924); stragglers and their removal in DistCA (arXiv 2510.18121).
// Units:   tokens.
// Valid:   lengths without correlation between sequences. Means are over 512 drawn sequences: within 3% for spreads up to 1.5.
#pragma once

#include <cstdint>
#include <vector>

namespace orrery {

struct Documents {
  int median = 0;        ///< tokens; 0 = a sequence is one document
  bool balanced = false; ///< those of a step are packed so that its sequences take as equal work as whole documents allow
  double spread = 0;     ///< standard deviation of the logarithm of the lengths; 0 = all alike

  [[nodiscard]] bool packed() const { return median > 0; }
  [[nodiscard]] bool unequal() const { return packed() && spread > 0; }
};

/// Attended lengths of `count` sequences of so many tokens.
std::vector<double> attended_lengths(const Documents& documents, int sequence, int count, std::uint64_t seed);

/// Sequences that means over unequal documents are taken over.
inline constexpr int drawn_for_means = 512;

/// Of those sequences.
std::vector<double> drawn_attended_lengths(const Documents& documents, int sequence);

/// The mean one.
double mean_attended_length(const Documents& documents, int sequence);

/// Share of the attention work that lies above the mean of equal shares: what has to move for all to have the same.
double excess_share(const std::vector<double>& loads);

} // namespace orrery
