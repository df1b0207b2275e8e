// What stands at the ends of a chunk: embedding, head and the entry of a pipeline message.
#include "workloads/block_builder.hpp"
#include "workloads/layer.hpp"

namespace orrery {

Block embedding_block(const TrainingJob& job, const Plan& plan, const SoftwareProfile& software) {
  const BlockBuilder b(job, plan, software);
  Block block{.name = "embedding"};
  block.forward.reserve(8);
  block.backward.reserve(4);
  b.streaming(block.forward, "embedding_lookup", OpClass::embedding, b.activation(), b.activation(), plan.tp > 1 ? 4 : 1);
  b.leave_parallel(block.forward, "embedding");
  if (job.model.position == PositionKind::learned)
    b.streaming(block.forward, "position_add", OpClass::elementwise, 2 * b.shard(), b.shard());
  if (software.hidden_dropout)
    b.streaming(block.forward, "embedding_dropout", OpClass::elementwise, b.shard(), b.shard() * (1 + 1 / b.size.element));
  const bool frozen = job.tuning.freezes_embedding();
  if (!frozen) {
    b.enter_parallel(block.backward, "embedding_grad");
    // Rows of the table's gradient are read, added to and written.
    b.streaming(block.backward, "embedding_backward", OpClass::embedding, 3 * b.activation(), b.activation(), 4);
    block.activations = Bytes{b.size.tokens * 8 + (software.hidden_dropout ? b.size.shard * b.size.hidden : 0)};
  }
  block.working_set = Bytes{b.activation()};
  block.parameters = static_cast<double>(job.model.vocabulary) * job.model.hidden / plan.tp +
                     static_cast<double>(job.model.max_positions) * job.model.hidden;
  block.frozen_parameters = frozen ? block.parameters : 0;
  return block;
}

Block head_block(const TrainingJob& job, const Plan& plan, const SoftwareProfile& software) {
  const BlockBuilder b(job, plan, software);
  const double width = static_cast<double>(job.model.vocabulary) / plan.tp;
  const double logits = b.size.tokens * width;
  Block block{.name = "head"};
  block.forward.reserve(12);
  block.backward.reserve(12);
  b.norm(block.forward, "final_norm");
  b.linear(block.forward, "head", OpClass::head, b.size.hidden, width, Side::column);
  if (software.fused_loss) {
    b.streaming(block.forward, "loss", OpClass::loss, logits * b.size.element, logits * b.size.element);
  } else { // to fp32 (2 + 4), maximum (4), subtraction (8), exponential (8), sum (4), division (8) bytes per logit
    b.streaming(block.forward, "loss", OpClass::loss, logits * 22, logits * 16, 10);
  }
  if (software.logged_losses > 0) // to fp32 and its logarithmic softmax; the targets are picked from it
    b.streaming(block.forward, "logged_losses", OpClass::loss, software.logged_losses * logits * (b.size.element + 4),
                software.logged_losses * logits * 8, 3 * software.logged_losses);
  for (const char* name : {"loss_max", "loss_sum", "loss_target"})
    b.collective(block.forward, name, CollectiveKind::all_reduce, b.size.tokens * 4);
  if (!software.fused_loss) // scaling in fp32 and the cast back
    b.streaming(block.backward, "loss_backward", OpClass::loss, logits * 8, logits * 6, 4);
  b.linear_backward(block.backward, "head", OpClass::head, b.size.hidden, width, Side::column);
  b.norm_backward(block.backward, "final_norm");
  const double logit_bytes = software.fused_loss ? b.size.element : b.size.element + 4;
  block.activations = Bytes{2 * b.shard() + logits * logit_bytes};
  block.working_set = Bytes{logits * (software.fused_loss ? b.size.element : 4)};
  block.parameters = job.model.norm_parameters() + width * job.model.hidden;
  block.frozen_parameters = job.tuning.freezes_weights() ? block.parameters : 0;
  return block;
}

Block prediction_entry_block(const TrainingJob& job, const Plan& plan, const SoftwareProfile& software) {
  const BlockBuilder b(job, plan, software);
  const double width = b.size.hidden / plan.tp;
  Block block{.name = "prediction_entry"};
  b.norm(block.forward, "state_norm");
  b.norm(block.forward, "token_norm");
  b.linear(block.forward, "prediction_in", OpClass::gemm, 2 * b.size.hidden, width, Side::column);
  b.collective(block.forward, "prediction_out", CollectiveKind::all_gather, b.activation());
  b.linear_backward(block.backward, "prediction_in", OpClass::gemm, 2 * b.size.hidden, width, Side::column);
  b.norm_backward(block.backward, "state_norm");
  b.norm_backward(block.backward, "token_norm");
  block.activations = Bytes{4 * b.shard()}; // inputs and outputs of the norms
  block.working_set = Bytes{2 * b.activation()};
  block.parameters = 2 * job.model.norm_parameters() + 2 * b.size.hidden * width;
  block.frozen_parameters = job.tuning.freezes_weights() ? block.parameters : 0;
  return block;
}

Block prediction_head_block(const TrainingJob& job, const Plan& plan, const SoftwareProfile& software) {
  Block block = head_block(job, plan, software);
  block.name = "prediction_head";
  block.parameters = job.model.norm_parameters();
  block.frozen_parameters = job.tuning.freezes_weights() ? block.parameters : 0;
  return block;
}

Block receive_block(const TrainingJob& job, const Plan& plan, const SoftwareProfile& software) {
  const BlockBuilder b(job, plan, software);
  Block block{.name = "receive"};
  if (plan.sequence_parallel)
    return block;
  if (software.scatter_gather_p2p)
    b.collective(block.forward, "activation_gather", CollectiveKind::all_gather, b.activation());
  if (software.scatter_gather_backward)
    b.collective(block.backward, "gradient_gather", CollectiveKind::all_gather, b.activation());
  return block;
}

} // namespace orrery
