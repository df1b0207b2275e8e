// SimGrid behind plain numbers. Only simgrid_network.cpp knows its names.
//
// SimGrid lives once per process, on one thread: this is that one instance, made when the first flow starts. Its clock counts the present
// busy period of the network: it is set to zero when a flow starts on an idle network, so that neither earlier runs in the process nor days
// of simulated time before the flow cost a bit of its arithmetic, and two runs in one process give the same bytes.
//
// Settings (CM02, no TCP window bound, no cross traffic of acknowledgements) make a lone flow take bytes / bandwidth and let flows share
// links max-min fair. A flow's start delay never reaches SimGrid, whose CM02 would share by 1 / latency: the engine keeps it as a span
// before the flow.
#pragma once

#include "sim/base/work.hpp"
#include "sim/engine/network.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace orrery::simgrid_network {

/// The engine, as SimGrid's clock sees it. Times are seconds since the busy period began.
class Client {
public:
  virtual ~Client() = default;
  /// Handles every event of the engine that is due. Returns the time of the next one; negative when there is none or no flow is in flight.
  virtual double reach(double now) = 0;
  virtual void flow_ended(std::uint32_t flow, double now) = 0;
};

/// Forgets the links of the run before. `network` must outlive the run.
void bind(const Network& network);

/// Starts `bytes` (> 0) over `route`. `flow` is the caller's name for it, unique among the flows in flight.
void start(std::uint32_t flow, Bytes bytes, const std::vector<LinkLoad>& route);

/// Ends a flow in flight; what it carried so far stays counted.
void stop(std::uint32_t flow);

/// Gives SimGrid the clock until no flow is in flight. An exception of the client ends the flows and comes out here.
void drive(Client& client);

/// Bytes that SimGrid delivered over each link since bind().
std::vector<Bytes> delivered();

/// The settings, for the record of a Result.
std::string settings();

} // namespace orrery::simgrid_network
