#include "workloads/offload.hpp"

#include "workloads/sharding.hpp"

#include <algorithm>

namespace orrery {

namespace {

/// Adam: two moments with their bias corrections, the square root, the weight decay and the step itself.
constexpr double flops_per_element = 14;

Operator transfer(const char* name, Tier tier, Precision precision, double in, double out) {
  return {.name = name,
          .op_class = OpClass::communication,
          .precision = precision,
          .shape = TierTransfer{.tier = tier, .in = Bytes{in}, .out = Bytes{out}, .overlap = Overlap::pass}};
}

/// Whether a rank's gradients are final, or partial sums of its own shard, as soon as a backward pass has made them.
bool leave_in_pass(const Plan& plan) { return plan.zero >= 2 || plan.dp * plan.cp == 1; }

/// DeepSpeed's updates, serial ones and those of Deep Optimizer States, unscale and clip fp32 gradients in a pass before Adam.
bool rescales(const Offload& offload) { return offload.serial || offload.update == UpdatePlace::split; }

double state_bytes(const TrainingJob& job) { return element_bytes(job.precision) < 4 ? 12 : 8; }

void hold(Tier tier, Bytes bytes, Bytes& host, Bytes& storage) {
  if (tier != Tier::device)
    (tier == Tier::host ? host : storage) += bytes;
}

void offload_block(Block& block, int micro_batches, const TrainingJob& job, const Plan& plan, const SoftwareProfile& software) {
  const ShardSizes sizes = shard_sizes(plan);
  const double half = element_bytes(job.precision);
  const double wire = element_bytes(software.reduction);
  const double elements = block.parameters + block.expert_parameters;
  if (elements == 0)
    return;
  if (const Tier tier = plan.offload.parameters; tier != Tier::device) {
    const double own = block.parameters / sizes.parameters + block.expert_parameters / (plan.zero >= 3 ? sizes.experts : 1);
    const double bytes = own * half - block.packed_parameters / sizes.parameters * (half - job.tuning.packed_bytes(half));
    block.forward.push_back(transfer("parameter_fetch", tier, job.precision, bytes, 0));
    block.backward.push_back(transfer("parameter_fetch", tier, job.precision, bytes, 0));
    if (plan.zero < 3) // the block at work and the one fetched ahead
      block.working_set += Bytes{2 * elements * half};
  }
  if (const Tier tier = plan.offload.optimizer; tier != Tier::device && leave_in_pass(plan)) {
    const double own = block.trained_parameters() / sizes.gradients + block.trained_experts() / (plan.zero >= 2 ? sizes.experts : 1);
    const double again = static_cast<double>(micro_batches - 1) / micro_batches;
    block.backward.push_back(transfer("gradient_offload", tier, software.reduction, own * wire * again, own * wire));
    if (plan.zero < 2)
      block.working_set += Bytes{elements * wire};
  }
}

void offload_activations(Block& block, Tier tier, Precision precision) {
  const Bytes kept = block.activations;
  block.forward.push_back(transfer("activation_offload", tier, precision, 0, kept.si()));
  block.backward.push_back(transfer("activation_fetch", tier, precision, kept.si(), 0));
  hold(tier, kept, block.host_activations, block.storage_activations);
  block.activations = Bytes{};
  block.working_set += 2 * kept; // of the layer at work and of the one on its way
}

} // namespace

void offload_passes(OpGraph& graph, const std::vector<std::size_t>& layers, const TrainingJob& job, const Plan& plan,
                    const SoftwareProfile& software) {
  for (Block& block : graph.blocks)
    offload_block(block, graph.micro_batches, job, plan, software);
  if (plan.offload.activations != Tier::device)
    for (const std::size_t b : layers)
      offload_activations(graph.blocks[b], plan.offload.activations, job.precision);
}

void offload_update(std::vector<Operator>& step, double owned, const TrainingJob& job, const Plan& plan, const SoftwareProfile& software) {
  const Offload& offload = plan.offload;
  const double half = element_bytes(job.precision);
  const double wire = element_bytes(software.reduction);
  const auto on_device = [](const Operator& op) { return std::holds_alternative<Streaming>(op.shape); };
  if (offload.optimizer == Tier::device) { // new parameters alone go to their tier
    const auto after = std::find_if(step.rbegin(), step.rend(), on_device).base();
    if (offload.parameters != Tier::device)
      step.insert(after, transfer("parameter_return", offload.parameters, job.precision, 0, owned * half));
    return;
  }
  const auto first = std::find_if(step.begin(), step.end(), on_device) - step.begin();
  std::erase_if(step, on_device);
  auto place = step.begin() + first;
  if (!leave_in_pass(plan))
    place = std::next(step.insert(place, transfer("gradient_offload", offload.optimizer, software.reduction, 0, owned * wire)));
  const int micro_batches = std::max(1, job.global_batch / (plan.dp * plan.micro_batch));
  step.insert(place, Operator{.name = "offloaded_adam",
                              .op_class = OpClass::optimizer,
                              .precision = Precision::fp32,
                              .shape = TierUpdate{.tier = offload.optimizer,
                                                  .place = offload.update,
                                                  .device_share = offload.device_share,
                                                  .states = Bytes{owned * state_bytes(job)},
                                                  .gradients = Bytes{owned * wire},
                                                  .parameters = Bytes{owned * half},
                                                  .parameters_tier = offload.parameters,
                                                  .flops = Flops{owned * flops_per_element},
                                                  .beside_forward = offload.overlap == UpdateOverlap::next_step ? micro_batches : 0,
                                                  .beside_backward = offload.overlap == UpdateOverlap::next_step  ? micro_batches
                                                                     : offload.overlap == UpdateOverlap::backward ? 1
                                                                                                                  : 0,
                                                  .serial = offload.serial,
                                                  .rescaled = Bytes{rescales(offload) ? owned * 4 : 0}}});
}

void offload_states(Stage& stage, double owned, const TrainingJob& job, const Plan& plan, const SoftwareProfile& software) {
  const Offload& offload = plan.offload;
  if (offload.parameters != Tier::device) {
    hold(offload.parameters, stage.parameters, stage.host, stage.storage);
    stage.parameters = Bytes{};
  }
  if (offload.optimizer == Tier::device)
    return;
  const double wire = element_bytes(software.reduction);
  Bytes gradients{owned * wire};
  if (leave_in_pass(plan)) {
    gradients = stage.gradients * (wire / element_bytes(software.gradient));
    stage.gradients = Bytes{};
  }
  hold(offload.optimizer, Bytes{owned * state_bytes(job)} + gradients, stage.host, stage.storage);
  stage.optimizer = Bytes{};
}

} // namespace orrery
