// The work source behind simulate_step(): decides what each stage of each simulated replica (a lane) runs next.
#pragma once

#include "models/step_order.hpp"
#include "sim/base/work.hpp"
#include "sim/engine/pipeline.hpp"
#include "sim/engine/step_transfers.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace orrery {

class PipelineSource final : public WorkSource {
public:
  PipelineSource(const CostedGraph& graph, const StepOptions& options);

  [[nodiscard]] const Network& network() const { return transfers_.network; }

  void start(WorkScheduler& scheduler) override;
  void completed(WorkId id, const Work& work, WorkScheduler& scheduler) override;

  /// What the step took, when the last event was at `end`.
  [[nodiscard]] Seconds step(Seconds end) const { return barrier_ ? end : Seconds{longest_} + graph_.step_host; }

  /// Moves the accounts and spans of the finished step into `timeline`.
  void report(StepTimeline& timeline);

private:
  enum class Event : std::uint8_t { pass, message, collective, last_bucket, optimizer, gather_latency, host };

  /// One pass of a stage's order.
  struct Pass {
    std::int32_t micro_batch = 0;
    std::uint32_t feeds = 0; ///< place, in the receiver's order, of the pass that needs its output
    std::int32_t chunk = 0;
    PassKind kind = PassKind::forward;
    bool needs_input = false;
    std::optional<PassOutput> output;

    [[nodiscard]] bool backward() const { return kind == PassKind::backward; }
  };

  enum class Phase : std::uint8_t { passes, reductions, update, gathers, finished };

  struct Lane {
    std::uint32_t next = 0; ///< pass, then reduction, then gather
    Phase phase = Phase::passes;
    bool busy = false;
    bool in_last_bucket = false; ///< of the overlapped reduction that it waits for
    double begin = 0;            ///< of the pass or message that it runs
    double step_begin = -1;      ///< of its first pass
    double idle_since = 0;
    double phase_begin = 0; ///< of its reductions, optimizer, gathers
    double bubble = 0, compute = 0, send = 0, reduction = 0, optimizer = 0, gather = 0;
  };

  void build_orders();
  [[nodiscard]] int stage_of(std::uint32_t lane) const { return static_cast<int>(lane) % stages_; }
  [[nodiscard]] const CostedStage& costs(std::uint32_t lane) const { return graph_.stages[static_cast<std::size_t>(stage_of(lane))]; }
  [[nodiscard]] const std::vector<Pass>& order(std::uint32_t lane) const { return orders_[static_cast<std::size_t>(stage_of(lane))]; }
  /// Whether the input of a lane's pass is there.
  std::uint8_t& arrived(std::uint32_t lane, std::uint32_t pass) { return arrived_[lane * longest_order_ + pass]; }

  void submit_span(Event event, std::uint32_t lane, const Span& span, double factor, WorkScheduler& scheduler);
  void submit_wait(Event event, std::uint32_t lane, Seconds time, WorkScheduler& scheduler);
  void submit_transfer(Event event, std::uint32_t lane, std::uint32_t argument, const Transfer& transfer, WorkScheduler& scheduler);

  /// Place of a kind of pass in StepOptions::noise.
  [[nodiscard]] std::size_t kind_of(std::uint32_t lane, const Pass& pass) const;
  [[nodiscard]] double load_of(std::uint32_t lane, const Pass& pass) const;
  [[nodiscard]] PassNoise noise_of(std::uint32_t lane, const Pass& pass) const;
  void try_pass(std::uint32_t lane, WorkScheduler& scheduler);
  void pass_ended(std::uint32_t lane, WorkScheduler& scheduler);
  void message_arrived(std::uint32_t lane, std::uint32_t pass, WorkScheduler& scheduler);
  void go_on(std::uint32_t lane, WorkScheduler& scheduler);

  void start_overlapped(std::uint32_t lane, WorkScheduler& scheduler);
  void run_reductions(std::uint32_t lane, WorkScheduler& scheduler);
  void reduction_may_end(std::uint32_t lane, WorkScheduler& scheduler);
  void run_gathers(std::uint32_t lane, WorkScheduler& scheduler);
  void join(std::uint32_t meeting, WorkScheduler& scheduler);
  void meeting_ended(std::uint32_t index, WorkScheduler& scheduler);
  void reach_barrier(std::uint32_t lane, WorkScheduler& scheduler);
  void update(std::uint32_t lane, WorkScheduler& scheduler);
  void update_ended(std::uint32_t lane, WorkScheduler& scheduler);
  void finish(std::uint32_t lane, WorkScheduler& scheduler);
  /// The message of a pass; null where its output is needed on the same stage.
  [[nodiscard]] const Transfer* message(std::uint32_t lane, const Pass& pass) const {
    return pass.output->message < 0 ? nullptr : &transfers_.messages[lane][static_cast<std::size_t>(pass.output->message)];
  }
  double& send_begin(std::uint32_t lane, std::uint32_t pass) { return send_begins_[lane * longest_order_ + pass]; }

  void record(std::uint32_t lane, Stream stream, SpanKind kind, int chunk, int micro_batch, double begin, double end);

  const CostedGraph& graph_;
  const StepOptions& options_;
  int stages_;
  StepTransfers transfers_;
  std::vector<std::vector<Pass>> orders_; ///< by stage
  std::vector<Lane> lanes_;
  std::size_t longest_order_ = 0;
  std::vector<std::size_t> last_gradients_; ///< by stage: last_gradient_pass()
  std::vector<std::uint8_t> arrived_;       ///< inputs by lane and pass
  std::vector<double> send_begins_;         ///< by lane and pass, when recording
  std::size_t at_barrier_ = 0;
  std::size_t finished_ = 0;
  bool barrier_;
  double longest_ = 0; ///< step of a stage, where they do not wait for each other
  Work work_;          ///< of spans, re-used
  std::vector<TimelineSpan> spans_;
};

} // namespace orrery
