// Rollouts of reinforcement learning: each step samples responses from the present model, then trains on them.
//
// What:    time and tokens of the generation phase of each step, on the replicas of a serving system.
// Formula: synchronous: a step's responses all start together, and the longest one ends the phase. Active partial rollouts: more responses
//          than the step needs are under way, the phase ends with the last one needed, and the others go on in the next step, their prompts
//          and what they had produced computed again under the new weights.
// Source:  APRIL (arXiv 2509.18521).
// Units:   SI; tokens.
// Valid:   responses whose lengths do not depend on the policy's age.
// Error:   none of its own.
#pragma once

#include "sim/engine/serving.hpp"

#include <vector>

namespace orrery {

struct RolloutOptions {
  int steps = 8;
  int responses = 256;   ///< that a step trains on
  double surplus = 0;    ///< responses under way beyond those, as a share of them; 0 = synchronous
  Seconds training_step; ///< after each generation phase
};

struct RolloutStep {
  Seconds generation;
  double output_tokens = 0;  ///< of the responses that the step trains on
  double computed_again = 0; ///< prompt and output tokens of responses that go on from an earlier step
  int carried = 0;           ///< responses that go on in the next step
  double earlier_tokens = 0; ///< of `output_tokens`, those sampled by an earlier policy
};

struct RolloutRun {
  std::vector<RolloutStep> steps;

  [[nodiscard]] Seconds generation() const;
  [[nodiscard]] double output_tokens() const;
  /// Output tokens of finished responses over the time of the generation phases.
  [[nodiscard]] double tokens_per_second() const { return output_tokens() / generation().si(); }
  /// The same over the time with training.
  [[nodiscard]] double tokens_per_second(const RolloutOptions& options) const;
};

/// `responses`: prompts and their lengths in the order of sampling, used again from the start when they run out. Not empty.
RolloutRun simulate_rollouts(const std::vector<Request>& responses, const ServingSystem& system, const RolloutOptions& options);

} // namespace orrery
