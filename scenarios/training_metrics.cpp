#include "scenarios/training_metrics.hpp"

#include "models/device_power.hpp"
#include "models/step_energy.hpp"
#include "workloads/schedule.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace orrery {

namespace {

constexpr std::array<std::string_view, 10> operator_class_names = {"matmul",    "attention", "softmax", "normalization", "elementwise",
                                                                   "embedding", "LM head",   "loss",    "optimizer",     "cast"};

/// What ranks exchange inside passes, in the order of the report.
enum class Exchange { tensor, context, expert, expert_tensor, gather, reduction };
constexpr std::array<std::string_view, 6> exchange_names = {"tensor parallel",        "context parallel", "expert parallel",
                                                            "expert tensor parallel", "parameter gather", "gradient reduction"};

Exchange exchange_of(const Collective& collective) {
  switch (collective.group) {
  case Group::tensor:
    return Exchange::tensor;
  case Group::context:
    return Exchange::context;
  case Group::expert:
    return Exchange::expert;
  case Group::expert_tensor:
    return Exchange::expert_tensor;
  default: // ranks that share states
    return collective.kind == CollectiveKind::all_gather ? Exchange::gather : Exchange::reduction;
  }
}

/// Time of each operator class and exchange, added over passes.
struct ClassTimes {
  std::array<double, operator_class_names.size()> classes{};
  std::array<double, exchange_names.size()> exchanges{};

