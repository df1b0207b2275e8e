#include "models/training_cost.hpp"

#include "models/weight_operands.hpp"
#include "workloads/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace orrery {

struct TrainingCoster::Pass {
  Activity work;
  double kernels = 0;
  TierLoad tiers; ///< beside everything else
  Seconds wait;   ///< for tiers, in line with the rest

  void add(const Pass& other, int times) {
    work.stretchable += other.work.stretchable * times;
    work.rigid += other.work.rigid * times;
    work.arithmetic += other.work.arithmetic * times;
    work.transfer += other.work.transfer * times;
    kernels += other.kernels * times;
    tiers.add(other.tiers, times);
    wait += other.wait * times;
  }
};

struct TrainingCoster::BlockPasses {
  Pass forward;
  Pass backward; ///< without the gradients of the weights where the schedule splits them off
  Pass weight;
  Bytes weight_held;

  void add(const BlockPasses& other, int times) {
    forward.add(other.forward, times);
    backward.add(other.backward, times);
    weight.add(other.weight, times);
    weight_held += other.weight_held * times;
  }
};

/// Where the ranks of each group sit; found once for the collectives of a graph.
class TrainingCoster::Placements {
public:
  Placements(const Cluster& cluster, const GroupShapes& groups) : cluster_(cluster), groups_(groups) {}

  const GroupPlacement& of(Group group) {
    std::optional<GroupPlacement>& known = known_[static_cast<std::size_t>(group)];
    if (!known)
      known = place_group(cluster_, groups_.at(group));
    return *known;
  }

private:
  const Cluster& cluster_;
  const GroupShapes& groups_;
  std::array<std::optional<GroupPlacement>, group_kinds> known_;
};

namespace {

/// Leaves the collectives that run beside their whole pass the time that the rest of it does not hide. What a schedule splits off hides
/// nothing.
void hide_beside_pass(const std::vector<Operator>& list, std::vector<OpCost>& costs, bool split) {
  const auto is_beside = [](const Operator& op) {
    const auto* collective = std::get_if<Collective>(&op.shape);
    return collective != nullptr && collective->overlap == Overlap::pass;
  };
  Seconds beside;
  Seconds rest;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (is_beside(list[i]))
      beside += costs[i].time;
    else if (!(split && list[i].weight_gradient) && !std::holds_alternative<TierTransfer>(list[i].shape))
      rest += costs[i].time;
  }
  if (beside == Seconds{})
    return;
  const double exposed = 1 - overlap_gain * (std::min(beside, rest) / beside);
  for (std::size_t i = 0; i < list.size(); ++i)
    if (is_beside(list[i]))
      costs[i].time *= exposed;
}

} // namespace

TrainingCoster::TrainingCoster(const Cluster& cluster, const SoftwareProfile& software, const Calibration& calibration,
                               std::optional<Watts> device_cap)
    : cluster_(cluster), software_(software), kernels_(cluster.node.device, calibration, software, KernelStream::continuous),
      collectives_(cluster, calibration),
      exchanges_(cluster, calibration, {.exchange = software.expert_dispatch == ExpertDispatch::deduplicated, .low_latency = false}),
      tiers_(cluster.node), power_(cluster.node.device, device_cap) {}

OpCost TrainingCoster::own_cost(const Operator& op) const {
  if (const auto* transfer = std::get_if<TierTransfer>(&op.shape))
    return {.time = tiers_.transfer(*transfer).longest(), .memory = transfer->in + transfer->out, .bound = Bound::host, .assumed = true};
  if (const auto* update = std::get_if<TierUpdate>(&op.shape))
    return {.time = update_cost(*update).longest(), .bound = Bound::host, .assumed = true};
  return kernels_.cost(op);
}

