#include "workloads/sharding.hpp"

#include "workloads/offload.hpp"
#include "workloads/quantized_wire.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery {

namespace {

int or_else(int value, int otherwise) { return value > 0 ? value : otherwise; }

/// Size of each axis, in the plan's order.
int axis_size(const Plan& plan, RankAxis axis) {
  switch (axis) {
  case RankAxis::tensor:
    return plan.tp;
  case RankAxis::context:
    return plan.cp;
  case RankAxis::data:
    return plan.dp;
  case RankAxis::pipeline:
    return plan.pp;
  }
  return 1;
}

int axis_stride(const Plan& plan, RankAxis axis) {
  int stride = 1;
  for (const RankAxis each : plan.order) {
    if (each == axis)
      break;
    stride *= axis_size(plan, each);
  }
  return stride;
}

/// Of the ranks that hold the same parameters.
int data_stride(const Plan& plan) {
  const int context = axis_stride(plan, RankAxis::context);
  const int data = axis_stride(plan, RankAxis::data);
  if (plan.cp == 1)
    return data;
  return plan.dp == 1 ? context : std::min(context, data);
}

Operator collective(std::string name, CollectiveKind kind, Group group, double bytes, Precision precision, Overlap overlap) {
  return {.name = std::move(name),
          .op_class = OpClass::communication,
          .precision = precision,
          .shape = Collective{.kind = kind, .group = group, .bytes = Bytes{bytes}, .overlap = overlap}};
}

Operator streaming(const char* name, OpClass op_class, double read, double written, int kernels) {
  return {.name = name,
          .op_class = op_class,
          .precision = Precision::fp32,
          .shape = Streaming{.read = Bytes{read}, .written = Bytes{written}, .flops = Flops{}},
          .kernels = kernels};
}

/// Bytes of one element of optimizer state: two moments, the fp32 master where the model is in half precision, and an fp32 gradient where
/// it is not kept so.
double optimizer_bytes(const TrainingJob& job, const SoftwareProfile& software) {
  return 8 + (element_bytes(job.precision) < 4 ? 4 : 0) + (element_bytes(software.gradient) < 4 ? 4 : 0);
}

/// Gathers and scatters of the states of one block.
struct Exchange {
  Exchange(const TrainingJob& training_job, const Plan& parallel_plan, const SoftwareProfile& profile)
      : job(training_job), plan(parallel_plan), software(profile), groups(group_shapes(parallel_plan)),
        half(profile.autocast ? 4 : element_bytes(training_job.precision)), wire(element_bytes(profile.reduction)),
        overlap(profile.gather_blocking ? Overlap::none : Overlap::pass) {}

  const TrainingJob& job;
  const Plan& plan;
  const SoftwareProfile& software;
  GroupShapes groups;
  double half; ///< bytes of a parameter
  double wire; ///< of a gradient that is reduced
  Overlap overlap;

  /// Alone, the four matrices of a layer travel without its eight vectors of biases and norms, which are too small to be partitioned
  /// (stage3_param_persistence_threshold). Their gradients are.
  [[nodiscard]] int matrices() const { return software.gather_per_tensor ? 4 : 1; }
  [[nodiscard]] int vectors() const { return software.gather_per_tensor ? 8 : 0; }

  void copy_pieces(std::vector<Operator>& list, Group group, double bytes) const {
    if (software.gather_as_list)
      list.push_back(streaming("piece_copies", OpClass::cast, bytes, bytes, groups.at(group).size));
  }

  /// Of these elements, `fewer_bits` are held packed and travel so.
  void gather(std::vector<Operator>& list, const char* name, Group group, double elements, double fewer_bits) const {
    const double bytes = (elements - fewer_bits) * wire_bytes(plan.quantize_weights, half) + fewer_bits * job.tuning.packed_bytes(half);
    if (bytes <= 0)
      return;
    for (int i = 0; i < matrices(); ++i) {
      list.push_back(collective(name, CollectiveKind::all_gather, group, bytes / matrices(), job.precision, overlap));
      copy_pieces(list, group, bytes / matrices());
    }
    convert_gathered(list, plan.quantize_weights, elements - fewer_bits, groups.at(group).size, half);
  }

