// The registry of features: what `--without` turns off and how.
#include "scenarios/ablation.hpp"
#include "workloads/schedule.hpp"

namespace orrery {

namespace {

using Use = bool (*)(const TrainingScenario&);

bool always(const TrainingScenario& /*job*/) { return true; }
bool splits_tensors(const TrainingScenario& job) { return job.plan.tp > 1; }
bool splits_layers(const TrainingScenario& job) { return job.plan.pp > 1; }
bool splits_batch(const TrainingScenario& job) { return job.plan.dp * job.plan.cp > 1; }
bool shards(const TrainingScenario& job) { return job.plan.zero > 0 && splits_batch(job); }
bool shards_parameters(const TrainingScenario& job) { return job.plan.zero >= 3 && splits_batch(job); }
bool has_experts(const TrainingScenario& job) { return job.job->model.experts.count > 0; }
bool spreads_experts(const TrainingScenario& job) { return has_experts(job) && job.plan.ep > 1; }
bool has_shared_experts(const TrainingScenario& job) { return spreads_experts(job) && job.job->model.experts.shared_hidden > 0; }
/// Without sequence parallelism, which sends shares in any case.
bool repeats_messages(const TrainingScenario& job) { return splits_tensors(job) && splits_layers(job) && !job.plan.sequence_parallel; }

template <bool Plan::* Switch, Use use> constexpr Feature of_plan(std::string_view name, std::string_view help) {
  return {name, help, [](const TrainingScenario& job, const SoftwareProfile&) { return job.plan.*Switch && use(job); },
          [](TrainingScenario& job, SoftwareProfile&) { job.plan.*Switch = false; }};
}

/// A switch of the software whose value `good` is the optimised one.
template <bool SoftwareProfile::* Switch, Use use, bool good = true>
constexpr Feature of_software(std::string_view name, std::string_view help) {
  return {name, help, [](const TrainingScenario& job, const SoftwareProfile& software) { return software.*Switch == good && use(job); },
          [](TrainingScenario&, SoftwareProfile& software) { software.*Switch = !good; }};
}

/// The layers that each stage has keep to it.
void run_one_forward_one_backward(Plan& plan) {
  const int chunks = chunks_per_stage(plan.schedule, plan.virtual_stages);
  if (!plan.stage_layers.empty()) {
    std::vector<int> layers(static_cast<std::size_t>(plan.pp), 0);
    // DualPipe holds each chunk twice: once is enough.
    const int own = plan.schedule == ScheduleKind::dualpipe ? 1 : chunks;
    for (int stage = 0; stage < plan.pp; ++stage)
      for (int chunk = 0; chunk < own; ++chunk)
        layers[static_cast<std::size_t>(stage)] +=
            plan.stage_layers[static_cast<std::size_t>(chunk_at(plan.schedule, plan.pp, stage, chunk))];
    plan.stage_layers = std::move(layers);
  }
  if (plan.schedule != ScheduleKind::dualpipe)
    plan.recompute_layers *= chunks;
  plan.schedule = ScheduleKind::one_f_one_b;
  plan.virtual_stages = 1;
}

void use_whole_group(Plan& plan) { plan.shard = plan.shard_parameters = plan.shard_gradients = 0; }

constexpr Feature interleaving = {"interleaving", "several chunks a stage; off: 1f1b",
                                  [](const TrainingScenario& job, const SoftwareProfile&) {
                                    return job.plan.schedule == ScheduleKind::interleaved && job.plan.virtual_stages > 1 &&
                                           splits_layers(job);
                                  },
                                  [](TrainingScenario& job, SoftwareProfile&) { run_one_forward_one_backward(job.plan); }};

constexpr Feature zero_bubble = {
    "zero-bubble", "backward passes split; off: 1f1b",
    [](const TrainingScenario& job, const SoftwareProfile&) { return splits_backward(job.plan.schedule) && splits_layers(job); },
    [](TrainingScenario& job, SoftwareProfile&) { run_one_forward_one_backward(job.plan); }};

constexpr Feature distributed_optimizer = {"distributed-optimizer", "states sharded over replicas",
                                           [](const TrainingScenario& job, const SoftwareProfile&) { return shards(job); },
                                           [](TrainingScenario& job, SoftwareProfile&) {
                                             job.plan.zero = 0;
                                             job.plan.secondary_shard = 0;
                                             job.plan.quantize_weights = job.plan.quantize_gradients = Wire::plain;
                                             job.plan.overlap_param_gather = false;
                                             use_whole_group(job.plan);
                                           }};

constexpr Feature sharded_gradients = {
    "sharded-gradients", "ZeRO-2; off: ZeRO-1",
    [](const TrainingScenario& job, const SoftwareProfile&) { return job.plan.zero >= 2 && splits_batch(job); },
    [](TrainingScenario& job, SoftwareProfile&) {
      job.plan.zero = 1;
      job.plan.secondary_shard = 0;
      job.plan.quantize_weights = job.plan.quantize_gradients = Wire::plain;
      job.plan.shard_parameters = job.plan.shard_gradients = 0;
    }};

constexpr Feature sharded_parameters = {"sharded-parameters", "ZeRO-3, FSDP; off: ZeRO-2",
                                        [](const TrainingScenario& job, const SoftwareProfile&) { return shards_parameters(job); },
                                        [](TrainingScenario& job, SoftwareProfile&) {
                                          job.plan.zero = 2;
                                          job.plan.secondary_shard = 0;
                                          job.plan.quantize_weights = Wire::plain;
                                          job.plan.shard_parameters = 0;
                                        }};

constexpr Feature hybrid_sharding = {"hybrid-sharding", "shards over some replicas (HSDP)",
                                     [](const TrainingScenario& job, const SoftwareProfile&) {
                                       return shards(job) &&
                                              (job.plan.shard > 0 || job.plan.shard_parameters > 0 || job.plan.shard_gradients > 0);
                                     },
                                     [](TrainingScenario& job, SoftwareProfile&) { use_whole_group(job.plan); }};

constexpr Feature secondary_shard = {
    "secondary-shard", "gathers from neighbours (ZeRO++)",
    [](const TrainingScenario& job, const SoftwareProfile&) { return job.plan.secondary_shard > 0 && splits_batch(job); },
    [](TrainingScenario& job, SoftwareProfile&) { job.plan.secondary_shard = 0; }};

template <auto Member> constexpr Feature quantized(std::string_view name, std::string_view help) {
  return {name, help,
          [](const TrainingScenario& job, const SoftwareProfile&) { return job.plan.*Member != Wire::plain && splits_batch(job); },
          [](TrainingScenario& job, SoftwareProfile&) { job.plan.*Member = Wire::plain; }};
}

constexpr Feature recomputation = {
    "recomputation", "activations computed again",
    [](const TrainingScenario& job, const SoftwareProfile&) { return job.plan.recompute != Recompute::none; },
    [](TrainingScenario& job, SoftwareProfile&) {
      job.plan.recompute = Recompute::none;
      job.plan.recompute_layers = 0;
      job.plan.recompute_modules.clear();
    }};

constexpr Feature attention_servers = {
    "attention-servers", "attention of documents spread evenly",
    [](const TrainingScenario& job, const SoftwareProfile&) { return job.plan.attention_servers && job.job->documents.unequal(); },
    [](TrainingScenario& job, SoftwareProfile&) { job.plan.attention_servers = false; }};

constexpr Feature low_precision = {"recipe", "matmuls in fewer bits",
                                   [](const TrainingScenario& job, const SoftwareProfile&) { return job.job->recipe != Recipe::none; },
                                   [](TrainingScenario& job, SoftwareProfile&) { job.job->recipe = Recipe::none; }};

constexpr Feature flash_attention = {"flash-attention", "scores never reach memory",
                                     [](const TrainingScenario&, const SoftwareProfile& software) { return is_fused(software.attention); },
                                     [](TrainingScenario&, SoftwareProfile& software) { software.attention = AttentionKernel::unfused; }};

constexpr Feature fused_softmax = {
    "fused-softmax", "scale, mask, softmax in one kernel",
    [](const TrainingScenario&, const SoftwareProfile& software) { return !is_fused(software.attention) && software.fused_softmax; },
    [](TrainingScenario&, SoftwareProfile& software) { software.fused_softmax = false; }};

constexpr Feature scatter_gather = {
    "scatter-gather", "TP ranks share pipeline messages",
    [](const TrainingScenario& job, const SoftwareProfile& software) {
      return (software.scatter_gather_p2p || software.scatter_gather_backward) && repeats_messages(job);
    },
    [](TrainingScenario&, SoftwareProfile& software) { software.scatter_gather_p2p = software.scatter_gather_backward = false; }};

constexpr Feature grouped_experts = {"grouped-experts", "one kernel for all experts",
                                     [](const TrainingScenario& job, const SoftwareProfile& software) {
                                       return has_experts(job) &&
                                              (software.grouped_experts || software.experts != ExpertKernel::per_expert);
                                     },
                                     [](TrainingScenario&, SoftwareProfile& software) {
                                       software.grouped_experts = false;
                                       software.experts = ExpertKernel::per_expert;
                                     }};

constexpr Feature deduplicated_dispatch = {
    "deduplicated-dispatch", "one copy of a token per rank",
    [](const TrainingScenario& job, const SoftwareProfile& software) {
      return spreads_experts(job) && software.expert_dispatch == ExpertDispatch::deduplicated;
    },
    [](TrainingScenario&, SoftwareProfile& software) { software.expert_dispatch = ExpertDispatch::all_to_all; }};

constexpr Feature narrow_reduction = {
    "narrow-reduction", "16-bit gradients on the wire",
    [](const TrainingScenario& job, const SoftwareProfile& software) { return splits_batch(job) && software.reduction != Precision::fp32; },
    [](TrainingScenario&, SoftwareProfile& software) { software.reduction = Precision::fp32; }};

} // namespace

const std::vector<Feature>& features() {
  using S = SoftwareProfile;
  static const std::vector<Feature> rows = {
      of_plan<&Plan::overlap_grad_reduce, splits_batch>("overlap-grad-reduce", "gradients reduced during backward"),
      of_plan<&Plan::overlap_param_gather, shards>("overlap-param-gather", "parameters gathered during forward"),
      of_plan<&Plan::overlap_p2p, splits_layers>("overlap-p2p", "pipeline messages beside passes"),
      of_software<&S::overlap_tp_forward, splits_tensors>("tp-overlap-forward", "TP collectives beside matmuls"),
      of_software<&S::overlap_tp_backward, splits_tensors>("tp-overlap-backward", "TP gradients beside matmuls"),
      of_software<&S::overlap_shared_experts, has_shared_experts>("overlap-shared-experts", "shared experts while tokens travel"),
      of_software<&S::overlap_expert_dispatch, spreads_experts>("overlap-expert-dispatch", "tokens travel beside other passes"),
      of_plan<&Plan::sequence_parallel, splits_tensors>("sequence-parallel", "norms, residuals sharded over TP"),
      interleaving,
      zero_bubble,
      distributed_optimizer,
      sharded_gradients,
      sharded_parameters,
      hybrid_sharding,
      secondary_shard,
      quantized<&Plan::quantize_weights>("quantized-weights", "fewer bits in parameter gathers"),
      quantized<&Plan::quantize_gradients>("quantized-gradients", "fewer bits in gradient scatters"),
      recomputation,
      attention_servers,
      low_precision,
      flash_attention,
      fused_softmax,
      of_software<&S::fused_bias_activation, always>("fused-elementwise", "bias, activation, dropout fused"),
      of_software<&S::fused_loss, always>("fused-loss", "one pass over the logits"),
      scatter_gather,
      grouped_experts,
      of_software<&S::fused_routing, has_experts>("fused-routing", "choice of experts in one kernel"),
      deduplicated_dispatch,
      of_software<&S::gather_per_tensor, shards_parameters, false>("bucketed-gathers", "ZeRO-3 gathers whole layers"),
      of_software<&S::gather_as_list, shards_parameters, false>("gather-into-tensor", "ZeRO-3 collectives without copies per rank"),
      of_software<&S::gather_blocking, shards_parameters, false>("overlap-gathers", "ZeRO-3 collectives beside passes"),
      narrow_reduction,
      of_software<&S::launch_blocking, always, false>("asynchronous-launch", "the host runs ahead"),
  };
  return rows;
}

} // namespace orrery
