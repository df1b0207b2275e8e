// Cost of decode iterations of one batch as its contexts grow: a piecewise linear function with closed sums, so that a stretch of
// iterations in which nothing else changes costs as much to simulate as one.
//
// What:    cost of an iteration at a mean context per sequence; of a stretch of iterations; the iterations that a time holds.
// Formula: linear between knots; sums of arithmetic series between them.
// Units:   tokens of context per sequence; SI.
// Error:   against the kernels' closed forms that of linear interpolation (below 0.3% with knots a factor 2^(1/4) apart); a stretch equals
// the
//          sum of its iterations to 1e-12.
#pragma once

#include "sim/base/units.hpp"

#include <cstdint>
#include <vector>

namespace orrery {

/// Cost of one iteration of a replica, or of a stretch of them.
struct IterationCost {
  Seconds latency;   ///< from the start of its first stage to its tokens
  Seconds occupancy; ///< of the slowest pipeline stage: as much later the next batch may end; = latency where there is one stage
  Joules energy;     ///< of all devices of the replica
  Joules excess;     ///< part of it that their power caps do not allow, at their lowest clock
  Flops flops;       ///< over all devices
  Bytes memory;      ///< traffic to device memory, over all devices

  IterationCost& operator+=(const IterationCost& other);
  friend IterationCost operator*(IterationCost cost, double times);
};

class DecodeCurve {
public:
  /// `contexts` ascending, at least two; the last piece goes on for ever.
  DecodeCurve(std::vector<double> contexts, std::vector<IterationCost> costs);

  [[nodiscard]] IterationCost at(double context) const;
  /// Of `count` iterations, the context growing by `step` from each to the next.
  [[nodiscard]] IterationCost sum(double context, std::int64_t count, double step = 1) const;
  /// The most iterations, up to `most`, whose latencies sum up to no more than `limit`.
  [[nodiscard]] std::int64_t within(double context, Seconds limit, std::int64_t most, double step = 1) const;
  /// Those of `count` iterations whose latency is above `limit`.
  [[nodiscard]] std::int64_t longer(double context, Seconds limit, std::int64_t count, double step = 1) const;

private:
  /// Of the iterations from `context` on, those that lie in its piece, up to `most`.
  [[nodiscard]] std::int64_t in_piece(double context, std::int64_t most, double step) const;
  /// By which the latency grows from one iteration to the next in the piece of `context`.
  [[nodiscard]] double growth(double context, double step) const;
  [[nodiscard]] std::size_t piece(double context) const;

  std::vector<double> contexts_;
  std::vector<IterationCost> costs_;
};

} // namespace orrery