  void scatter(std::vector<Operator>& list, const char* name, Group group, double elements) const {
    const double bytes = elements * wire_bytes(plan.quantize_gradients, wire);
    if (bytes <= 0)
      return;
    for (int i = 0; i < matrices() + vectors(); ++i) {
      const double part = i < matrices() ? bytes / matrices() : job.model.hidden * half;
      copy_pieces(list, group, part);
      list.push_back(collective(name, CollectiveKind::reduce_scatter, group, part, job.precision, overlap));
    }
    convert_scattered(list, plan.quantize_gradients, elements, groups.at(group).size, half, wire);
  }
};

} // namespace

ShardSizes shard_sizes(const Plan& plan) {
  ShardSizes sizes{.data = plan.dp * plan.cp};
  sizes.experts = plan.tp * sizes.data / (plan.expert_tensor() * plan.ep);
  const int shard = or_else(plan.shard, sizes.data);
  if (plan.zero >= 1)
    sizes.optimizer = shard;
  if (plan.zero >= 2)
    sizes.gradients = or_else(plan.shard_gradients, shard);
  if (plan.zero >= 3)
    sizes.parameters = or_else(plan.shard_parameters, shard);
  return sizes;
}

GroupShapes group_shapes(const Plan& plan) {
  GroupShapes groups;
  groups[Group::tensor] = {plan.tp, axis_stride(plan, RankAxis::tensor)};
  groups[Group::context] = {plan.cp, axis_stride(plan, RankAxis::context)};
  const int stride = data_stride(plan);
  const ShardSizes sizes = shard_sizes(plan);
  groups[Group::data] = {sizes.data, stride};
  const int pipeline = axis_stride(plan, RankAxis::pipeline);
  groups[Group::pipeline] = {plan.pp, pipeline};
  groups[Group::embedding] = {plan.pp == 1 ? 1 : 2, pipeline * (plan.pp - 1)};
  groups[Group::shard] = {sizes.parameters, stride};
  groups[Group::secondary_shard] = {or_else(plan.secondary_shard, sizes.parameters), stride};
  groups[Group::gradient_shard] = {sizes.gradients, stride};
  groups[Group::optimizer_scatter] = {sizes.optimizer / sizes.gradients, stride * sizes.gradients};
  groups[Group::optimizer_gather] = {sizes.optimizer / sizes.parameters, stride * sizes.parameters};
  groups[Group::gradient_replica] = {sizes.data / sizes.optimizer, stride * sizes.optimizer};
  const int etp = plan.expert_tensor();
  groups[Group::expert_tensor] = {etp, 1};
  groups[Group::expert] = {plan.ep, etp};
  groups[Group::expert_data] = {sizes.experts, etp * plan.ep};
  return groups;
}

std::vector<Violation> check_placement(const Plan& plan) {
  std::vector<Violation> found;
  const auto divides = [&](const char* part, int size, const char* whole, int of) {
    if (size < 1 || of % size != 0)
      found.push_back({fmt::format("{} {} does not divide {} {}", part, size, whole, of)});
  };
  const ShardSizes sizes = shard_sizes(plan);
  divides("shard", sizes.optimizer, "dp x cp", sizes.data);
  divides("shard of gradients", sizes.gradients, "the optimizer's shard", sizes.optimizer);
  divides("shard of parameters", sizes.parameters, "the optimizer's shard", sizes.optimizer);
  if (plan.secondary_shard > 0)
    divides("secondary_shard", plan.secondary_shard, "the parameters' shard", sizes.parameters);
  if (plan.quantize_weights != Wire::plain && plan.zero < 3)
    found.push_back({fmt::format("quantize_weights needs sharded parameters: zero {} < 3", plan.zero)});
  if (plan.quantize_gradients != Wire::plain && plan.zero < 2)
    found.push_back({fmt::format("quantize_gradients needs sharded gradients: zero {} < 2", plan.zero)});
  const int etp = plan.expert_tensor();
  divides("ep x etp", plan.ep * etp, "tp x cp x dp", plan.tp * sizes.data);
  if (plan.cp > 1 && plan.dp > 1) {
    const int context = axis_stride(plan, RankAxis::context);
    const int data = axis_stride(plan, RankAxis::data);
    if (data != context * plan.cp && context != data * plan.dp)
      found.push_back({"context and data axes are not next to each other in order: the ranks that share gradients are no regular group"});
  }
  if (plan.ep * etp != plan.tp && plan.pp > 1 && axis_stride(plan, RankAxis::pipeline) * plan.pp != plan.ranks())
    found.push_back({"the pipeline is not the last axis in order: ranks that share experts are no regular group"});
  return found;
}

