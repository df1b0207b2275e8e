#include "workloads/model_checks.hpp"

#include "workloads/layer.hpp"

#include <fmt/format.h>

namespace orrery {

namespace {

void check_experts(std::vector<Violation>& found, const TrainingJob& job, const Plan& plan) {
  const Experts& experts = job.model.experts;
  if (experts.count == 0) {
    if (plan.ep > 1)
      found.push_back({fmt::format("ep {} > 1: {} has no experts", plan.ep, job.model.name)});
    return;
  }
  require_divisible(found, "experts", experts.count, "ep", plan.ep);
  if (job.routing.redundant > 0)
    require_divisible(found, "experts and their copies", experts.count + job.routing.redundant, "ep", plan.ep);
  require_divisible(found, "width of an expert", experts.hidden, "etp", plan.expert_tensor());
  require_divisible(found, "width of the shared experts", experts.shared_hidden, "tp", plan.tp);
  if (plan.tp > 1 && !plan.sequence_parallel)
    found.push_back({fmt::format("tp {} > 1 without sequence_parallel: each rank routes the tokens of its own", plan.tp)});
  if (job.routing.kind == RoutingKind::measured && job.routing.shares.size() != static_cast<std::size_t>(experts.count))
    found.push_back({fmt::format("routing has {} shares, the model has {} experts", job.routing.shares.size(), experts.count)});
}

bool has_mixer(const TransformerModel& model, bool recurrent) {
  for (int layer = 0; layer < model.layers; ++layer) {
    const LayerKind kind = model.layer_kind(layer);
    if (recurrent ? kind.mixer == Mixer::recurrent : attends(kind))
      return true;
  }
  return false;
}

} // namespace

void require_divisible(std::vector<Violation>& found, const char* what, long long value, const char* by, long long divisor) {
  if (divisor > 0 && value % divisor != 0)
    found.push_back({fmt::format("{} {} is not divisible by {} {}", what, value, by, divisor)});
}

void check_tuning(std::vector<Violation>& found, const TrainingJob& job) {
  const TransformerModel& m = job.model;
  const FineTuning& tuning = job.tuning;
  if (tuning.frozen_layers > m.layers)
    found.push_back({fmt::format("frozen_layers {} > {} layers of {}", tuning.frozen_layers, m.layers, m.name)});
  if (tuning.frozen_layers > 0 && m.tied_embedding)
    found.push_back({fmt::format("frozen_layers {} > 0: the embedding of {} is its head, which is trained", tuning.frozen_layers, m.name)});
  if (!tuning.freezes_weights())
    return;
  if (m.experts.count > 0 || m.latent.kv_rank > 0 || m.recurrent.heads > 0 || m.prediction_layers > 0)
    found.push_back(
        {fmt::format("adapter_rank {} > 0: adapters are modelled beside plain attention and dense feed-forward layers, {} has others",
                     tuning.adapter_rank, m.name)});
}

void check_split(std::vector<Violation>& found, const TrainingJob& job, const Plan& plan) {
  const TransformerModel& m = job.model;
  if (m.latent.index_keys > 0)
    found.push_back({fmt::format("latent.index_keys {} > 0: attention behind an index is modelled in serving only", m.latent.index_keys)});
  if (has_mixer(m, false)) {
    require_divisible(found, "attention heads", m.heads, "tp", plan.tp);
    if (m.kv_heads > plan.tp)
      require_divisible(found, "key/value heads", m.kv_heads, "tp", plan.tp);
    else
      require_divisible(found, "tp", plan.tp, "key/value heads", m.kv_heads);
  }
  if (m.recurrent.heads > 0 && has_mixer(m, true))
    require_divisible(found, "heads of the recurrent layers", m.recurrent.heads, "tp", plan.tp);
  require_divisible(found, "ffn_hidden", m.ffn_hidden, "tp", plan.tp);
  require_divisible(found, "vocabulary", m.vocabulary, "tp", plan.tp);
  check_experts(found, job, plan);
  if (m.position == PositionKind::learned && job.sequence > m.max_positions)
    found.push_back({fmt::format("sequence {} > {} learned positions of {}", job.sequence, m.max_positions, m.name)});
}

} // namespace orrery
