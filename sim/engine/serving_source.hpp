// The work source behind simulate_serving(): arrivals, routing, iterations, hand-overs, scaling.
#pragma once

#include "sim/base/work.hpp"
#include "sim/engine/autoscaler.hpp"
#include "sim/engine/replica.hpp"
#include "sim/engine/serving.hpp"

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

namespace orrery {

class ServingSource final : public WorkSource {
public:
  ServingSource(const RequestStream& stream, const ServingSystem& system, const ServingOptions& options);

  void start(WorkScheduler& scheduler) override;
  void completed(WorkId id, const Work& work, WorkScheduler& scheduler) override;

  ServingRun take();

private:
  /// What a piece of work in flight stands for; the rest of its tag says which one.
  enum class Event : std::uint8_t { arrival, follower, iteration, transfer, decision, ready, moved, tool, answer };

  static constexpr int event_shift = 56;
  static std::uint64_t tag_of(Event event, std::uint64_t value) { return (static_cast<std::uint64_t>(event) << event_shift) | value; }
  static Event event_of(std::uint64_t tag) { return static_cast<Event>(tag >> event_shift); }
  static std::uint64_t value_of(std::uint64_t tag) { return tag & ((std::uint64_t{1} << event_shift) - 1); }

  /// A slot of a replica, as the engine sees it.
  struct Lane {
    std::uint32_t replica = 0;
    std::uint32_t slot = 0;
    WorkId work = 0;
    Seconds begin;
  };

  enum class State : std::uint8_t { off, starting, on, draining };
  struct Power {
    State state = State::on;
    Seconds since;
  };

  /// What a service has, and who waits for it.
  struct Desk {
    std::vector<std::uint32_t> entry;  ///< replicas that take arrivals
    std::vector<std::uint32_t> decode; ///< replicas that take hand-overs
    std::size_t turn = 0;
    std::size_t decode_turn = 0;
    std::deque<RequestId> queue; ///< for a worker
    int running = 0;             ///< workers
  };

  void wait_for_arrival(WorkScheduler& scheduler);
  [[nodiscard]] bool is_tool(RequestId id) const {
    const ServingService& service = services_[stream_.requests[id].service];
    return service.replicas == 0;
  }
  void ask_worker(RequestId id, Seconds now);
  void run_tools(WorkScheduler& scheduler);
  void end_tool(RequestId id, WorkScheduler& scheduler);
  void answer(RequestId id, Seconds now);
  void count_joins();
  [[nodiscard]] bool awaited(RequestId follower);
  bool skip_followers();
  void admit_arrivals(Seconds now);
  void admit_next(WorkScheduler& scheduler);
  /// Whether it fits into a replica.
  bool arrive(RequestId id, Seconds now);
  std::uint32_t route(RequestId id, bool decode, Seconds now);
  void hand_over(RequestId id, std::uint32_t from, WorkScheduler& scheduler);
  void handle_ended(std::uint32_t replica, WorkScheduler& scheduler);
  /// Starts idle slots of the replicas that got something to do, and ends stretches that a request could join.
  void serve_touched(WorkScheduler& scheduler);
  void serve(std::uint32_t replica, WorkScheduler& scheduler);
  void sample(std::uint32_t replica, Seconds now);
  void record_span(const Lane& lane, Seconds now);
  void abandon(WorkScheduler& scheduler);
  void decide(WorkScheduler& scheduler);
  void start_timer(Event event, std::uint64_t value, Seconds delay, WorkScheduler& scheduler) const;
  void set_entries();
  /// A replica that takes no more requests and has none left goes off.
  void switch_off(Seconds now);

  const RequestStream& stream_;
  const ServingSystem& system_;
  ServingOptions options_;
  RequestTable requests_;
  std::deque<KvMemory> pools_;
  std::vector<KvMemory*> memories_; ///< by replica
  std::vector<Replica> replicas_;
  std::vector<Lane> lanes_;
  std::vector<std::uint32_t> first_lane_; ///< by replica
  std::vector<Seconds> last_end_;         ///< of the latest batch of each replica's pipeline
  std::vector<Seconds> sampled_;
  std::vector<std::pair<RequestId, RequestId>> followers_; ///< (followed, follower), sorted
  Autoscaler autoscaler_;
  std::vector<ServingService> services_;
  std::vector<Desk> desks_;            ///< by service
  std::vector<ToolTotals> tools_;      ///< the same
  std::vector<RequestId> granted_;     ///< tools whose worker is there
  std::vector<std::uint32_t> missing_; ///< requests that have to end before each one arrives; empty = one at most
  std::vector<std::uint32_t> touched_;
  std::vector<RequestId> ended_;
  std::vector<ServingSample> samples_;
  std::vector<ServingSpan> spans_;
  std::vector<Power> power_; ///< by replica
  RequestId next_ = 0;       ///< next request that follows none
  Seconds last_served_;
  std::uint64_t served_ = 0;
  std::uint64_t refused_ = 0;
  std::optional<Seconds> stopped_;
};

} // namespace orrery