void shard_block(Block& block, const TrainingJob& job, const Plan& plan, const SoftwareProfile& software) {
  const ShardSizes sizes = shard_sizes(plan);
  const Exchange exchange(job, plan, software);
  const double half = exchange.half;
  const double wire = exchange.wire;
  // Hooks that free a tensor after each use gather it for the recomputation and again for the backward pass proper.
  const int backward_gathers = software.gather_blocking && plan.recompute == Recompute::full ? 2 : 1;
  const auto gather = [&](const char* name, Group forward, Group backward, double elements, double fewer_bits) {
    exchange.gather(block.forward, name, forward, elements, fewer_bits);
    for (int i = 0; i < backward_gathers; ++i)
      exchange.gather(block.backward, name, backward, elements, fewer_bits);
  };
  if (sizes.parameters > 1)
    gather("parameter_gather", Group::shard, Group::secondary_shard, block.parameters, block.packed_parameters);
  if (plan.zero >= 3 && sizes.experts > 1)
    gather("expert_gather", Group::expert_data, Group::expert_data, block.expert_parameters, 0);
  if (sizes.gradients > 1)
    exchange.scatter(block.backward, "gradient_scatter", Group::gradient_shard, block.trained_parameters());
  if (plan.zero >= 2 && sizes.experts > 1)
    exchange.scatter(block.backward, "expert_gradient_scatter", Group::expert_data, block.trained_experts());
  const double elements = block.parameters + block.expert_parameters;
  const double trained = block.trained_parameters() + block.trained_experts();
  const auto copy = [&](std::vector<Operator>& list, const char* name, double copied, double written) {
    list.push_back(streaming(name, OpClass::cast, copied * half, copied * written, 1));
  };
  if (software.copy_gathered && plan.zero >= 3) {
    copy(block.forward, "parameter_copy", elements, half);
    copy(block.backward, "parameter_copy", elements, half);
  }
  if (software.copy_scattered && plan.zero >= 2)
    copy(block.backward, "gradient_copy", trained, wire);
  if (plan.zero >= 3) // the layer at work and the one gathered ahead
    block.working_set += Bytes{2 * elements * half};
  if (plan.zero >= 2)
    block.working_set += Bytes{trained * wire};
}

void HeldElements::add(const Block& block, int times) {
  dense += times * block.parameters;
  experts += times * block.expert_parameters;
  frozen += times * block.frozen_parameters;
  frozen_experts += times * (block.expert_parameters - block.trained_experts());
  packed += times * block.packed_parameters;
}

void HeldElements::add(const HeldElements& other) {
  dense += other.dense;
  experts += other.experts;
  frozen += other.frozen;
  frozen_experts += other.frozen_experts;
  packed += other.packed;
}

void expose_ends(Block& block, const HeldElements& held, const TrainingJob& job, const Plan& plan, const SoftwareProfile& software) {
  const ShardSizes sizes = shard_sizes(plan);
  const Exchange exchange(job, plan, software);
  if (sizes.parameters > 1)
    block.forward.insert(block.forward.begin(),
                         collective("first_gather", CollectiveKind::all_gather, Group::shard,
                                    held.dense * wire_bytes(plan.quantize_weights, exchange.half), job.precision, Overlap::none));
  if (sizes.gradients > 1 && held.trained() > 0)
    block.backward.push_back(collective("last_scatter", CollectiveKind::reduce_scatter, Group::gradient_shard,
                                        held.trained() * wire_bytes(plan.quantize_gradients, element_bytes(software.reduction)),
                                        job.precision, Overlap::none));
}