OpCost TrainingCoster::operator_cost(Placements& placements, const Operator& op) const {
  const auto* collective = std::get_if<Collective>(&op.shape);
  if (collective == nullptr)
    return own_cost(op);
  const bool exchange = collective->kind == CollectiveKind::all_to_all && collective->group == Group::expert;
  const CollectiveCost cost =
      (exchange ? exchanges_ : collectives_).cost(collective->kind, collective->bytes, placements.of(collective->group));
  // Every byte on a wire is read from the memory of one rank and written to that of another.
  return {.time = cost.time,
          .memory = 2.0 * (cost.scale_up_bytes + cost.network_bytes),
          .scale_up = cost.scale_up_bytes,
          .network = cost.network_bytes,
          .bound = Bound::network,
          .assumed = cost.assumed};
}

Joules TrainingCoster::softmax_energy(const Operator& op, const OpCost& cost) const {
  const auto* attention = std::get_if<FusedAttention>(&op.shape);
  if (attention == nullptr)
    return {};
  const double value_dim = attention->value_dim > 0 ? attention->value_dim : attention->head_dim;
  const double products = (attention->backward ? 2.5 : 1.0) * 2 * (attention->head_dim + value_dim); // FLOPs of a score's
  return softmax_flops * (cost.flops / products) * power_.vector_energy();
}

std::vector<OpCost> TrainingCoster::list_costs(ScheduleKind schedule, Placements& placements, const std::vector<Operator>& list) const {
  std::vector<OpCost> costs;
  costs.reserve(list.size());
  for (const Operator& op : list)
    costs.push_back(operator_cost(placements, op));
  for (std::size_t i = 0; i + 1 < list.size(); ++i) {
    const auto* collective = std::get_if<Collective>(&list[i].shape);
    const bool split_off = splits_backward(schedule) && list[i + 1].weight_gradient;
    if (collective != nullptr && collective->overlap == Overlap::next && !split_off)
      costs[i].time -= overlap_gain * std::min(costs[i].time, costs[i + 1].time);
    const auto* transfer = std::get_if<TierTransfer>(&list[i].shape);
    if (transfer != nullptr && transfer->overlap == Overlap::next)
      costs[i].time -= std::min(costs[i].time, costs[i + 1].time);
  }
  hide_beside_pass(list, costs, splits_backward(schedule));
  return costs;
}

TierLoad TrainingCoster::update_cost(const TierUpdate& update) const {
  // On the device: states and gradients read, states and parameters written.
  const Operator whole{.op_class = OpClass::optimizer,
                       .precision = Precision::fp32,
                       .shape = Streaming{.read = update.states + update.gradients, .written = update.states + update.parameters}};
  const Seconds on_device = kernels_.cost(whole).time;
  return tiers_.update(update, tiers_.device_share(update, on_device), on_device);
}

void TrainingCoster::add(Pass& pass, const Operator& op, const OpCost& cost) const {
  if (const auto* transfer = std::get_if<TierTransfer>(&op.shape)) {
    if (transfer->overlap == Overlap::pass)
      pass.tiers.add(tiers_.transfer(*transfer));
    else
      pass.wait += cost.time;
    return;
  }
  if (std::holds_alternative<TierUpdate>(op.shape)) {
    pass.wait += cost.time;
    return;
  }
  pass.work += power_.activity(cost, op.precision);
  pass.work.arithmetic += softmax_energy(op, cost);
  pass.kernels += op.kernels;
}

TrainingCoster::Pass TrainingCoster::block_pass(const std::vector<Operator>& list, const std::vector<OpCost>& costs, bool split,
                                                bool weight) const {
  Pass pass;
  for (std::size_t i = 0; i < list.size(); ++i)
    if ((split && list[i].weight_gradient) == weight)
      add(pass, list[i], costs[i]);
  return pass;
}

TrainingCoster::BlockPasses TrainingCoster::block_passes(const Block& block, const CostedBlock& costs, bool split) const {
  BlockPasses passes{.forward = block_pass(block.forward, costs.forward, false, false),
                     .backward = block_pass(block.backward, costs.backward, split, false)};
  if (split) {
    passes.weight = block_pass(block.backward, costs.backward, true, true);
    passes.weight_held = weight_operands(block);
  }
  return passes;
}

