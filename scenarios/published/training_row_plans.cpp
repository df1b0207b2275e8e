#include "scenarios/published/training_row_cells.hpp"
#include "workloads/schedule.hpp"
#include "workloads/tables.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

namespace orrery {

namespace {

/// The value of a column, or every value that it could have.
std::vector<int> stated_or(const Cells& row, std::string_view column, std::vector<int> otherwise) {
  if (row.given(column))
    return {row.count(column)};
  return otherwise;
}

struct RecomputeMode {
  Recompute recompute = Recompute::none;
  std::vector<Module> modules = {};
  int layers = 0;
};

/// Whole layers computed again, from none to all by eighths: for what recomputes some, not said how many.
std::vector<RecomputeMode> some_layers(int layers) {
  std::vector<RecomputeMode> modes{{}};
  for (int eighth = 1; eighth < 8; ++eighth)
    if (const int count = layers * eighth / 8; count > 0)
      modes.push_back({.recompute = Recompute::full, .layers = count});
  modes.push_back({.recompute = Recompute::full});
  return modes;
}

/// Names of policies and of modules for what is computed again, as plain_name writes them; the first that the cell holds counts. MaxText's
/// policies (decoders.py) name what they save; "minimal" saves the output of every product of weights, "minimal_flash" the attention's too.
struct PolicyRule {
  std::string_view word;
  std::vector<Module> modules;
};
const std::vector<PolicyRule>& policy_rules() {
  using enum Module;
  static const std::vector<PolicyRule> rules{
      {"save-dot-with-context-except-mlp", {norms, ffn_up, activation, ffn_down}},
      {"save-dot-except-mlpwi", {norms, attention, ffn_up, activation}},
      {"save-dot-except-mlp", {norms, attention, ffn_up, activation, ffn_down}},
      {"qkv-proj", {norms, attention, projection, ffn_up, activation, ffn_down}}, // kept, or offloaded
      {"save-out-proj", {norms, qkv, attention, ffn_up, activation, ffn_down}},
      {"minimal-flash", {norms, activation}},
      {"minimal-with-context", {norms, activation}},
      {"minimal", {norms, attention, activation}},
      {"dots", {norms, attention, activation}}}; // jax.checkpoint_policies
  return rules;
}

/// Megatron-Core's --recompute-modules; a cell may list several.
const std::vector<PolicyRule>& module_rules() {
  using enum Module;
  static const std::vector<PolicyRule> rules{{"core-attn", {attention}},
                                             {"layernorm", {norms}},
                                             {"mla-up-proj", {qkv}},
                                             {"moe-act", {activation}},
                                             {"mlp", {ffn_up, activation, ffn_down}}};
  return rules;
}

/// Published words for what is computed again. A word that no framework here uses says no more than a blank.
std::vector<RecomputeMode> recompute_modes(const Cells& row, const SoftwareProfile& software) {
  const std::string text = plain_name(row.text("recompute"));
  const auto says = [&](std::string_view word) { return text.find(word) != std::string::npos; };
  const auto is_one_of = [&](std::initializer_list<std::string_view> words) { return std::ranges::find(words, text) != words.end(); };
  const int chunk_layers = row.count("layers") / std::max(1, row.count("pp", 1) * row.count("vpp", 1));
  const RecomputeMode none;
  const RecomputeMode core{.recompute = Recompute::selective};
  const RecomputeMode elementwise{.recompute = Recompute::selective, .modules = {Module::norms, Module::activation}};
  const RecomputeMode full{.recompute = Recompute::full};
  if (is_one_of({"none", "no", "off", "false", "0", "disabled", "everything-saveable"}))
    return {none};
  for (const PolicyRule& rule : policy_rules())
    if (says(rule.word))
      return {{.recompute = Recompute::selective, .modules = rule.modules}};
  RecomputeMode listed{.recompute = Recompute::selective};
  for (const PolicyRule& rule : module_rules())
    if (says(rule.word))
      listed.modules.insert(listed.modules.end(), rule.modules.begin(), rule.modules.end());
  if (!listed.modules.empty())
    return {listed};
  if (const auto layers = first_number(text, R"((\d+)-layers)"); layers && *layers > 0 && *layers <= chunk_layers)
    return {{.recompute = Recompute::full, .layers = static_cast<int>(*layers)}};
  if (says("block")) // so many layers of a chunk
    return some_layers(chunk_layers);
  if (says("full") || says("checkpointing") || says("nothing") || is_one_of({"all", "uniform", "true", "yes", "on", "1"}))
    return {full};
  if (says("selective") && row.mentions("framework", "pytorch fsdp")) // fms-fsdp recomputes a share of the layers
    return some_layers(row.count("layers"));
  // torchtitan's policy "op" keeps the attention's output and that of every second product of weights; the gated up-projection is half
  // of their FLOPs. A number says which layers are computed again: every second, every third.
  if ((says("selective") || text == "sac" || text == "op") && row.mentions("framework", "torchtitan")) {
    if (const auto every = first_number(text, R"(-(\d+)$)"); every && *every >= 1)
      return {{.recompute = Recompute::full, .layers = std::max(1, static_cast<int>(chunk_layers / *every))}};
    return {{.recompute = Recompute::selective, .modules = {Module::norms, Module::ffn_up, Module::activation}}};
  }
  // Megatron-Core runs fused attention again too (checkpoint_core_attention); Megatron-LM before it did not.
  const bool again = software.name.starts_with("megatron-core") || software.name.starts_with("megatron-bridge");
  if (says("selective"))
    return {again ? RecomputeMode{.recompute = Recompute::selective, .modules = {Module::attention}} : core};
  // Megatron-LM recomputes some layers too (--recompute-method block).
  std::vector<RecomputeMode> modes = descends_from_megatron(software) ? some_layers(chunk_layers) : std::vector{none, full};
  modes.push_back(core);
  modes.push_back(elementwise);
  return modes;
}

/// Published words for what lies outside device memory: the tiers "cpu" and "nvme", after which the states are on the last of them, or the
/// parts that left for the host. Nothing: no word is known.
std::optional<Offload> stated_offload(const Cells& row) {
  const std::string text = lower_case(row.text("offload"));
  const auto says = [&](std::string_view word) { return text.find(word) != std::string::npos; };
  if (text.empty() || text == "none" || text == "0" || text == "no")
    return Offload{};
  if (says("nvme"))
    return Offload{
        .parameters = Tier::storage, .optimizer = Tier::storage, .activations = says("cpu") || says("act") ? Tier::host : Tier::device};
  const Offload parts{.parameters = says("param") || says("weight") ? Tier::host : Tier::device,
                      .optimizer = says("opt") || says("param") ? Tier::host : Tier::device,
                      .activations = says("act") ? Tier::host : Tier::device};
  if (parts.any())
    return parts;
  if (says("cpu") || says("host"))
    return Offload{.optimizer = Tier::host};
  return std::nullopt;
}

/// Published names of schedules that are not the project's own, in lower case; what the cell holds decides, the first rule first.
struct ScheduleRule {
  std::string_view word;
  ScheduleKind kind;
};
constexpr ScheduleRule schedule_rules[] = {{"dualpipev", ScheduleKind::zb_v}, // DualPipe cut in half: chunks in a V, no weights twice
                                           {"dualpipe", ScheduleKind::dualpipe},
                                           {"zb-v", ScheduleKind::zb_v},
                                           {"zbv", ScheduleKind::zb_v},
                                           {"zb-h2", ScheduleKind::zb_2p},
                                           {"zb-2p", ScheduleKind::zb_2p},
                                           {"zb-h1", ScheduleKind::zb_1p},
                                           {"zb-1p", ScheduleKind::zb_1p},
                                           {"zb1p", ScheduleKind::zb_1p},
                                           {"zero-bubble", ScheduleKind::zb_1p},
                                           {"zerobubble", ScheduleKind::zb_1p},
                                           {"skippipe", ScheduleKind::skip_pipe},
                                           {"gpipe", ScheduleKind::gpipe},
                                           {"afab", ScheduleKind::gpipe},
                                           {"all-forward", ScheduleKind::gpipe},
                                           {"1f1b", ScheduleKind::one_f_one_b},
                                           {"interleaved", ScheduleKind::one_f_one_b},
                                           {"pipedream", ScheduleKind::one_f_one_b}};

/// The schedule that the row names, or 1F1B: a row with several chunks per stage interleaves them.
std::optional<ScheduleKind> stated_schedule(const Cells& row) {
  const auto* const rule =
      std::ranges::find_if(schedule_rules, [&](const ScheduleRule& each) { return row.mentions("pp_schedule", each.word); });
  if (rule != std::end(schedule_rules))
    return rule->kind;
  return row.given("pp_schedule") ? std::nullopt : std::optional(ScheduleKind::one_f_one_b);
}

std::vector<int> virtual_stage_counts(const Cells& row, const SoftwareProfile& software, int pp) {
  std::vector<int> counts{1};
  if (pp > 1 && software.abilities.interleaved && (!row.given("pp_schedule") || row.mentions("pp_schedule", "interleaved")))
    for (int v = 2; v <= 8; ++v)
      counts.push_back(v);
  return stated_or(row, "vpp", counts);
}

/// Where layers do not divide but two more would, the embedding and the head stand for a layer each: the first and the last chunk hold one
/// layer fewer. Empty = as even as possible.
std::vector<int> layers_beside_ends(int layers, int chunks) {
  if (chunks < 2 || layers % chunks == 0 || (layers + 2) % chunks != 0)
    return {};
  std::vector<int> counts(static_cast<std::size_t>(chunks), (layers + 2) / chunks);
  --counts.front();
  --counts.back();
  return counts;
}

/// Switches that the row leaves blank are on where the software has them.
bool switch_of(const Cells& row, std::string_view column, bool able) { return row.given(column) ? row.text(column) == "1" : able; }

/// Stages of ZeRO where the row is silent: what is called FSDP, or by a stage of DeepSpeed's, shards everything, JAX's frameworks do so by
/// default, and others keep parameters whole.
std::vector<int> zero_stages(const Cells& row, const SoftwareProfile& software) {
  constexpr std::array whole{"fsdp", "hsdp", "zero-3", "zero3", "composer", "foundry", "mosaic", "torchtitan", "torchtune"};
  const bool shards = std::ranges::any_of(whole, [&](const char* word) { return row.mentions("framework", word); });
  if (shards || row.given("fsdp_shard") || software.name.starts_with("maxtext"))
    return stated_or(row, "zero_stage", {3});
  return stated_or(row, "zero_stage", {0, 1});
}

/// Replicas: stated, or what the other degrees leave.
int stated_replicas(const Cells& row, int others) { return row.count("dp", std::max(1, row.count("devices") / std::max(1, others))); }

/// Devices that the stated degrees leave belong to a degree that is not stated: TP inside a node, else the pipeline, else CP.
void take_rest(const Cells& row, Plan& plan) {
  const int known = plan.tp * plan.cp * plan.pp * plan.dp;
  const int rest = row.count("devices") / known;
  if (rest < 2 || row.count("devices") % known != 0)
    return;
  if (!row.given("tp") && rest <= row.count("devices_per_node", 8))
    plan.tp = rest;
  else if (!row.given("pp"))
    plan.pp = rest;
  else if (!row.given("cp"))
    plan.cp = rest;
}

Plan stated_plan(const Cells& row, const TrainingRow& out) {
  Plan plan{
      .tp = row.count("tp", 1), .cp = row.count("cp", 1), .pp = row.count("pp", 1), .ep = row.count("ep", 1), .etp = row.count("etp")};
  plan.dp = stated_replicas(row, plan.tp * plan.cp * plan.pp);
  take_rest(row, plan);
  // A rank's experts are split as its attention is, but where so many ranks are not there.
  if (!row.given("etp") && plan.cp * plan.dp % plan.ep != 0)
    plan.etp = 1;
  const SoftwareAbilities& able = out.software.abilities;
  const bool divides = out.job.sequence % (plan.tp * plan.cp) == 0;
  plan.sequence_parallel = plan.tp > 1 && switch_of(row, "sp", able.sequence_parallel && divides);
  plan.overlap_grad_reduce = switch_of(row, "overlap_dp", able.overlap_grad_reduce);
  plan.overlap_param_gather = switch_of(row, "overlap_dp", able.overlap_param_gather);
  if (row.mentions("framework", "torchtitan")) // PyTorch's context parallelism gathers keys and values by default
    plan.context = ContextParallel::all_gather;
  if (row.mentions("framework", "ulysses") || row.mentions("notes", "ulysses"))
    plan.context = ContextParallel::ulysses;
  // A shard as large as dp is the whole data-parallel group, its context-parallel ranks included.
  if (const int shard = row.count("fsdp_shard"); shard != plan.dp)
    plan.shard = shard;
  return plan;
}

} // namespace

bool find_plans(const Cells& row, TrainingRow& out) {
  const auto schedule = stated_schedule(row);
  if (!schedule) {
    out.refusal = "schedule " + row.text("pp_schedule") + " is not modelled";
    return false;
  }
  const auto offload = stated_offload(row);
  if (!offload) {
    out.refusal = "offload '" + row.text("offload") + "' is not modelled";
    return false;
  }
  Plan plan = stated_plan(row, out);
  plan.offload = *offload;
  std::string why = "no plan fills its blanks";
  for (const int micro_batch : stated_or(row, "micro_batch", {1, 2, 4, 8, 16}))
    for (const int virtual_stages : virtual_stage_counts(row, out.software, plan.pp))
      for (const int zero : zero_stages(row, out.software))
        for (const RecomputeMode& mode : recompute_modes(row, out.software)) {
          plan.micro_batch = micro_batch;
          plan.virtual_stages = std::max(1, virtual_stages);
          plan.schedule = virtual_stages > 1 ? ScheduleKind::interleaved : *schedule;
          plan.stage_layers = layers_beside_ends(out.job.model.layers, model_chunks(plan.schedule, plan.pp, plan.virtual_stages));
          // The runtimes of split schedules post their messages and go on.
          plan.overlap_p2p = splits_backward(*schedule) || switch_of(row, "overlap_pp", out.software.abilities.overlap_p2p);
          plan.zero = zero;
          plan.recompute = mode.recompute;
          plan.recompute_modules = mode.modules;
          plan.recompute_layers = mode.layers;
          const std::vector<Violation> violations = check_plan(out.job, plan, row.count("devices"));
          const bool even = plan.virtual_stages == 1 || row.given("vpp") || out.job.model.layers % (plan.pp * plan.virtual_stages) == 0;
          if (violations.empty() && even)
            out.plans.push_back(plan);
          else if (!violations.empty())
            why = violations.front().constraint;
        }
  if (out.plans.empty())
    out.refusal = "infeasible as stated: " + why;
  return !out.plans.empty();
}

} // namespace orrery
