#include "scenarios/published/validate.hpp"

#include "models/memory.hpp"
#include "models/training_cost.hpp"
#include "models/training_estimate.hpp"
#include "scenarios/data_files.hpp"
#include "scenarios/error_band.hpp"
#include "scenarios/published/host_profile.hpp"
#include "scenarios/published/row_cells.hpp"
#include "scenarios/published/training_rows.hpp"
#include "sim/base/percentile.hpp"
#include "workloads/tables.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

namespace orrery {

namespace {

struct Prediction {
  Seconds step;
  Bytes memory;
  Plan plan;
};

/// The fastest of the plausible plans that fits its device: publishers tune. A plan that the row states is taken as it stands.
Prediction predict(const TrainingRow& row, const Calibration& calibration) {
  const TrainingCoster coster(row.cluster, row.software, calibration);
  const Bytes capacity = row.cluster.node.device.memory.front().capacity;
  Prediction best;
  bool best_fits = false;
  for (const Plan& plan : row.plans) {
    const OpGraph graph = build_training_graph(row.job, plan, row.software);
    const Bytes memory = fullest_stage(memory_footprint(graph, row.software)).memory.total();
    const bool fits = memory <= capacity;
    if (best.step.si() > 0 && best_fits && !fits)
      continue;
    const Seconds step = estimate_step(coster.cost(graph)).step;
    if (best.step.si() > 0 && best_fits == fits && step >= best.step)
      continue;
    best = {step, memory, plan};
    best_fits = fits;
  }
  return best;
}

std::string describe(const Plan& plan) {
  std::string recompute = choice_name(recompute_words(), plan.recompute);
  for (const Module module : plan.recompute_modules)
    recompute += " " + choice_name(module_words(), module);
  if (plan.recompute_layers > 0)
    recompute += fmt::format(" of {} layers", plan.recompute_layers);
  return fmt::format("tp{} cp{} pp{} dp{} ep{} etp{} mb{} v{} zero{} recompute {}", plan.tp, plan.cp, plan.pp, plan.dp, plan.ep,
                     plan.expert_tensor(), plan.micro_batch, plan.virtual_stages, plan.zero, recompute);
}

std::string setting_of(const TrainingRow& row) {
  const TransformerModel& model = row.job.model;
  return fmt::format("{} x{}, {} {}x{} {} heads, sequence {}, batch {}", row.cluster.node.device.name, row.cluster.devices(), model.name,
                     model.layers, model.hidden, model.heads, row.job.sequence, row.job.global_batch);
}

ScoredRow score(const TrainingRow& row, const Calibration& calibration) {
  ScoredRow scored{.group = row.group, .id = row.id, .measured = row.measured, .refusal = row.refusal};
  scored.fitted = fits_host_profile(row);
  scored.setting = setting_of(row);
  if (row.memory)
    scored.measured_memory = row.memory->si();
  if (!row.refusal.empty())
    return scored;
  const Prediction prediction = predict(row, calibration);
  scored.predicted = prediction.step.si();
  scored.error = scored.predicted / scored.measured - 1;
  scored.plan = describe(prediction.plan);
  scored.kind = run_kind(row.job, prediction.plan, row.cluster.node.device);
  scored.predicted_memory = prediction.memory.si();
  return scored;
}

GroupScore score_group(const std::string& group, const std::vector<const ScoredRow*>& rows) {
  std::vector<double> errors;
  for (const ScoredRow* row : rows)
    if (row->refusal.empty())
      errors.push_back(row->error);
  return score_errors(group, static_cast<int>(rows.size()), errors);
}

} // namespace

GroupScore score_errors(const std::string& group, int rows, const std::vector<double>& errors) {
  GroupScore score{.group = group, .rows = rows, .predicted = static_cast<int>(errors.size())};
  if (errors.empty())
    return score;
  std::vector<double> sizes;
  for (const double error : errors) {
    sizes.push_back(std::abs(error));
    score.mean += sizes.back();
    score.bias += error;
  }
  score.mean /= static_cast<double>(errors.size());
  score.bias /= static_cast<double>(errors.size());
  score.median = percentile(sizes, 0.5);
  score.p90 = percentile(sizes, 0.9);
  return score;
}

GroupScore macro_average(const std::vector<GroupScore>& groups) {
  constexpr std::array means{&GroupScore::mean, &GroupScore::median, &GroupScore::p90, &GroupScore::bias};
  GroupScore macro{.group = "macro average"};
  double counted = 0;
  for (const GroupScore& group : groups) {
    macro.rows += group.rows;
    macro.predicted += group.predicted;
    if (group.predicted == 0)
      continue;
    ++counted;
    for (double GroupScore::* const each : means)
      macro.*each += group.*each;
  }
  for (double GroupScore::* const each : means)
    macro.*each /= std::max(1.0, counted);
  return macro;
}

bool ValidationScope::holds(const Device& device) const {
  return left_out.empty() || std::ranges::find(left_out, device.architecture) != left_out.end();
}

Calibration ValidationScope::calibration() const {
  Calibration calibration = load_calibration();
  std::vector<std::string> known;
  for (const auto& [architecture, curves] : calibration.architectures)
    known.push_back(architecture);
  for (const std::string& architecture : left_out)
    if (std::ranges::find(known, architecture) == known.end())
      throw UserError("--leave-out: no measured kernels of " + architecture + or_did_you_mean(architecture, known));
  for (const std::string& architecture : left_out)
    calibration.architectures.erase(architecture);
  return calibration;
}

TrainingValidation validate_training(const ValidationScope& scope) {
  const std::string name = scope.file.empty() ? data_file("scenarios/validation/training.csv") : scope.file;
  const Calibration calibration = scope.calibration();
  TrainingValidation validation;
  for (const TrainingRow& row : training_rows(read_csv(name), name))
    if (scope.holds(row.cluster.node.device))
      validation.rows.push_back(score(row, calibration));
  std::map<std::string, std::vector<const ScoredRow*>> groups;
  for (const ScoredRow& row : validation.rows)
    if (!row.fitted)
      groups[row.group].push_back(&row);
  for (const auto& [group, rows] : groups)
    validation.groups.push_back(score_group(group, rows));
  validation.macro = macro_average(validation.groups);
  return validation;
}

} // namespace orrery