std::vector<Operator> step_operators(const TrainingJob& job, const Plan& plan, const SoftwareProfile& software, const HeldElements& held) {
  std::vector<Operator> list;
  list.reserve(12);
  const double wire = element_bytes(software.reduction);
  const double kept = element_bytes(software.gradient);
  const double half = element_bytes(job.precision);
  const ShardSizes sizes = shard_sizes(plan);
  const auto add = [&](const char* name, CollectiveKind kind, Group group, int ranks, double bytes, bool overlapped) {
    if (ranks > 1 && bytes > 0)
      list.push_back(collective(name, kind, group, bytes, software.reduction, overlapped ? Overlap::pass : Overlap::none));
  };
  add("gradient_reduce", CollectiveKind::reduce_scatter, Group::optimizer_scatter, sizes.optimizer / sizes.gradients,
      held.trained() / sizes.gradients * wire, plan.overlap_grad_reduce);
  const bool whole = sizes.optimizer == 1;
  add("gradient_reduce", CollectiveKind::all_reduce, whole ? Group::data : Group::gradient_replica, sizes.data / sizes.optimizer,
      held.trained() / sizes.optimizer * wire, plan.overlap_grad_reduce);
  if (plan.zero <= 1)
    add("expert_gradient_reduce", plan.zero == 1 ? CollectiveKind::reduce_scatter : CollectiveKind::all_reduce, Group::expert_data,
        sizes.experts, held.trained_experts() * wire, plan.overlap_grad_reduce);
  add("embedding_reduce", CollectiveKind::all_reduce, Group::embedding, 2, held.tied_embedding * wire, false);
  const double owned = held.trained() / sizes.optimizer + held.trained_experts() / (plan.zero >= 1 ? sizes.experts : 1);
  // Gradients held in half precision are copied to fp32 once. Overflow check and norm each read all.
  const double copy = kept < 4 ? kept + 4 : 0;
  list.push_back(streaming("gradient_norm", OpClass::optimizer, owned * (2 * 4 + copy), owned * (copy > 0 ? 4 : 0), 8));
  list.push_back(streaming("gradient_clip", OpClass::optimizer, owned * 4, owned * 4, 4));
  // Reads parameter, gradient, two moments; writes all but the gradient.
  list.push_back(streaming("adam", OpClass::optimizer, owned * 16, owned * 12, 8));
  if (half < 4)
    list.push_back(streaming("parameter_cast", OpClass::cast, owned * 4, owned * half, 4));
  const double gradients = held.trained() / sizes.gradients + held.trained_experts() / (plan.zero >= 2 ? sizes.experts : 1);
  list.push_back(streaming("gradient_zero", OpClass::optimizer, 0, gradients * kept, 2));
  add("parameter_gather", CollectiveKind::all_gather, Group::optimizer_gather, sizes.optimizer / sizes.parameters,
      held.trained() / sizes.parameters * half, plan.overlap_param_gather);
  if (plan.zero == 1 || plan.zero == 2)
    add("expert_gather", CollectiveKind::all_gather, Group::expert_data, sizes.experts, held.trained_experts() * half,
        plan.overlap_param_gather);
  if (plan.offload.any())
    offload_update(list, owned, job, plan, software);
  return list;
}

void fill_states(Stage& stage, const TrainingJob& job, const Plan& plan, const SoftwareProfile& software, const HeldElements& held) {
  const ShardSizes sizes = shard_sizes(plan);
  const auto sharded_experts = [&](double elements, int from_zero) { return elements / (plan.zero >= from_zero ? sizes.experts : 1); };
  const auto per_rank = [&](int dense, int from_zero) {
    return held.trained() / dense + sharded_experts(held.trained_experts(), from_zero);
  };
  const double half = element_bytes(job.precision);
  const double dense = (held.dense - held.packed) * half + held.packed * job.tuning.packed_bytes(half);
  const double secondary = plan.secondary_shard > 0 ? dense / plan.secondary_shard : 0;
  stage.parameters = Bytes{dense / sizes.parameters + secondary + sharded_experts(held.experts, 3) * half};
  stage.gradients = Bytes{per_rank(sizes.gradients, 2) * element_bytes(software.gradient)};
  stage.optimizer = Bytes{per_rank(sizes.optimizer, 1) * optimizer_bytes(job, software)};
  stage.host = stage.storage = Bytes{};
  if (plan.offload.any())
    offload_states(stage, per_rank(sizes.optimizer, 1), job, plan, software);
}

} // namespace orrery
