// Requests of a serving system: who asks for how many tokens, and when.
#pragma once

#include "sim/base/units.hpp"

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace orrery {

using RequestId = std::uint32_t; ///< index into RequestStream::requests
inline constexpr RequestId no_request = ~0U;

struct Request {
  Seconds arrival;                ///< since the start; of a follower, since the end of the request that it follows; of a closed loop,
                                  ///< since the end of the one before and the pause
  std::uint32_t input = 1;        ///< prompt tokens
  std::uint32_t output = 1;       ///< tokens generated, the first one included
  RequestId follows = no_request; ///< it arrives after this earlier one has ended (next turn of a session)
  std::uint32_t prefix = 0;       ///< first of its blocks in RequestStream::blocks
  std::uint16_t prefix_blocks = 0;
  std::uint16_t service_class = 0; ///< index into RequestStream::classes
  std::uint16_t service = 0;       ///< of the system, that it goes to; one that runs tools takes RequestStream::tool_times and no tokens
};

inline constexpr std::uint32_t most_prefix_blocks = std::numeric_limits<decltype(Request::prefix_blocks)>::max();

/// One stage of a task has to end before another one arrives.
struct Dependency {
  RequestId before = 0;
  RequestId after = 0;
};

/// What the sender was promised.
struct ServiceClass {
  std::string name;
  int priority = 0;      ///< higher goes first
  Seconds ttft;          ///< bound of the time to first token; 0 = none
  Seconds tpot;          ///< bound of the mean time per output token after the first; 0 = none
  Seconds end_to_end;    ///< 0 = none
  Seconds itl;           ///< bound of the gaps between its tokens; 0 = none
  double itl_within = 1; ///< share of the gaps of a request that has to keep it; 1 = every one
  bool images = false;   ///< its requests are images: what they ask for are passes of a network, no tokens
};

struct RequestStream {
  std::vector<Request> requests;     ///< those that follow none in the order of arrival
  std::vector<std::uint32_t> blocks; ///< identities of blocks of prompts, and of outputs behind them: those that start alike share a prefix
  int block_tokens = 512;            ///< tokens of one such block
  std::vector<ServiceClass> classes{{.name = "default"}};
  int concurrency = 0; ///< closed loop: so many requests (or sessions) in the system, the next one arrives when one ends; 0 = open
  Seconds pause;       ///< of a closed loop: from an end to the next arrival
  int stages = 1;      ///< of a task, whose requests are neighbours; the first one follows none, all others follow others of it
  Seconds task;        ///< bound of the time from a task's arrival to its last end; 0 = none
  std::vector<Dependency> joins;   ///< what some requests wait for beside the one that they follow
  std::vector<Seconds> tool_times; ///< by request; empty = no request runs a tool
};

} // namespace orrery