  double& of(const Operator& op) {
    if (const auto* collective = std::get_if<Collective>(&op.shape))
      return exchanges[static_cast<std::size_t>(exchange_of(*collective))];
    return classes[static_cast<std::size_t>(op.op_class)];
  }
};

void add_operators(ClassTimes& times, const std::vector<Operator>& operators, const std::vector<OpCost>& costs, double count,
                   double clock_stretch) {
  for (std::size_t i = 0; i < operators.size(); ++i)
    if (!std::holds_alternative<TierTransfer>(operators[i].shape) && !std::holds_alternative<TierUpdate>(operators[i].shape))
      times.of(operators[i]) += count * (costs[i].time.si() + (clock_stretch - 1) * costs[i].stretchable.si());
}

double stretchable_of(const std::vector<OpCost>& costs) {
  double sum = 0;
  for (const OpCost& cost : costs)
    sum += cost.stretchable.si();
  return sum;
}

/// One pass of a chunk: its operators, and what the host adds.
void add_pass(ClassTimes& times, const Stages& stages, const Chunk& chunk, Seconds stretchable, bool backward, double count) {
  double nominal = 0;
  for (const BlockUse& use : chunk.blocks) {
    const CostedBlock& costed = stages.costs.blocks[static_cast<std::size_t>(use.block)];
    nominal += use.count * stretchable_of(backward ? costed.backward : costed.forward);
  }
  const double stretch = nominal > 0 ? stretchable.si() / nominal : 1;
  for (const BlockUse& use : chunk.blocks) {
    const auto index = static_cast<std::size_t>(use.block);
    const Block& block = stages.graph.blocks[index];
    const CostedBlock& costed = stages.costs.blocks[index];
    add_operators(times, backward ? block.backward : block.forward, backward ? costed.backward : costed.forward, count * use.count,
                  stretch);
  }
}

/// Mean over stages of where the time goes.
std::vector<TimeShare> time_shares(const Stages& stages, const StepEstimate& times) {
  const auto count = static_cast<double>(times.stages.size());
  ClassTimes inside;
  StageTimes mean;
  Seconds waits;   // for tiers outside the devices
  Seconds nominal; // compute of equal devices without jitter
  for (std::size_t s = 0; s < times.stages.size(); ++s) {
    const Stage& stage = stages.graph.stages[s];
    const int passes = stages.graph.micro_batches_of(s);
    for (std::size_t v = 0; v < stage.chunks.size(); ++v) {
      const Chunk& chunk = stages.graph.chunks[static_cast<std::size_t>(stage.chunks[v])];
      const CostedChunk& costed = stages.costs.stages[s].chunks[v];
      nominal += (costed.forward.total() + costed.backward.total() + costed.weight.total()) * (passes / count);
      add_pass(inside, stages, chunk, costed.forward.stretchable, false, passes / count);
      add_pass(inside, stages, chunk, costed.backward.stretchable + costed.weight.stretchable, true, passes / count);
      waits += (costed.forward.wait + costed.backward.wait + costed.weight.wait) * (passes / count);
    }
    mean.add_part(times.stages[s], count);
  }
  std::vector<TimeShare> shares;
  const auto add = [&](TimeKind kind, std::string_view name, Seconds time) {
    if (time.si() > 0)
      shares.push_back({kind, std::string(name), time});
  };
  Seconds operators;
  for (std::size_t c = 0; c < operator_class_names.size(); ++c) {
    operators += Seconds{inside.classes[c]};
    add(TimeKind::compute, operator_class_names[c], Seconds{inside.classes[c]});
  }
  for (const double time : inside.exchanges)
    operators += Seconds{time};
  // States are exchanged inside passes and at the end of a step.
  inside.exchanges[static_cast<std::size_t>(Exchange::gather)] += mean.gather.si();
  inside.exchanges[static_cast<std::size_t>(Exchange::reduction)] += mean.reduction.si();
  for (std::size_t e = 0; e < exchange_names.size(); ++e)
    add(TimeKind::communication, exchange_names[e], Seconds{inside.exchanges[e]});
  add(TimeKind::communication, "offload", waits);
  add(TimeKind::communication, "pipeline", mean.send);
  // Rounding leaves residues of the order of 1e-16 s that are none of these.
  const auto more_than_rounding = [&](Seconds time) { return time > 1e-9 * times.step ? time : Seconds{}; };
  add(TimeKind::bubble, "pipeline bubble", more_than_rounding(mean.bubble));
  add(TimeKind::optimizer, "optimizer", mean.optimizer);
  const Seconds uneven = more_than_rounding(mean.compute - nominal);
  add(TimeKind::compute, "slow devices and jitter", uneven);
  add(TimeKind::host, "launches and framework", more_than_rounding(mean.host + mean.compute - uneven - waits - operators));
  return shares;
}

std::vector<FlopRate> flop_rates(const Scenario& scenario, const OpGraph& graph, Seconds step) {
  const FlopsPerSecond peak = peak_of(scenario.cluster.node.device, graph.precision);
  const auto rate = [&](const char* convention, const char* meaning, Flops flops) {
    const FlopsPerSecond per_device = flops / step / static_cast<double>(graph.ranks());
    return FlopRate{convention, meaning, per_device, per_device / peak};
  };
  return {rate("full attention", "model FLOPs, whole attention square (Korthikanti, PaLM)", graph.flops.full_attention),
          rate("causal attention", "model FLOPs, causal half (Megatron-Core, FlashAttention)", graph.flops.causal),
          rate("executed", "FLOPs as run, recomputation included (HFU; SC21, BLOOM)", graph.flops.executed)};
}

StepPower step_power(const Scenario& scenario, const Stages& stages, const StepEstimate& times) {
  StepPower power;
  const auto count = static_cast<double>(times.stages.size());
  for (std::size_t s = 0; s < times.stages.size(); ++s) {
    const DeviceStep device = device_step(stages.costs.stages[s], stages.graph.micro_batches_of(s), times.step, stages.power);
    power.device_mean += device.energy / times.step / count;
    power.device_peak = std::max(power.device_peak, device.peak);
    power.clock = std::min(power.clock, device.clock);
  }
  power.above_cap = above_cap(power.device_peak, stages.power.cap);
  // All devices at once: the job's share of the cluster.
  const double share = static_cast<double>(stages.graph.ranks()) / scenario.cluster.devices();
  power.facility_mean = facility_power(scenario.cluster, power.device_mean) * share;
  power.facility_peak = facility_power(scenario.cluster, power.device_peak) * share;
  power.energy_per_step = power.facility_mean * times.step;
  power.energy_per_token = power.energy_per_step / stages.graph.tokens;
  return power;
}

} // namespace

void fill_step_metrics(TrainingResult& result, const Scenario& scenario, const Stages& stages, const StepEstimate& times) {
  result.step_time = times.step;
  result.micro_batches = stages.graph.micro_batches;
  result.tokens_per_second = stages.graph.tokens / times.step.si();
  result.tokens_per_second_per_device = result.tokens_per_second / result.devices;
  result.flop_rates = flop_rates(scenario, stages.graph, times.step);
  result.time = time_shares(stages, times);
  result.power = step_power(scenario, stages, times);
}

} // namespace orrery
