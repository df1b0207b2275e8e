#include "workloads/tables.hpp"

#include "hardware/words.hpp"
#include "sim/base/catalogue.hpp"
#include "workloads/config_json.hpp"
#include "workloads/schedule.hpp"

#include <fmt/format.h>

namespace orrery {

namespace {

void check_offload_keys(const Offload& offload, const Report& report) {
  const bool stays = offload.optimizer == Tier::device;
  if (stays && offload.update == UpdatePlace::split)
    report.error("update", "split, but the optimizer stays on the device", "an optimizer on a tier", "write 'optimizer: host'");
  if (stays && offload.overlap != UpdateOverlap::none)
    report.error("overlap", "an overlap, but the optimizer stays on the device", "none, or an optimizer on a tier");
  if (offload.device_share > 0 && offload.update != UpdatePlace::split)
    report.error("device_share", fmt::format("{} of an update that is not split", offload.device_share), "0, or 'update: split'");
}

const Table<Offload>& offload_table() {
  static const Choices<UpdateOverlap> overlaps = {
      {"none", UpdateOverlap::none}, {"backward", UpdateOverlap::backward}, {"next_step", UpdateOverlap::next_step}};
  using O = Offload;
  static const Table<O> table =
      Table<O>("offload", "What lies in host memory or on drives between its uses.")
          .choice("parameters", &O::parameters, tier_words(), {.help = "fetched layer by layer; with zero 3 every rank fetches its share"})
          .choice("optimizer", &O::optimizer, tier_words(), {.help = "master weights, moments and gradients"})
          .choice("activations", &O::activations, tier_words(), {.help = "what layers keep for the backward pass"})
          .choice("update", &O::update, update_place_words(), {.help = "who updates an offloaded optimizer"})
          .number("device_share", &O::device_share, {.max = 1, .help = "of a split update; 0 = the share that ends first"})
          .choice("overlap", &O::overlap, overlaps, {.help = "passes that the update runs beside: last backward, or all of the next step"})
          .flag("serial", &O::serial, {.help = "a subgroup is read, updated and written back before the next"})
          .check(check_offload_keys);
  return table;
}

const Table<Documents>& documents_table() {
  using D = Documents;
  static const Table<D> table =
      Table<D>("documents", "Documents packed into sequences: tokens attend within theirs.")
          .count("median", &D::median, {.max = 100'000'000, .help = "tokens of a document; 0 = a sequence is one document"})
          .number("spread", &D::spread, {.max = 3, .help = "standard deviation of the logarithm of the lengths; 0 = all alike"})
          .flag("balanced", &D::balanced, {.help = "packed so that the sequences of a step take as equal work as whole documents allow"})
          .check([](const D& documents, const Report& report) {
            if (documents.median == 0 && documents.spread > 0)
              report.error("spread", fmt::format("{} without a median length", documents.spread), "0, or 'median' too");
            if (documents.median == 0 && documents.balanced)
              report.error("balanced", "of sequences that are documents", "'median' too");
          });
  return table;
}

const Table<FineTuning>& fine_tuning_table() {
  static const Choices<Packing> packings = {{"none", Packing::none}, {"int8", Packing::int8}, {"nf4", Packing::nf4}};
  static const Choices<Module> linear = {
      {"qkv", Module::qkv}, {"projection", Module::projection}, {"ffn_up", Module::ffn_up}, {"ffn_down", Module::ffn_down}};
  using F = FineTuning;
  static const Table<F> table =
      Table<F>("fine_tuning", "Training of a part of a model.")
          .count("adapter_rank", &F::adapter_rank, {.max = 100'000, .help = "of low-rank adapters beside frozen weights (LoRA); 0 = none"})
          .value("adapters", &F::adapters, detail::list_codec(detail::choice_codec(linear)),
                 {.help = "linear layers that have one; empty = all of them"})
          .choice("frozen_weights", &F::frozen_weights, packings, {.help = "how the layers' frozen weights are held (nf4: QLoRA)"})
          .count("frozen_layers", &F::frozen_layers, {.max = 100'000, .help = "first layers, with the embedding, that are not trained"})
          .check([](const F& tuning, const Report& report) {
            if (tuning.adapter_rank == 0 && (!tuning.adapters.empty() || tuning.frozen_weights != Packing::none))
              report.error("adapter_rank", "0, with adapters or frozen weights", "the rank of the adapters");
          });
  return table;
}

void check_plan_keys(const Plan& plan, const Report& report) {
  const double ranks = static_cast<double>(plan.tp) * plan.cp * plan.pp * plan.dp;
  std::vector<RankAxis> axes = plan.order;
  std::sort(axes.begin(), axes.end());
  if (axes != std::vector{RankAxis::tensor, RankAxis::context, RankAxis::data, RankAxis::pipeline})
    report.error("order", fmt::format("{} axes, some twice or missing", plan.order.size()), "each of tp, cp, dp, pp once");
  if (plan.recompute_layers > 0 && plan.recompute == Recompute::none)
    report.error("recompute_layers", fmt::format("{} without recomputation", plan.recompute_layers), "0");
  if (!plan.recompute_modules.empty() && plan.recompute != Recompute::selective)
    report.error("recompute_modules", fmt::format("{} modules without selective recomputation", plan.recompute_modules.size()), "none",
                 "write 'recompute: selective'");
  if (ranks > max_ranks)
    report.error("", fmt::format("tp x cp x pp x dp = {} ranks", exact_number(ranks)), fmt::format("at most {}", exact_number(max_ranks)));
  if (plan.virtual_stages > 1 && plan.schedule != ScheduleKind::interleaved)
    report.error("virtual_stages",
                 fmt::format("{} with the schedule {}", plan.virtual_stages, choice_name(schedule_words(), plan.schedule)), "1",
                 "write 'schedule: interleaved'");
  if (plan.skip_stages > 0 && plan.schedule != ScheduleKind::skip_pipe)
    report.error("skip_stages", fmt::format("{} with the schedule {}", plan.skip_stages, choice_name(schedule_words(), plan.schedule)), "0",
                 "write 'schedule: skippipe'");
  const double chunks = plan.schedule == ScheduleKind::interleaved ? static_cast<double>(plan.pp) * plan.virtual_stages
                                                                   : model_chunks(plan.schedule, plan.pp, 1);
  if (!plan.stage_layers.empty() && static_cast<double>(plan.stage_layers.size()) != chunks)
    report.error("stage_layers", fmt::format("{} entries", plan.stage_layers.size()),
                 fmt::format("pp x virtual_stages = {} entries", exact_number(chunks)));
}

} // namespace

const Choices<ScheduleKind>& schedule_words() {
  static const Choices<ScheduleKind> words = {
      {"gpipe", ScheduleKind::gpipe},        {"1f1b", ScheduleKind::one_f_one_b}, {"interleaved", ScheduleKind::interleaved},
      {"zb-1p", ScheduleKind::zb_1p},        {"zb-2p", ScheduleKind::zb_2p},      {"zb-v", ScheduleKind::zb_v},
      {"skippipe", ScheduleKind::skip_pipe}, {"dualpipe", ScheduleKind::dualpipe}};
  return words;
}

const Choices<CollectiveKind>& collective_words() {
  static const Choices<CollectiveKind> words = {{"all_reduce", CollectiveKind::all_reduce},
                                                {"all_gather", CollectiveKind::all_gather},
                                                {"reduce_scatter", CollectiveKind::reduce_scatter},
                                                {"all_to_all", CollectiveKind::all_to_all},
                                                {"broadcast", CollectiveKind::broadcast}};
  return words;
}

std::optional<CollectiveKind> collective_of(std::string_view word) {
  for (const auto& [name, kind] : collective_words())
    if (name == word)
      return kind;
  return std::nullopt;
}

const Choices<Group>& group_words() {
  static const Choices<Group> words = {{"tensor", Group::tensor},
                                       {"context", Group::context},
                                       {"data", Group::data},
                                       {"pipeline", Group::pipeline},
                                       {"embedding", Group::embedding},
                                       {"shard", Group::shard},
                                       {"secondary_shard", Group::secondary_shard},
                                       {"gradient_shard", Group::gradient_shard},
                                       {"optimizer_scatter", Group::optimizer_scatter},
                                       {"optimizer_gather", Group::optimizer_gather},
                                       {"gradient_replica", Group::gradient_replica},
                                       {"expert", Group::expert},
                                       {"expert_tensor", Group::expert_tensor},
                                       {"expert_data", Group::expert_data}};
  return words;
}

const Choices<Tier>& tier_words() {
  static const Choices<Tier> words = {{"none", Tier::device}, {"host", Tier::host}, {"nvme", Tier::storage}};
  return words;
}

const Choices<UpdatePlace>& update_place_words() {
  static const Choices<UpdatePlace> words = {{"device", UpdatePlace::device}, {"host", UpdatePlace::host}, {"split", UpdatePlace::split}};
  return words;
}

const Choices<Precision>& training_precision_words() {
  static const Choices<Precision> words = {
      {"fp32", Precision::fp32}, {"tf32", Precision::tf32}, {"bf16", Precision::bf16}, {"fp16", Precision::fp16}};
  return words;
}

const Choices<Recompute>& recompute_words() {
  static const Choices<Recompute> words = {{"none", Recompute::none}, {"selective", Recompute::selective}, {"full", Recompute::full}};
  return words;
}

const Choices<Wire>& wire_words() {
  static const Choices<Wire> words = {{"none", Wire::plain}, {"int8", Wire::int8}, {"int4", Wire::int4}};
  return words;
}

const Choices<Module>& module_words() {
  static const Choices<Module> words = {{"norms", Module::norms},           {"qkv", Module::qkv},       {"attention", Module::attention},
                                        {"projection", Module::projection}, {"ffn_up", Module::ffn_up}, {"activation", Module::activation},
                                        {"ffn_down", Module::ffn_down}};
  return words;
}

const Table<Plan>& plan_table() {
  static const Choices<ContextParallel> contexts = {
      {"ring", ContextParallel::ring}, {"all_gather", ContextParallel::all_gather}, {"ulysses", ContextParallel::ulysses}};
  static const Choices<RankAxis> axes = {
      {"tp", RankAxis::tensor}, {"cp", RankAxis::context}, {"dp", RankAxis::data}, {"pp", RankAxis::pipeline}};
  static const Table<Plan> table =
      Table<Plan>("plan", "Parallelism plan of a training job. Ranks = tp x pp x dp.")
          .count("tp", &Plan::tp, {.min = 1, .max = 100'000, .help = "tensor-parallel degree"})
          .count("cp", &Plan::cp, {.min = 1, .max = 100'000, .help = "context-parallel degree: ranks that share a sequence"})
          .choice("context", &Plan::context, contexts, {.help = "how keys and values reach the ranks that share a sequence"})
          .flag("attention_servers", &Plan::attention_servers,
                {.help = "attention of documents of unequal length is spread evenly over all ranks (DistCA)"})
          .count("pp", &Plan::pp, {.min = 1, .max = 10'000, .help = "pipeline stages"})
          .count("ep", &Plan::ep,
                 {.min = 1, .max = 100'000, .help = "ranks over which experts are spread, among the tp x cp x dp of a stage"})
          .count("etp", &Plan::etp, {.max = 100'000, .help = "ranks that share an expert; 0 = tp"})
          .count("dp", &Plan::dp, {.min = 1, .max = max_ranks, .help = "data-parallel replicas"})
          .count("micro_batch", &Plan::micro_batch, {.min = 1, .max = 1'000'000, .help = "sequences per micro-batch and replica"})
          .choice("schedule", &Plan::schedule, schedule_words(), {.help = "order of the passes of a pipeline stage"})
          .count("virtual_stages", &Plan::virtual_stages,
                 {.min = 1, .max = 10'000, .help = "model chunks per pipeline stage (interleaved)"})
          .count("skip_stages", &Plan::skip_stages,
                 {.max = 10'000, .help = "stages between the first and the last that each micro-batch leaves out (skippipe)"})
          .counts("stage_layers", &Plan::stage_layers,
                  {.min = 0,
                   .max = 10'000,
                   .help = "layers per chunk in pipeline order, pp x virtual_stages entries; empty = as even as possible"})
          .choice("recompute", &Plan::recompute, recompute_words(),
                  {.help = "activations computed again: none, the attention core, or whole layers"})
          .count("recompute_layers", &Plan::recompute_layers,
                 {.max = 100'000, .help = "layers of each chunk that are computed again, the first ones; 0 = all"})
          .value("recompute_modules", &Plan::recompute_modules, detail::list_codec(detail::choice_codec(module_words())),
                 {.help = "what selective recomputation computes again; empty = the attention core"})
          .flag("sequence_parallel", &Plan::sequence_parallel, {.help = "norms and residuals are sharded over the tensor-parallel group"})
          .count("zero", &Plan::zero,
                 {.min = 0, .max = 3, .help = "states sharded over the replicas: 1 optimizer, 2 gradients too, 3 parameters too (FSDP)"})
          .count("shard", &Plan::shard,
                 {.max = max_ranks, .help = "replicas that share one copy of what is sharded (HSDP); 0 = all of them"})
          .count("shard_parameters", &Plan::shard_parameters, {.max = max_ranks, .help = "the same for parameters alone; 0 = shard"})
          .count("shard_gradients", &Plan::shard_gradients, {.max = max_ranks, .help = "the same for gradients alone; 0 = shard"})
          .count(
              "secondary_shard", &Plan::secondary_shard,
              {.max = max_ranks, .help = "zero 3: backward passes gather from a second copy inside so many neighbours (ZeRO++); 0 = none"})
          .choice("quantize_weights", &Plan::quantize_weights, wire_words(), {.help = "zero 3: what gathers of parameters carry (ZeRO++)"})
          .choice("quantize_gradients", &Plan::quantize_gradients, wire_words(),
                  {.help = "zero 2 and 3: what scatters of gradients carry (ZeRO++)"})
          .value("order", &Plan::order, detail::list_codec(detail::choice_codec(axes)),
                 {.help = "axes of the rank grid, the one whose neighbours sit side by side first"})
          .flag("overlap_grad_reduce", &Plan::overlap_grad_reduce,
                {.help = "gradients are reduced in the shadow of the last backward pass"})
          .flag("overlap_param_gather", &Plan::overlap_param_gather,
                {.help = "zero 1: parameters are gathered in the shadow of the forward pass"})
          .flag("overlap_p2p", &Plan::overlap_p2p, {.help = "pipeline messages do not hold up the compute stream"})
          .object("offload", &Plan::offload, offload_table(), {.help = "what lies outside device memory"})
          .check(check_plan_keys);
  return table;
}

const Table<TrainingJob>& training_table() {
  using J = TrainingJob;
  static const Choices<Recipe> recipes = {{"none", Recipe::none},
                                          {"fp8-delayed", Recipe::fp8_delayed},
                                          {"fp8-tensor", Recipe::fp8_tensor},
                                          {"fp8-row", Recipe::fp8_row},
                                          {"fp8-block", Recipe::fp8_block},
                                          {"mxfp8", Recipe::mxfp8},
                                          {"mxfp4", Recipe::mxfp4},
                                          {"nvfp4", Recipe::nvfp4},
                                          {"int8", Recipe::int8}};
  static const Table<J> table =
      Table<J>("training", "A training job.")
          .reference("model", &J::model, model_table(), model_catalogue(), {.required = true, .help = "what is trained"})
          .count("sequence", &J::sequence, {.min = 1, .max = 100'000'000, .required = true, .help = "tokens per sequence"})
          .count("global_batch", &J::global_batch,
                 {.min = 1, .max = 10'000'000, .required = true, .help = "sequences per step over all replicas"})
          .choice("precision", &J::precision, training_precision_words(), {.help = "of weights and activations in the passes"})
          .choice("recipe", &J::recipe, recipes, {.help = "how linear layers multiply in fewer bits"})
          .object("documents", &J::documents, documents_table(), {.help = "what sequences are packed of"})
          .object("fine_tuning", &J::tuning, fine_tuning_table(), {.help = "what is not trained"})
          .object("routing", &J::routing, routing_table(), {.help = "how tokens spread over experts"})
          .count("tokens", &J::tokens, {.max = 9e15, .help = "budget of the whole run; 0 = none"});
  return table;
}

const Catalogue& model_catalogue() {
  static const Catalogue files = folder_catalogue("model", "workloads/catalogue/models");
  static const Catalogue catalogue = {.kind = files.kind,
                                      .find = [](const yaml::Node& name, Diagnostics& diagnostics) -> std::optional<yaml::Node> {
                                        if (!name.text.ends_with(".json"))
                                          return files.find(name, diagnostics);
                                        const auto model = read_config_json(resolved_path(name.text, name.location), diagnostics);
                                        return model ? std::optional(model_table().write(*model)) : std::nullopt;
                                      },
                                      .names = files.names};
  return catalogue;
}

} // namespace orrery