double expected_maximum(int count) {
  if (count <= 1)
    return 0;
  // Quantile of the normal distribution: Abramowitz and Stegun 26.2.23, then two steps of Newton's method on erfc, to 1e-10.
  const double beyond = 0.625 / (count + 0.25);
  const double t = std::sqrt(-2 * std::log(beyond));
  double x = t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
  for (int i = 0; i < 2; ++i)
    x += (std::erfc(x / std::numbers::sqrt2) / 2 - beyond) * std::sqrt(2 * std::numbers::pi) * std::exp(x * x / 2);
  return x;
}

Span TrainingCoster::span(const Pass& pass, double slowest) const {
  Activity work = pass.work;
  work.stretchable *= slowest;
  const Seconds host = pass.kernels * software_.kernel_launch;
  work.rigid += software_.launch_blocking ? host : std::max(Seconds{}, host - work.stretchable - work.rigid);
  const Seconds wait = pass.wait + std::max(Seconds{}, pass.tiers.longest() - pass.wait - work.stretchable - work.rigid);
  work.rigid += wait;
  return power_.limited(work, wait);
}

CostedCollective TrainingCoster::collective(Placements& placements, const Operator& op) const {
  const auto& shape = std::get<Collective>(op.shape);
  const CollectiveCost cost = collectives_.cost(shape.kind, shape.bytes, placements.of(shape.group));
  return {.name = op.name,
          .kind = shape.kind,
          .group = shape.group,
          .latency = cost.latency,
          .time = cost.time,
          .network = cost.network_bytes,
          .overlapped = shape.overlap == Overlap::pass};
}

void TrainingCoster::cost_messages(const OpGraph& graph, CostedGraph& costed) const {
  const int stages = static_cast<int>(costed.stages.size());
  const int ranks_per_stage = graph.groups.at(Group::pipeline).stride;
  // Few placements differ: most neighbours cost what the pair before did.
  struct Last {
    GroupPlacement placement;
    CostedMessage message;
  };
  std::array<std::optional<Last>, 2> last;
  const auto message = [&](std::size_t direction, Bytes bytes, int from, int to) {
    const GroupPlacement placement = place_stages(cluster_, ranks_per_stage, from, to);
    if (!last[direction] || last[direction]->placement != placement) {
      last[direction] = Last{placement, collectives_.message(bytes, placement)};
      last[direction]->message.latency += software_.message_host;
    }
    return last[direction]->message;
  };
  for (int s = 0; s < stages; ++s) {
    CostedStage& stage = costed.stages[static_cast<std::size_t>(s)];
    const int next = (s + 1) % stages;
    const int previous = (s + stages - 1) % stages;
    stage.forward_send = message(0, graph.boundary_forward, s, next);
    stage.backward_send = message(1, graph.boundary_backward, s, previous);
    if (graph.schedule == ScheduleKind::skip_pipe)
      for (int to = 0; to < stages; ++to) {
        stage.sends.push_back(to == s ? CostedMessage{} : message(0, graph.boundary_forward, s, to));
        stage.sends.push_back(to == s ? CostedMessage{} : message(1, graph.boundary_backward, s, to));
      }
    if (!runs_backwards(graph.schedule, 1))
      continue;
    stage.forward_return = message(0, graph.boundary_forward, s, previous);
    stage.backward_return = message(1, graph.boundary_backward, s, next);
  }
}

void TrainingCoster::add_update(Pass& step, const TierUpdate& update, const CostedStage& stage) const {
  step.tiers.add(update_cost(update));
  if (update.beside_forward == 0 && update.beside_backward == 0)
    return;
  // Passes leave it their own length, less what they move themselves.
  Seconds room;
  for (const CostedChunk& chunk : stage.chunks) {
    room += chunk.forward.total() * update.beside_forward + chunk.backward.total() * update.beside_backward;
    step.tiers.add(chunk.forward_tiers, update.beside_forward);
    step.tiers.add(chunk.backward_tiers, update.beside_backward);
  }
  step.wait += std::max(Seconds{}, step.tiers.longest() - room);
  step.tiers = TierLoad{};
}

