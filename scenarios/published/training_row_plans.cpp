#include "scenarios/published/training_row_cells.hpp"
#include "workloads/schedule.hpp"
#include "workloads/tables.hpp"

#include <map>
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

/// Published words for what is computed again. A word that no framework here uses says no more than a blank.
std::vector<RecomputeMode> recompute_modes(const Cells& row) {
  const std::string& text = row.text("recompute");
  const RecomputeMode none;
  const RecomputeMode core{.recompute = Recompute::selective};
  const RecomputeMode elementwise{.recompute = Recompute::selective, .modules = {Module::norms, Module::activation}};
  const RecomputeMode full{.recompute = Recompute::full};
  if (text == "none")
    return {none};
  // torchtitan's policy "op" keeps the attention's output and that of every second product of weights; the gated up-projection is half
  // of their FLOPs.
  if (text == "selective" && row.contains("framework", "torchtitan"))
    return {{.recompute = Recompute::selective, .modules = {Module::norms, Module::ffn_up, Module::activation}}};
  if (text == "selective" && row.contains("framework", "PyTorch FSDP")) // fms-fsdp recomputes a share of the layers
    return some_layers(row.count("layers"));
  if (text == "selective")
    return {core};
  // MaxText: "minimal" keeps the output of every product of weights, "minimal_flash" the attention's too.
  if (text == "minimal")
    return {{.recompute = Recompute::selective, .modules = {Module::norms, Module::attention, Module::activation}}};
  if (text == "minimal_flash")
    return {elementwise};
  if (text == "qkv_proj offloaded") // everything but the offloaded queries, keys and values
    return {{.recompute = Recompute::selective,
             .modules = {Module::norms, Module::attention, Module::projection, Module::ffn_up, Module::activation, Module::ffn_down}}};
  if (text == "full")
    return {full};
  if (text == "block")
    return some_layers(row.count("layers") / std::max(1, row.count("pp", 1) * row.count("vpp", 1)));
  return {none, core, elementwise, full};
}

/// Published words for what lies outside device memory.
const std::map<std::string, Offload>& offload_words() {
  static const std::map<std::string, Offload> words = {
      {"none", {}},
      {"cpu", {.optimizer = Tier::host}},
      {"optimizer", {.optimizer = Tier::host}},
      {"cpu-optimizer", {.optimizer = Tier::host}},
      {"nvme", {.parameters = Tier::storage, .optimizer = Tier::storage}},
      {"cpu+nvme", {.parameters = Tier::storage, .optimizer = Tier::storage, .activations = Tier::host}}};
  return words;
}

std::vector<int> virtual_stage_counts(const Cells& row, const SoftwareProfile& software, int pp) {
  const std::string& schedule = row.text("pp_schedule");
  std::vector<int> counts{1};
  if (pp > 1 && software.abilities.interleaved && (schedule.empty() || schedule.find("interleaved") != std::string::npos))
    for (int v = 2; v <= 8; ++v)
      counts.push_back(v);
  return stated_or(row, "vpp", counts);
}

/// The schedule that the row names, or 1F1B: a row with several chunks per stage interleaves them.
std::optional<ScheduleKind> stated_schedule(const Cells& row) {
  const std::string& word = row.text("pp_schedule");
  for (const auto& [name, kind] : schedule_words())
    if (name == word)
      return kind == ScheduleKind::interleaved ? ScheduleKind::one_f_one_b : kind;
  if (word.empty() || word.find("1f1b") != std::string::npos)
    return ScheduleKind::one_f_one_b;
  return std::nullopt;
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

Plan stated_plan(const Cells& row, const TrainingRow& out) {
  Plan plan{.tp = row.count("tp", 1),
            .cp = row.count("cp", 1),
            .pp = row.count("pp", 1),
            .dp = row.count("dp", 1),
            .ep = row.count("ep", 1),
            .etp = row.count("etp")};
  const SoftwareAbilities& able = out.software.abilities;
  plan.sequence_parallel = plan.tp > 1 && switch_of(row, "sp", able.sequence_parallel);
  plan.overlap_grad_reduce = switch_of(row, "overlap_dp", able.overlap_grad_reduce);
  plan.overlap_param_gather = switch_of(row, "overlap_dp", able.overlap_param_gather);
  if (row.contains("framework", "torchtitan")) // PyTorch's context parallelism gathers keys and values by default
    plan.context = ContextParallel::all_gather;
  if (row.given("offload"))
    plan.offload = offload_words().at(row.text("offload"));
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
  if (row.given("offload") && !offload_words().contains(row.text("offload"))) {
    out.refusal = "offload '" + row.text("offload") + "' is not modelled";
    return false;
  }
  Plan plan = stated_plan(row, out);
  std::string why = "no plan fills its blanks";
  for (const int micro_batch : stated_or(row, "micro_batch", {1, 2, 4, 8, 16}))
    for (const int virtual_stages : virtual_stage_counts(row, out.software, plan.pp))
      for (const int zero : stated_or(row, "zero_stage", {0, 1}))
        for (const RecomputeMode& mode : recompute_modes(row)) {
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
