// How a serving engine forms the batch of an iteration: a policy is a row of traits, and one mechanism carries them all out
// (sim/engine/replica.hpp).
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace orrery {

/// When waiting requests may join.
enum class Admission {
  continuous, ///< before every iteration
  when_empty  ///< when the batch before has ended as a whole; it keeps its size to its end (static batching)
};

/// What KV memory a sequence gets when it is admitted.
enum class Reservation {
  prompt, ///< that of its prompt; more as it grows, and where none is left the latest sequence is preempted
  whole   ///< that of its last token: none is preempted
};

struct BatchingPolicy {
  std::string name;
  Admission admission = Admission::continuous;
  bool prefill_alone = false;   ///< prompts are computed in iterations of their own, which go first; else beside the decoding sequences
  bool chunked_prefill = false; ///< prompts are cut to what the token budget leaves; else one that no budget holds goes alone
  Reservation reservation = Reservation::prompt;
  /// Those that wait are taken by the length of their prompts, shortest first, and each second of waiting counts as so many tokens less;
  /// else in the order of their arrival.
  std::optional<double> aging;
  int max_sequences = 256; ///< in a batch
  int max_tokens = 2048;   ///< of an iteration, prompts and decoding sequences together
  int groups = 1;          ///< with schedulers of their own (attention-DP), each for an even part of both limits
  int poll_iterations = 1; ///< while it decodes, the scheduler looks at what waits every so many iterations
};

/// Static (FasterTransformer), Orca, vLLM v0 and v1, Sarathi, SplitFuse, TensorRT-LLM, SGLang, Nexus, with their usual limits.
const std::vector<BatchingPolicy>& batching_policies();

} // namespace orrery
