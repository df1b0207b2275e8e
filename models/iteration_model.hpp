// Time and energy of one iteration of a serving replica.
//
// What:    an IterationModel that prices the operators of workloads/serving_graph.hpp on one rank of each pipeline stage, and keeps what it
//          priced: layers by tokens, the head by sequences, attention of decoding sequences by batch and context.
// Formula: stage = sum over its layers of (linear part at T tokens + attention of the prompts + attention of the decoding sequences), the
//          embedding on the first, the head on the last. Above 256 tokens the linear part is interpolated between sizes a 64th of an
//          octave apart, attention between contexts a factor 2^(1/4) apart.
//          Prompts: those of an iteration share kernels. Each adds its part of those of as many like it as have 65,536 tokens; what one
//          alone takes beyond that (floors, idle multiprocessors) counts once, the largest.
//          Power: kernels that arithmetic binds lose the clock that a limiter takes from all their FLOPs in the stage (ClockLimit).
//          Launches: kernels x kernel_launch where no captured graph covers the iteration; the stage takes the longer of both.
//          Host: iteration_host + sequences x sequence_host. Where the host works ahead, an iteration takes the longer of host and devices,
//          else their sum.
//          Weights in host memory come in beside the iteration's work, over the share of the link that copies reach; the longer counts.
//          Attention on the host (decoding sequences, KV cache in host memory): its bytes over the device's part of the host's memory rate,
//          or its FLOPs over that of the processors' peak if that takes longer, beside the iteration's work; keys and values of new tokens
//          leave over the link. The longest counts (pipelined halves: MoE-Lens, arXiv 2504.09345; MoE-Lightning, arXiv 2411.11217).
//          Decoding batches run as the next larger captured one (graph_steps): its layers and head, attention of the true ones.
//          Halves: both read the weights and launch their kernels; of what may run beside the longest kind of work (HalfOverlap),
//          overlap_gain is hidden; an exchange of prompts keeps multiprocessors instead. The shorter of that and of the whole counts.
//          Speculation: drafts + 1 tokens of every decoding sequence go through all layers and the head; before that, `drafts` passes over
//          one token each of the layers that guess, on the last stage.
//          With attention-DP the busiest group counts: an even share of decoding sequences and prompts, or the longest prompt;
//          where groups are padded, all of them compute as many tokens.
// Source:  kernel curves and collectives as everywhere (models/kernel_cost.hpp, models/collective_cost.hpp); host constants are of the
//          software profile.
// Units:   SI.
// Valid:   iterations of up to some ten thousand tokens; one cluster, one replica's devices side by side.
// Error:   against its kernels below 1% (interpolation); against published kernels as their models state.
#pragma once

