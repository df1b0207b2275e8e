// Cost of one iteration of a serving replica: what the engine asks of a cost model.
//
// What:        latency, occupancy, energy, FLOPs and memory traffic of prompts and decoding sequences computed together.
// Formula:     that of the implementation (models/iteration_model.hpp; tests have simpler ones).
// Source:      the implementation's.
// Units:       tokens; SI.
// Valid range: the implementation's.
// Known error: the implementation's.
#pragma once

#include "models/decode_curve.hpp"

#include <span>

namespace orrery {

/// Tokens of one prompt computed in an iteration.
struct PrefillChunk {
  std::uint32_t tokens = 0;
  std::uint32_t past = 0; ///< tokens of the sequence in the KV cache before
  bool last = true;       ///< it ends the prompt: the head gives a token
};

/// What a replica costs. Implementations keep what they priced: the second question of a kind costs a look-up.
class IterationModel {
public:
  virtual ~IterationModel() = default;
  /// `decodes` sequences with `context` tokens in the KV cache each on average, beside prompts. Not both empty.
  virtual IterationCost cost(std::span<const PrefillChunk> prompts, int decodes, double context) = 0;
  /// The same without prompts, over all contexts. The reference stays valid.
  virtual const DecodeCurve& decode(int sequences) = 0;
};

} // namespace orrery
