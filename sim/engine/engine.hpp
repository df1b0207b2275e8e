// The engine: drives a work source through time.
//
// Spans (kernels, decode iterations, repairs) are events of our own, handled in the order (time, sequence of submission). Flows share links
// through SimGrid. Who has the clock: while no flow is in flight nothing is shared, and the engine goes from event to event in exact double
// arithmetic without SimGrid. The first flow hands the clock to SimGrid, with our events plugged in as one of its models, until the network
// is idle again. Runs without flows therefore never start SimGrid; any number of runs, one after the other, may live in a process, on one
// thread.
//
// A flow waits for its latency, then carries its bytes over all links of its route at once, `weight` times over each. It gets the max-min
// fair share. A route should list some 256 links or fewer: name one representative of links that carry the same load and that nothing else
// uses.
#pragma once

#include "sim/base/work.hpp"
#include "sim/engine/network.hpp"
#include "sim/engine/simgrid_network.hpp"

#include <cstdint>
#include <vector>

namespace orrery {

class Engine final : public WorkScheduler, private simgrid_network::Client {
public:
  explicit Engine(Network network = {}) : network_(std::move(network)) {}

  /// Runs from time zero until nothing is in flight. Returns the time of the last completion.
  Seconds run(WorkSource& source);

  [[nodiscard]] Seconds now() const override { return Seconds{now_}; }
  /// Work::actor should count from zero: the engine keeps a row per actor.
  WorkId submit(const Work& work) override;
  void stop(WorkId id) override;
  /// `clock` > 0. Of work in flight, the stretchable and the rigid part are taken as done in equal shares.
  void set_clock(std::uint32_t actor, double clock) override;

  /// Work completed in the last run.
  [[nodiscard]] std::uint64_t completed_count() const { return completed_; }
  /// Bytes that SimGrid delivered over each link in the last run.
  [[nodiscard]] const std::vector<Bytes>& delivered() const { return delivered_; }

private:
  enum class Phase : std::uint8_t { span, delay, flow, flow_ended };

  static constexpr std::uint32_t none = ~0U;
  static constexpr int slot_bits = 24;

  struct Item {
    WorkId id = 0; ///< 0 = free
    Work work;
    double stretchable = 0; ///< seconds at clock 1 left at `since`
    double rigid = 0;
    double since = 0;
    double end = 0;
    std::uint32_t previous = none; ///< of the same actor
    std::uint32_t next = none;
    Phase phase = Phase::span;
  };

  struct Actor {
    double clock = 1;
    std::uint32_t first = none;
  };

  struct Entry {
    double time = 0;
    WorkId id = 0;
    friend bool operator<(const Entry& a, const Entry& b) { return a.time > b.time || (a.time == b.time && a.id > b.id); }
  };

  double reach(double now) override;
  void flow_ended(std::uint32_t slot, double now) override;

  Actor& actor(std::uint32_t index);
  std::uint32_t take_slot();
  void schedule(Item& item);
  void begin_flow(std::uint32_t slot);
  void release(std::uint32_t slot);
  [[nodiscard]] Item* find(WorkId id);
  /// Drops entries of work that was stopped or re-scaled.
  void drop_stale();
  /// Handles the earliest event.
  void step();

  Network network_;
  WorkSource* source_ = nullptr;
  std::vector<Item> items_;
  std::vector<std::uint32_t> free_;
  std::vector<Actor> actors_;
  std::vector<Entry> heap_;
  std::vector<Bytes> delivered_;
  double now_ = 0;
  double origin_ = 0; ///< when the network's busy period began
  std::uint64_t sequence_ = 0;
  std::uint64_t completed_ = 0;
  std::size_t flows_ = 0; ///< in SimGrid
  bool driven_ = false;
  bool bound_ = false;
};

} // namespace orrery