#include "models/collective_cost.hpp"
#include "models/device_power.hpp"
#include "models/iteration_cost.hpp"
#include "models/kernel_cost.hpp"
#include "workloads/serving_graph.hpp"

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace orrery {

class ReplicaModel final : public IterationModel {
public:
  /// `device_cap` below the device's own slows what depends on its clock.
  ReplicaModel(const Cluster& cluster, const ServingJob& job, const ServingPlan& plan, const SoftwareProfile& software,
               const Calibration& calibration, std::optional<Watts> device_cap = std::nullopt);

  IterationCost cost(std::span<const PrefillChunk> prompts, int decodes, double context) override;
  const DecodeCurve& decode(int sequences) override;

  /// What a list of operators costs one rank, one after the other.
  [[nodiscard]] std::vector<OpCost> operator_costs(const std::vector<Operator>& list) const;
  [[nodiscard]] const ServingGraph& graph() const { return graph_; }

private:
  /// What one rank does.
  struct Work {
    Activity span;
    Flops flops;
    Bytes memory;
    double kernels = 0;
    Seconds network;   ///< of the span, in collectives
    Seconds reading;   ///< of the span, in kernels bound by memory
    Flops arithmetic;  ///< in kernels bound by it
    Seconds computing; ///< of the span, what follows the clock of those
    Seconds unlimited; ///< the same where no limiter slows them
    Seconds host;      ///< beside the span: attention by the host's processors
    Seconds out;       ///< beside it: keys and values on their way to host memory

    Work& operator+=(const Work& other);
    [[nodiscard]] Work times(double count) const;
  };
  /// One entry for each kind of layer.
  using Layers = std::vector<Work>;
  /// Attention of a prompt.
  struct Prompt {
    Layers shared; ///< its part of the kernels of many like it
    Layers apart;  ///< what it takes beyond that if it is the only one
  };
  struct Decoding {
    std::vector<Layers> knots;  ///< attention, at contexts_
    std::vector<Layers> beside; ///< the same in one call with prompts; empty = alike
    std::vector<Work> drafts;   ///< guesses of the iteration, at contexts_; empty where nothing is computed for them
    std::unique_ptr<DecodeCurve> curve;
  };
  /// What runs in one iteration, over all stages.
  struct Iteration {
    double tokens = 0;     ///< of the busiest attention group
    double all = 0;        ///< of all groups
    double emitting = 0;   ///< sequences of the busiest group that give a token
    int sequences = 0;     ///< of the busiest group: each has a scheduler of its own
    bool captured = false; ///< replayed as a graph
    bool halved = false;   ///< its halves run beside each other
  };

  [[nodiscard]] OpCost operator_cost(const Operator& op) const;
  [[nodiscard]] Work price(const std::vector<Operator>& list) const;
  [[nodiscard]] Layers price_layers(double tokens, double all) const;
  const Layers& layers(int all);
  const Layers& uneven_layers(int tokens, int all);
  const Work& head(int sequences);
  Decoding& decoding(int sequences);
  /// Attention of one decoding batch at every context; what does not depend on it is priced once.
  /// `packed` = heads that share keys read them once.
  [[nodiscard]] std::vector<Layers> decode_knots(const ServingGraph& graph, double sequences, double queries, bool packed = true) const;
  [[nodiscard]] std::vector<Work> draft_knots(int sequences) const;
  [[nodiscard]] double missed(const FusedAttention& shape, Precision precision) const;
  /// Attention of decoding sequences where their KV cache is.
  [[nodiscard]] Work price_reading(const std::vector<Operator>& reading) const;
  /// Keys and values of `tokens` new tokens of such a layer on their way to host memory.
  [[nodiscard]] Work keys_out(LayerKind kind, double tokens) const;
  /// Adds attention of a decoding batch, with prompts `beside` it or alone; the cost of its guesses.
  Work add_decode(Layers& attention, int sequences, double context, bool beside);
  /// Adds attention of the prompts of an iteration, of which the busiest group has `share`.
  void add_prompts(Layers& attention, std::span<const PrefillChunk> prompts, double share);
  [[nodiscard]] Prompt price_prompt(const PrefillChunk& chunk) const;
  const Prompt& prompt(const PrefillChunk& chunk);
  [[nodiscard]] IterationCost finish(const Iteration& iteration, const Layers& linear, const Layers& attention, const Work& head) const;
  /// The shorter of the iteration as one and in halves.
  IterationCost quicker(const Iteration& iteration, const Layers& linear, const Layers& attention, const Work& head);
  [[nodiscard]] Seconds hidden(const Work& work) const;
  [[nodiscard]] bool captured(int sequences, int tokens, bool prompts) const;

  Cluster cluster_;
  SoftwareProfile software_;
  ServingGraph graph_;
  std::unique_ptr<ServingGraph> drafter_; ///< where guessing computes
  int checked_ = 1;                       ///< tokens of a decoding sequence in an iteration
  bool unpacked_ = false;                 ///< beside prompts, heads that share keys read them each for itself
  KernelModel kernels_;
  CollectiveModel collectives_;
  DevicePower power_;
  GroupPlacement tensor_;
  GroupPlacement expert_;
  std::vector<CostedMessage> messages_; ///< of one token, between neighbouring stages
  BytesPerSecond link_;                 ///< of one device to the host, as copies reach it
  BytesPerSecond host_memory_;          ///< part of one device, as its host's processors reach it
  FlopsPerSecond host_peak_;            ///< the same of their arithmetic; 0 = not known
  std::vector<Seconds> weights_in_;     ///< by stage: what host memory holds comes in, for every iteration
  std::vector<double> contexts_;
  std::vector<std::unique_ptr<Layers>> layers_; ///< by tokens of all groups, evenly shared
  std::map<std::pair<int, int>, Layers> uneven_layers_;
  std::vector<std::unique_ptr<Work>> heads_; ///< by sequences
  std::vector<std::unique_ptr<Decoding>> decoding_;
  std::vector<std::unique_ptr<Prompt>> prompts_; ///< whole ones, by tokens
  Prompt last_prompt_;                           ///< of a prompt behind others tokens
};

/// The format that a device multiplies weights of `format` in: operands that it has no arithmetic for become half precision, and the
/// weights are widened.
WeightFormat format_on(const Device& device, WeightFormat format, Precision half);

/// The captured batch that `sequences` decoding ones run as; more than the largest run as they are.
int padded_batch(const ServingTraits& engine, int sequences);

} // namespace orrery
