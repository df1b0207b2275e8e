#include "workloads/block_builder.hpp"

#include "workloads/adapters.hpp"
#include "workloads/recompute.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>

namespace orrery {

namespace {

/// Heads of keys and values on one rank: every query head has its own where they come from a latent, and where there are fewer than ranks
/// they are replicated.
double rank_kv_heads(const TransformerModel& model, int tp) {
  const int heads = model.latent.kv_rank > 0 ? model.heads : model.kv_heads;
  return std::max(1.0, static_cast<double>(heads) / tp);
}

} // namespace

Sizes::Sizes(const TrainingJob& job, const Plan& plan)
    : tokens(static_cast<double>(plan.micro_batch) * job.sequence / plan.cp), sequence(job.sequence), batch(plan.micro_batch),
      hidden(job.model.hidden), tp(plan.tp), queries(static_cast<double>(job.sequence) / plan.cp), element(element_bytes(job.precision)),
      query(static_cast<double>(job.model.heads) * job.model.head_dim / plan.tp),
      kv(rank_kv_heads(job.model, plan.tp) * job.model.head_dim), heads(static_cast<double>(job.model.heads) / plan.tp),
      kv_heads(rank_kv_heads(job.model, plan.tp)), head_dim(job.model.head_dim),
      value_dim(job.model.latent.kv_rank > 0 ? job.model.latent.value_dim : job.model.head_dim), context(heads * value_dim),
      ffn(static_cast<double>(job.model.ffn_hidden) / plan.tp), shard(plan.sequence_parallel ? tokens / plan.tp : tokens) {}

void BlockBuilder::streaming(List& list, std::string name, OpClass op_class, double read, double written, int kernels) const {
  list.emplace_back(std::move(name), op_class, job.precision,
                    Streaming{.read = Bytes{read}, .written = Bytes{written}, .flops = Flops{read / size.element}}, kernels);
}

void BlockBuilder::matmul(List& list, std::string name, OpClass op_class, Matmul shape) const {
  list.emplace_back(std::move(name), op_class, low_precision(op_class) ? recipe_traits(job.recipe).operand : job.precision, shape);
}

void BlockBuilder::plain_matmul(List& list, std::string name, OpClass op_class, Matmul shape) const {
  list.emplace_back(std::move(name), op_class, job.precision, shape);
}

void BlockBuilder::grouped_matmul(List& list, std::string name, GroupedMatmul shape) const {
  list.push_back({.name = std::move(name),
                  .op_class = OpClass::gemm,
                  .precision = low_precision(OpClass::gemm) ? recipe_traits(job.recipe).operand : job.precision,
                  .shape = shape,
                  .kernels = software.grouped_experts ? 1 : static_cast<int>(shape.groups),
                  .weight_gradient = shape.weight_gradient});
}

void BlockBuilder::collective_over(List& list, std::string name, CollectiveKind collective_kind, Group group, int ranks, double bytes,
                                   Overlap overlap) const {
  if (ranks == 1)
    return;
  list.emplace_back(std::move(name), OpClass::communication, job.precision,
                    Collective{.kind = collective_kind, .group = group, .bytes = Bytes{bytes}, .overlap = overlap});
}

void BlockBuilder::collective(List& list, std::string name, CollectiveKind collective_kind, double bytes, Overlap overlap) const {
  // Pieces that feed a product as they arrive need no order.
  const bool ordered = software.copy_sequence_shards && plan.sequence_parallel && plan.tp > 1 && overlap == Overlap::none;
  const std::string order = ordered ? name + "_order" : std::string{};
  if (ordered && collective_kind == CollectiveKind::reduce_scatter)
    streaming(list, order, OpClass::elementwise, bytes, bytes);
  collective_over(list, std::move(name), collective_kind, Group::tensor, plan.tp, bytes, overlap);
  if (ordered && collective_kind == CollectiveKind::all_gather)
    streaming(list, order, OpClass::elementwise, bytes, bytes);
}

void BlockBuilder::context_collective(List& list, const char* name, CollectiveKind collective_kind, double bytes, Overlap overlap) const {
  collective_over(list, name, collective_kind, Group::context, plan.cp, bytes, overlap);
}

void BlockBuilder::cast(List& list, const std::string& name, const Casting& what) const {
  const RecipeTraits traits = recipe_traits(job.recipe);
  // A fused kernel that produced the tensor casts it as well, unless the scale has to be known first. Scales of rows and of columns come
  // from maxima of their own.
  const bool beside = software.fused_bias_activation && !traits.reads_twice && (software.fused_casts || what.of_norm);
  const double maxima = traits.reads_twice ? (traits.scales_by_axis ? 2 * what.copies - 1 : 1) : 0;
  const double read = (beside ? 0 : 1) + maxima;
  const double written = what.copies * (element_bytes(traits.operand) + traits.scale_bytes);
  const double rotation = traits.rotates ? 2 * size.element : 0; // read and written once more, for the weight gradient
  const int kernels = traits.reads_twice ? 3 : 1;                // the maximum, the scale from it, the cast
  streaming(list, name + "_cast", OpClass::cast, what.times * what.elements * (read * size.element + rotation / 2),
            what.times * what.elements * (written + rotation / 2), static_cast<int>(std::lround(what.times * what.tensors * kernels)));
}

void BlockBuilder::cast_weights(List& list, const std::string& name, double elements, double tensors, double copies) const {
  const double times = static_cast<double>(plan.micro_batch) * plan.dp / job.global_batch;
  cast(list, name + "_weight", {.elements = elements, .times = times, .tensors = tensors, .copies = copies});
}

void BlockBuilder::recast(List& list, const std::string& name, double elements) const {
  const RecipeTraits traits = recipe_traits(job.recipe);
  const double maxima = traits.scales_by_axis ? 1 : 0; // of the columns; a scale of the whole tensor is known
  streaming(list, name + "_input_cast", OpClass::cast, (1 + maxima) * elements * size.element,
            elements * (element_bytes(traits.operand) + traits.scale_bytes));
}

namespace {

/// Widths of the products that a layer is split into: its parts, or the whole of it.
std::span<const double> widths_of(const std::vector<double>& parts, const double& whole) {
  return parts.empty() ? std::span(&whole, 1) : std::span(parts);
}

/// Whether one scale holds for a whole tensor and comes from its maximum. Ranks that cast a shard each and gather them take the maximum of
/// all (Transformer Engine: with_amax_reduction; torchao: the maximum of a DTensor).
bool shares_maximum(Recipe recipe) { return recipe == Recipe::fp8_tensor || recipe == Recipe::nvfp4; }

std::string part_name(const std::string& name, std::size_t part) { return part == 0 ? name : fmt::format("{}_{}", name, part + 1); }

} // namespace

std::vector<double> BlockBuilder::attention_parts() const {
  return software.fused_projections ? std::vector<double>{} : std::vector{size.query, size.kv, size.kv};
}

std::vector<double> BlockBuilder::feed_forward_parts() const {
  return software.fused_projections || gates() < 2 ? std::vector<double>{} : std::vector{size.ffn, size.ffn};
}

void BlockBuilder::sum_input_gradients(List& list, const std::string& name, std::size_t products) const {
  if (products < 2)
    return;
  const auto terms = static_cast<double>(products);
  if (!software.fused_bias_activation) // one addition after the other
    return streaming(list, name + "_dgrad_sum", OpClass::elementwise, 2 * (terms - 1) * activation(), (terms - 1) * activation(),
                     static_cast<int>(products) - 1);
  // A compiler adds them in the kernel that comes next, the norm's backward pass, unless tensor parallelism sums them first.
  const bool alone = plan.tp > 1;
  streaming(list, name + "_dgrad_sum", OpClass::elementwise, (alone ? terms : terms - 1) * activation(), alone ? activation() : 0);
}

void BlockBuilder::linear(List& list, const std::string& name, OpClass op_class, double in, double out, Side side,
                          const std::vector<double>& parts) const {
  const bool fewer_bits = low_precision(op_class);
  const Overlap piecewise = software.overlap_tp_forward ? Overlap::next : Overlap::none;
  if (packed(op_class))
    unpack_weights(*this, list, name, in * out);
  if (software.autocast)
    streaming(list, name + "_autocast", OpClass::cast, in * out * fp32_bytes, in * out * size.element);
  const bool gathers = side == Side::column && plan.sequence_parallel;
  const bool narrow = gathers_narrow(op_class);
  if (gathers && !narrow)
    collective(list, name + "_gather", CollectiveKind::all_gather, activation(), piecewise);
  if (gathers && narrow && shares_maximum(job.recipe))
    collective_over(list, name + "_maximum", CollectiveKind::all_reduce, Group::tensor, plan.tp, fp32_bytes);
  if (fewer_bits) {
    const double copies = software.recast_inputs ? 1 : 2;
    cast(list, name,
         {.elements = (gathers && narrow ? size.shard : size.tokens) * in,
          .copies = job.tuning.freezes_weights() ? 1 : copies,
          .of_norm = side == Side::column});
    cast_weights(list, name, in * out, 1, copies);
  }
  if (gathers && narrow)
    collective(list, name + "_gather", CollectiveKind::all_gather, narrow_activation(), piecewise);
  const CollectiveKind sum = plan.sequence_parallel ? CollectiveKind::reduce_scatter : CollectiveKind::all_reduce;
  if (side == Side::row && software.overlap_tp_forward)
    collective(list, name + "_reduce", sum, activation(), piecewise);
  const std::span<const double> widths = widths_of(parts, out);
  for (std::size_t part = 0; part < widths.size(); ++part)
    matmul(list, part_name(name, part), op_class, {.m = size.tokens, .n = widths[part], .k = in});
  if (has_adapter(job, name))
    adapter_forward(*this, list, name, in, out);
  if (side == Side::row && !software.overlap_tp_forward)
    collective(list, name + "_reduce", sum, activation());
}

bool BlockBuilder::has_gathered_input(const std::string& name) const {
  if (!software.keep_gathered_inputs)
    return false;
  // Kept, or made again with the layer itself; a recomputed norm leaves its shard.
  return plan.recompute != Recompute::selective || !recomputes(plan, "input_norm") || recomputes(plan, name);
}

void BlockBuilder::enter_parallel(List& list, const std::string& name) const {
  if (plan.sequence_parallel)
    collective(list, name + "_gather", CollectiveKind::all_gather, activation());
}

void BlockBuilder::leave_parallel(List& list, const std::string& name) const {
  collective(list, name + "_reduce", plan.sequence_parallel ? CollectiveKind::reduce_scatter : CollectiveKind::all_reduce, activation());
}

void BlockBuilder::linear_backward(List& list, const std::string& name, OpClass op_class, double in, double out, Side side,
                                   const std::vector<double>& parts) const {
  const bool column = side == Side::column;
  const std::span<const double> widths = widths_of(parts, out);
  const bool adapted = has_adapter(job, name);
  const bool needs_input = adapted || !job.tuning.freezes_weights(); // for the gradient of a weight
  if (packed(op_class))
    unpack_weights(*this, list, name + "_dgrad", in * out);
  // The sharded operand is gathered again: the input of a column layer, the output gradient of a row layer.
  const bool sharded = plan.sequence_parallel && side != Side::inner;
  const bool narrow = gathers_narrow(op_class);
  const bool gathers = sharded && (!column || (needs_input && !has_gathered_input(name)));
  const bool shard_is_cast = sharded && narrow && !column;
  if (shard_is_cast && shares_maximum(job.recipe))
    collective_over(list, name + "_grad_maximum", CollectiveKind::all_reduce, Group::tensor, plan.tp, fp32_bytes);
  if (low_precision(op_class))
    cast(list, name + "_grad",
         {.elements = (shard_is_cast ? size.shard : size.tokens) * out, .copies = job.tuning.freezes_weights() ? 1.0 : 2.0});
  if (low_precision(op_class) && software.recast_inputs) {
    if (!job.tuning.freezes_weights())
      recast(list, name, size.tokens * in);
    cast_weights(list, name, in * out, 1, 1);
  }
  if (gathers)
    collective(list, name + (column ? "_input_gather" : "_grad_gather"), CollectiveKind::all_gather,
               narrow ? narrow_activation() : activation(),
               (column ? software.overlap_tp_backward : software.overlap_tp_forward) ? Overlap::next : Overlap::none);
  for (std::size_t part = 0; part < widths.size(); ++part)
    matmul(list, part_name(name, part) + "_dgrad", op_class, {.m = size.tokens, .n = in, .k = widths[part]});
  sum_input_gradients(list, name, widths.size());
  if (adapted)
    adapter_backward(*this, list, name, in, out);
  if (column)
    collective(list, name + "_dgrad_reduce", plan.sequence_parallel ? CollectiveKind::reduce_scatter : CollectiveKind::all_reduce,
               activation(), software.overlap_tp_backward && needs_input ? Overlap::next : Overlap::none);
  if (adapted)
    return adapter_gradients(*this, list, name, in, out);
  for (std::size_t part = 0; needs_input && part < widths.size(); ++part)
    weight_gradient(list, part_name(name, part), op_class, {.m = widths[part], .n = in, .k = size.tokens});
  if (needs_input && software.autocast)
    streaming(list, name + "_autocast_grad", OpClass::cast, in * out * size.element, in * out * fp32_bytes);
  if (needs_input && op_class != OpClass::head)
    bias_gradient(list, name, side == Side::row ? size.shard : size.tokens, out);
}

void BlockBuilder::add_bias(List& list, const std::string& name, double out) const {
  // Megatron-LM's linear layers leave biases to the kernels behind them or add them by one (autograd sums up their gradients then).
  // PyTorch's hand them to the library's product, as Transformer Engine does, and compilers fuse them.
  const double bytes = size.tokens * out * size.element;
  if (model.biases && software.sum_bias_gradients && software.fused_bias_activation)
    streaming(list, name + "_bias", OpClass::elementwise, bytes, bytes);
}

void BlockBuilder::bias_gradient(List& list, const std::string& name, double rows, double out) const {
  if (model.biases && software.sum_bias_gradients)
    streaming(list, name + "_bias_grad", OpClass::elementwise, rows * out * size.element, out * size.element);
}

void BlockBuilder::weight_gradient(List& list, const std::string& name, OpClass op_class, Matmul shape) const {
  const bool whole = plan.zero < 2; // sharded gradients are added up where they are kept
  if (whole && software.fused_grad_accumulation)
    shape.result_bytes = element_bytes(software.gradient) * (one_micro_batch() ? 1 : 2);
  if (job.tuning.freezes_weights()) // an adapter's, in the model's precision
    plain_matmul(list, name + "_wgrad", op_class, shape);
  else
    matmul(list, name + "_wgrad", op_class, shape);
  list.back().weight_gradient = true;
  if (!software.fused_grad_accumulation)
    accumulate(list, name, shape.m * shape.n);
}

void BlockBuilder::accumulate(List& list, const std::string& name, double elements) const {
  if (plan.zero >= 2 || one_micro_batch())
    return;
  const double kept = element_bytes(software.gradient);
  const bool copies = software.copy_wide_gradients && kept > size.element;
  if (copies) {
    streaming(list, name + "_widen_grad", OpClass::cast, elements * size.element, elements * kept);
    list.back().weight_gradient = true;
  }
  streaming(list, name + "_accumulate", OpClass::elementwise, elements * ((copies ? kept : size.element) + kept), elements * kept);
  list.back().weight_gradient = true;
}

void BlockBuilder::norm(List& list, const std::string& name) const {
  if (fuses_norms()) // with autocast, of a copy
    return streaming(list, name, OpClass::normalization, shard() + (software.autocast ? stream() : 0),
                     (software.autocast ? 2 : 1) * shard(), software.autocast ? 2 : 1);
  // To fp32, square, mean, times its inverse root, from fp32, times the weights.
  const double wide = size.shard * size.hidden * fp32_bytes;
  streaming(list, name, OpClass::normalization, 2 * shard() + 4 * wide, 2 * shard() + 3 * wide, 6);
}

void BlockBuilder::norm_backward(List& list, const std::string& name) const {
  if (!fuses_norms()) {
    // Of the weights: product and sum. Then the inverse root's factor and, through its sum, the square's (power, factor 2, product), added.
    const double wide = size.shard * size.hidden * fp32_bytes;
    return streaming(list, name + "_backward", OpClass::normalization, 5 * shard() + 10 * wide, 3 * shard() + 7 * wide, 13);
  }
  // Input and output gradient are read, the input gradient written; a second kernel sums the weight gradients.
  const int kernels = (job.tuning.freezes_weights() ? 1 : 2) + (software.autocast ? 1 : 0);
  streaming(list, name + "_backward", OpClass::normalization, (software.autocast ? 4 : 3) * shard(),
            shard() + (software.autocast ? stream() : 0), kernels);
}

void BlockBuilder::residual(List& list, const std::string& name) const {
  if (model.post_norms)
    norm(list, name + "_norm");
  const double mask = software.hidden_dropout ? shard() / size.element : 0;
  if (software.fused_bias_activation)
    return streaming(list, name, OpClass::elementwise, shard() + stream(), stream() + mask);
  // The library's product adds the bias; dropout is a kernel of its own.
  const double dropped = software.hidden_dropout ? shard() : 0;
  streaming(list, name, OpClass::elementwise, shard() + stream() + dropped, stream() + dropped + mask, software.hidden_dropout ? 2 : 1);
}

void BlockBuilder::residual_backward(List& list, const std::string& name) const {
  if (model.post_norms)
    norm_backward(list, name + "_norm");
  // The residual's gradient is added to the branch's; dropout scales the branch by its mask.
  const double mask = software.hidden_dropout ? shard() / size.element : 0;
  streaming(list, name + "_backward", OpClass::elementwise, 2 * stream() + mask, stream() + (software.hidden_dropout ? shard() : 0),
            software.hidden_dropout ? 2 : 1);
}

} // namespace orrery
