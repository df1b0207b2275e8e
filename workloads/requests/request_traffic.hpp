// Requests drawn from laws: sessions of several turns, shared prefixes, samples and search trees over one prompt, classes of service.
#pragma once

#include "workloads/request.hpp"
#include "workloads/requests/request_laws.hpp"

#include <optional>
#include <string>
#include <vector>

namespace orrery {

/// Who comes back: the next prompt is all that was said before and a new input.
struct SessionLaw {
  double turns = 1;                    ///< mean of a geometric distribution
  std::uint32_t most = 100;            ///< turns of a session
  Seconds think;                       ///< mean time from an answer to the next turn, exponential
  std::uint32_t max_context = 131'072; ///< a session ends before a turn whose prompt and answer would exceed it
};

/// Tokens that stand before the prompts of a group of sessions (a system prompt, a document).
struct SharedPrefix {
  std::uint32_t tokens = 0;
  std::uint32_t groups = 1;
  double exponent = 0; ///< the i-th group is as popular as i^-exponent
};

/// Several answers to one prompt: repeated sampling, or with more levels a tree search in which answers are continued as soon as they end.
struct Continuations {
  std::uint32_t width = 1;  ///< answers per level
  std::uint32_t levels = 1; ///< each level continues answers of the one before
  std::uint32_t keep = 1;   ///< answers of a level that are continued
};

/// A class of service, and how much of the traffic is its.
struct TrafficClass {
  std::string name;
  double share = 1; ///< of the sessions, beside those of the other classes
  int priority = 0;
  std::optional<Seconds> ttft; ///< bounds: see ServiceClass
  std::optional<Seconds> tpot;
  std::optional<Seconds> end_to_end;
  std::optional<Seconds> itl;
  std::optional<double> itl_within;
  std::optional<LengthLaw> input; ///< instead of the traffic's
  std::optional<LengthLaw> output;

  [[nodiscard]] ServiceClass service() const;
};

/// One step of a task: a model's answer, an image, or a tool (a search, a program, a call elsewhere, a message through a broker).
struct TrafficStage {
  std::string name;
  std::string service;            ///< that does it; empty = the job's model, or tools without a limit
  std::vector<std::string> after; ///< stages that end first; their answers are part of the prompt
  LengthLaw input = FixedLength{512};
  LengthLaw output = FixedLength{128};
  std::optional<Seconds> time;        ///< of a tool: median of a lognormal law, instead of both lengths
  double sigma = 0;                   ///< of its logarithm
  std::optional<Bytes> size;          ///< instead of a time: of a message, which its service carries
  std::optional<std::uint32_t> steps; ///< of an image, instead of both lengths: passes of the network (1 = it is looked at)
  std::string continues;              ///< a stage above, whose prompt and answer its own prompt begins with
  std::string back_to;                ///< a stage above: when this one ends, the task begins another round there; empty = it goes on
  LengthLaw rounds = FixedLength{1};  ///< of a task. A model's prompt is then what it saw and said in the round before and new input

  [[nodiscard]] bool tool() const { return time || size; }
};

struct Traffic {
  std::optional<std::uint32_t> requests; ///< all turns and samples counted; neither this nor duration = standard_requests
  std::optional<Seconds> duration;       ///< no session begins after it
  ArrivalLaw arrivals = AtOnce{};        ///< of sessions
  LengthLaw input = FixedLength{512};
  LengthLaw output = FixedLength{128};
  std::optional<std::uint32_t> max_context; ///< what a session begins with is drawn again where prompt and answer exceed it
  SessionLaw sessions;
  SharedPrefix prefix;
  Continuations continuations;
  std::uint32_t block_tokens = 16; ///< shared prefixes are known to so many tokens
  std::vector<TrafficClass> classes;
  std::vector<TrafficStage> stages; ///< what arrives are tasks of these; each stage is a class
};

inline constexpr std::uint32_t standard_requests = 1000;
inline constexpr std::uint32_t most_requests = 100'000'000;

/// Requests, or sessions, arrive when earlier ones end.
void close_loop(RequestStream& stream, const ClosedLoop& loop);

/// Services that stages name, in the order of their numbers from 1 on; 0 = the job's model. Tools without a service of their own have the
/// last one, whose name is empty.
[[nodiscard]] std::vector<std::string> traffic_services(const Traffic& traffic);

/// The same traffic and seed give the same requests, whatever serves them.
[[nodiscard]] RequestStream generate_requests(const Traffic& traffic, std::uint64_t seed);

} // namespace orrery