void TrainingCoster::cost_step(const GroupShapes& groups, std::span<const Operator> step, CostedStage& costed) const {
  Placements placements(cluster_, groups);
  Pass optimizer;
  bool updated = false;
  costed.reductions.clear();
  costed.gathers.clear();
  for (const Operator& op : step) {
    if (std::holds_alternative<Collective>(op.shape)) {
      (updated ? costed.gathers : costed.reductions).push_back(collective(placements, op));
      continue;
    }
    updated = true;
    if (const auto* update = std::get_if<TierUpdate>(&op.shape))
      add_update(optimizer, *update, costed);
    else
      add(optimizer, op, own_cost(op));
  }
  costed.optimizer = span(optimizer, 1.0);
}

CostedGraph TrainingCoster::cost_passes(const OpGraph& graph) const {
  CostedGraph costed{.schedule = graph.schedule,
                     .micro_batches = graph.micro_batches,
                     .virtual_stages = graph.virtual_stages,
                     .skip_stages = graph.skip_stages,
                     .replicas = graph.groups.at(Group::data).size,
                     .groups = graph.groups,
                     .overlap_p2p = graph.overlap_p2p,
                     .step_host = software_.step_host};
  const bool split = splits_backward(graph.schedule);
  std::vector<BlockPasses> passes;
  passes.reserve(graph.blocks.size());
  Placements placements(cluster_, graph.groups);
  costed.blocks.reserve(graph.blocks.size());
  for (const Block& block : graph.blocks) {
    CostedBlock& out = costed.blocks.emplace_back();
    out.forward = list_costs(graph.schedule, placements, block.forward);
    out.backward = list_costs(graph.schedule, placements, block.backward);
    passes.push_back(block_passes(block, out, split));
  }
  const double slowest = 1 + device_speed_spread * expected_maximum(graph.ranks());
  std::vector<CostedChunk> chunks;
  chunks.reserve(graph.chunks.size());
  for (const Chunk& chunk : graph.chunks) {
    BlockPasses sum;
    Bytes kept;
    for (const BlockUse& use : chunk.blocks) {
      sum.add(passes[static_cast<std::size_t>(use.block)], use.count);
      kept += graph.blocks[static_cast<std::size_t>(use.block)].activations * use.count;
    }
    CostedChunk& out = chunks.emplace_back(CostedChunk{.forward = span(sum.forward, slowest), .backward = span(sum.backward, slowest)});
    if (split) {
      out.weight = span(sum.weight, slowest);
      out.weight_held = kept > Bytes{} ? std::min(1.0, sum.weight_held / kept) : 1.0;
    }
    out.forward_tiers = sum.forward.tiers;
    out.backward_tiers = sum.backward.tiers;
  }
  const int stages = static_cast<int>(graph.stages.size());
  costed.stages.reserve(graph.stages.size());
  for (int s = 0; s < stages; ++s) {
    const Stage& stage = graph.stages[static_cast<std::size_t>(s)];
    CostedStage& out = costed.stages.emplace_back();
    out.chunks.reserve(stage.chunks.size());
    for (const int chunk : stage.chunks)
      out.chunks.push_back(chunks[static_cast<std::size_t>(chunk)]);
  }
  if (stages > 1)
    cost_messages(graph, costed);
  return costed;
}

CostedGraph TrainingCoster::cost(const OpGraph& graph) const {
  CostedGraph costed = cost_passes(graph);
  const auto updates_tier = [](const Operator& op) { return std::holds_alternative<TierUpdate>(op.shape); };
  for (std::size_t s = 0; s < graph.stages.size(); ++s) {
    CostedStage& out = costed.stages[s];
    const std::span<const Operator> step = graph.step_of(graph.stages[s]);
    // An update outside the device may run beside the passes of its own stage.
    if (s > 0 && graph.stages[s].step == graph.stages[s - 1].step && std::ranges::none_of(step, updates_tier)) {
      const CostedStage& before = costed.stages[s - 1];
      out.reductions = before.reductions;
      out.optimizer = before.optimizer;
      out.gathers = before.gathers;
    } else {
      cost_step(graph.groups, step, out);
    }
  }
  return costed;
}

} // namespace orrery
