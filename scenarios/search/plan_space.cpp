#include "scenarios/search/plan_space.hpp"

#include "sim/base/params.hpp"
#include "workloads/tables.hpp"

#include <algorithm>
#include <limits>
#include <type_traits>

namespace orrery {

namespace {

template <auto Member> int get_field(const Plan& plan) { return static_cast<int>(plan.*Member); }
template <auto Member> void set_field(Plan& plan, int value) {
  plan.*Member = static_cast<std::remove_reference_t<decltype(plan.*Member)>>(value);
}

/// An order of axes as a number in base 4.
int get_order(const Plan& plan) {
  int code = 0;
  for (const RankAxis axis : plan.order)
    code = 4 * code + static_cast<int>(axis);
  return code;
}
void set_order(Plan& plan, int code) {
  for (std::size_t i = plan.order.size(); i-- > 0; code /= 4)
    plan.order[i] = static_cast<RankAxis>(code % 4);
}

/// Modules as a set of bits.
int get_modules(const Plan& plan) {
  int set = 0;
  for (const Module module : plan.recompute_modules)
    set |= 1 << static_cast<int>(module);
  return set;
}
void set_modules(Plan& plan, int set) {
  plan.recompute_modules.clear();
  for (int module = 0; set >> module != 0; ++module)
    if ((set >> module & 1) != 0)
      plan.recompute_modules.push_back(static_cast<Module>(module));
}

std::vector<int> divisors(int of) {
  std::vector<int> found;
  for (int d = 1; d * d <= of; ++d)
    if (of % d == 0) {
      found.push_back(d);
      if (d != of / d)
        found.push_back(of / d);
    }
  std::sort(found.begin(), found.end());
  return found;
}

bool always(const SpaceInput&, const Plan&) { return true; }
bool has_experts(const SpaceInput& in, const Plan&) { return in.job.model.experts.count > 0; }
bool splits_experts(const SpaceInput& in, const Plan& plan) { return has_experts(in, plan) && plan.tp > 1; }
bool splits_tensors(const SpaceInput&, const Plan& plan) { return plan.tp > 1; }
bool splits_context(const SpaceInput&, const Plan& plan) { return plan.cp > 1; }
bool splits_layers(const SpaceInput&, const Plan& plan) { return plan.pp > 1; }
/// A lone micro-batch has nothing that its messages could run beside.
bool streams_layers(const SpaceInput& in, const Plan& plan) { return plan.pp > 1 && plan.dp * plan.micro_batch < in.job.global_batch; }
bool splits_batch(const SpaceInput&, const Plan& plan) { return plan.dp * plan.cp > 1; }
bool shards(const SpaceInput& in, const Plan& plan) { return splits_batch(in, plan) && plan.zero > 0; }
/// Gradients that are sharded over all replicas are reduced inside the passes, whatever is said of the end of the step.
bool reduces_at_end(const SpaceInput& in, const Plan& plan) { return splits_batch(in, plan) && (plan.zero < 2 || plan.shard > 0); }
/// The same of parameters, which are gathered there.
bool gathers_at_end(const SpaceInput& in, const Plan& plan) { return shards(in, plan) && plan.zero < 3; }
bool recomputes(const SpaceInput&, const Plan& plan) { return plan.recompute != Recompute::none; }
bool recomputes_selectively(const SpaceInput&, const Plan& plan) { return plan.recompute == Recompute::selective; }
bool shards_parameters(const SpaceInput& in, const Plan& plan) { return splits_batch(in, plan) && plan.zero >= 3; }
bool shards_gradients(const SpaceInput& in, const Plan& plan) { return splits_batch(in, plan) && plan.zero >= 2; }
bool orders(const SpaceInput&, const Plan& plan) { return plan.pp > 1 && plan.dp * plan.cp > 1; }
bool interleaves(const SpaceInput&, const Plan& plan) { return plan.pp > 1 && plan.schedule == ScheduleKind::interleaved; }

std::vector<int> tensor_degrees(const SpaceInput& in, const Plan&) { return divisors(in.devices); }
std::vector<int> context_degrees(const SpaceInput& in, const Plan& plan) { return divisors(std::max(1, in.devices / plan.tp)); }
std::vector<int> pipeline_degrees(const SpaceInput& in, const Plan& plan) {
  return divisors(std::max(1, in.devices / (plan.tp * plan.cp)));
}
std::vector<int> replicas(const SpaceInput& in, const Plan& plan) { return {std::max(1, in.devices / (plan.tp * plan.cp * plan.pp))}; }
std::vector<int> expert_degrees(const SpaceInput& in, const Plan& plan) {
  std::vector<int> found = divisors(in.job.model.experts.count);
  std::erase_if(found, [&](int ep) { return ep > plan.tp * plan.cp * plan.dp; });
  return found;
}
std::vector<int> expert_tensor_degrees(const SpaceInput&, const Plan& plan) { return {1, plan.tp}; }
/// Megatron-LM's order, and the one with the pipeline inside the replicas.
std::vector<int> rank_orders(const SpaceInput&, const Plan& plan) {
  Plan inner = plan;
  inner.order = {RankAxis::tensor, RankAxis::pipeline, RankAxis::context, RankAxis::data};
  return {get_order(Plan{}), get_order(inner)};
}
/// Of a fused attention kernel nothing is left to compute again: selective recomputation is none.
std::vector<int> recomputations(const SpaceInput& in, const Plan&) {
  std::vector<int> found{static_cast<int>(Recompute::none)};
  if (!is_fused(in.software.attention))
    found.push_back(static_cast<int>(Recompute::selective));
  found.push_back(static_cast<int>(Recompute::full));
  return found;
}
/// All replicas, all layers, the attention core, nothing quantised: anything else is the user's to list.
std::vector<int> the_usual(const SpaceInput&, const Plan&) { return {0}; }
std::vector<int> micro_batches(const SpaceInput& in, const Plan& plan) { return divisors(std::max(1, in.job.global_batch / plan.dp)); }
/// Chunks of equal depth, as frameworks ask for.
std::vector<int> chunk_counts(const SpaceInput& in, const Plan& plan) {
  std::vector<int> found;
  for (int v = 2; v * plan.pp <= in.job.model.layers; ++v)
    if (in.job.model.layers % (v * plan.pp) == 0)
      found.push_back(v);
  return found;
}

/// Words and flags that the plan table knows for a key, and whole numbers of a closed range.
std::vector<int> every_value(const SearchDimension& dimension) {
  const Shape& shape = plan_table().find(dimension.key)->shape;
  std::vector<int> values;
  if (shape.kind == ShapeKind::flag)
    values = {0, 1};
  else if (shape.kind == ShapeKind::count && shape.max && *shape.max - shape.min.value_or(0) < 16)
    for (int value = static_cast<int>(shape.min.value_or(0)); value <= static_cast<int>(*shape.max); ++value)
      values.push_back(value);
  for (const std::string& word : shape.names) {
    Diagnostics ignored;
    values.push_back(dimension.get(plan_table().read(yaml::map({{std::string(dimension.key), yaml::scalar(word)}}), ignored)));
  }
  return values;
}

template <auto Member>
SearchDimension row(std::string_view key, bool (*applies)(const SpaceInput&, const Plan&),
                    std::vector<int> (*standard)(const SpaceInput&, const Plan&) = nullptr, bool derived = false,
                    bool (*able)(const SoftwareAbilities&, int) = nullptr) {
  return {key, get_field<Member>, set_field<Member>, applies, standard, derived, able};
}

template <auto Member, auto Ability> SearchDimension switch_row(std::string_view key, bool (*applies)(const SpaceInput&, const Plan&)) {
  return row<Member>(key, applies, nullptr, false, [](const SoftwareAbilities& able, int value) { return value == 0 || able.*Ability; });
}

/// Schedules that split backward passes are rare enough to be asked for by name.
bool has_schedule(const SoftwareAbilities& able, int value) {
  const auto kind = static_cast<ScheduleKind>(value);
  return kind == ScheduleKind::gpipe || kind == ScheduleKind::one_f_one_b || (kind == ScheduleKind::interleaved && able.interleaved);
}

} // namespace

const std::vector<SearchDimension>& search_dimensions() {
  static const std::vector<SearchDimension> rows = [] {
    // What blocks depend on comes first, what only the end of a step depends on last: costs are kept from one plan to the next.
    std::vector<SearchDimension> all = {
        row<&Plan::tp>("tp", always, tensor_degrees),
        row<&Plan::cp>("cp", always, context_degrees),
        row<&Plan::pp>("pp", always, pipeline_degrees),
        row<&Plan::dp>("dp", always, replicas, true),
        row<&Plan::ep>("ep", has_experts, expert_degrees),
        row<&Plan::etp>("etp", splits_experts, expert_tensor_degrees),
        {"order", get_order, set_order, orders, rank_orders},
        row<&Plan::context>("context", splits_context),
        row<&Plan::micro_batch>("micro_batch", always, micro_batches),
        row<&Plan::recompute>("recompute", always, recomputations),
        row<&Plan::recompute_layers>("recompute_layers", recomputes, the_usual),
        {"recompute_modules", get_modules, set_modules, recomputes_selectively, the_usual},
        switch_row<&Plan::sequence_parallel, &SoftwareAbilities::sequence_parallel>("sequence_parallel", splits_tensors),
        row<&Plan::schedule>("schedule", splits_layers, nullptr, false, has_schedule),
        row<&Plan::virtual_stages>("virtual_stages", interleaves, chunk_counts),
        switch_row<&Plan::overlap_p2p, &SoftwareAbilities::overlap_p2p>("overlap_p2p", streams_layers),
        row<&Plan::zero>("zero", splits_batch),
        row<&Plan::shard>("shard", shards, the_usual),
        row<&Plan::secondary_shard>("secondary_shard", shards_parameters, the_usual),
        row<&Plan::quantize_weights>("quantize_weights", shards_parameters, the_usual),
        row<&Plan::quantize_gradients>("quantize_gradients", shards_gradients, the_usual),
        switch_row<&Plan::overlap_grad_reduce, &SoftwareAbilities::overlap_grad_reduce>("overlap_grad_reduce", reduces_at_end),
        switch_row<&Plan::overlap_param_gather, &SoftwareAbilities::overlap_param_gather>("overlap_param_gather", gathers_at_end),
    };
    std::erase_if(all, [](const SearchDimension& dimension) { return plan_table().find(dimension.key) == nullptr; });
    return all;
  }();
  return rows;
}

const SearchDimension* find_dimension(std::string_view key) {
  const auto found = std::ranges::find(search_dimensions(), key, &SearchDimension::key);
  return found == search_dimensions().end() ? nullptr : &*found;
}

std::string value_text(const SearchDimension& dimension, int value) {
  Plan plan;
  dimension.set(plan, value);
  const yaml::Node written = plan_table().write(plan);
  const yaml::Node& node = *written.find(dimension.key);
  if (!node.is_sequence())
    return node.text;
  std::string text;
  for (const yaml::Node& item : node.items)
    text += (text.empty() ? "" : "-") + item.text;
  return text.empty() ? "default" : text;
}

PlanSpace::PlanSpace(const TrainingJob& job, const SoftwareProfile& software, int devices, SearchBounds bounds)
    : job_(job), software_(software), devices_(devices), bounds_(std::move(bounds)) {
  for (const SearchDimension& dimension : search_dimensions()) {
    const std::string key(dimension.key);
    Level level{.dimension = &dimension, .low = std::numeric_limits<int>::min(), .high = std::numeric_limits<int>::max()};
    if (const auto given = bounds_.values.find(key); given != bounds_.values.end())
      level.given = &given->second;
    if (const auto low = bounds_.min.find(key); low != bounds_.min.end())
      level.low = low->second;
    if (const auto high = bounds_.max.find(key); high != bounds_.max.end())
      level.high = high->second;
    if (dimension.standard == nullptr)
      level.every = every_value(dimension);
    levels_.push_back(std::move(level));
  }
}

void PlanSpace::fill_values(const Level& level, const Plan& plan, std::vector<int>& values) const {
  const SearchDimension& dimension = *level.dimension;
  const SpaceInput input{job_, software_, devices_};
  values.clear();
  if (!dimension.applies(input, plan)) {
    static const Plan standard;
    values.push_back(dimension.get(standard));
    return;
  }
  if (level.given != nullptr && !dimension.derived)
    values = *level.given;
  else
    values = dimension.standard != nullptr ? dimension.standard(input, plan) : level.every;
  std::erase_if(values, [&](int value) {
    const bool selected = level.given == nullptr || std::ranges::find(*level.given, value) != level.given->end();
    const bool able = level.given != nullptr || dimension.able == nullptr || dimension.able(software_.abilities, value);
    return value < level.low || value > level.high || !selected || !able;
  });
}

bool PlanSpace::descend(std::size_t depth, Plan& plan, std::vector<std::vector<int>>& values,
                        const std::function<bool(const Plan&)>& visit) const {
  if (depth == levels_.size())
    return visit(plan);
  fill_values(levels_[depth], plan, values[depth]);
  for (const int value : values[depth]) {
    levels_[depth].dimension->set(plan, value);
    if (!descend(depth + 1, plan, values, visit))
      return false;
  }
  return true;
}

void PlanSpace::walk(const std::function<bool(const Plan&)>& visit) const {
  Plan plan;
  std::vector<std::vector<int>> values(levels_.size());
  descend(0, plan, values, visit);
}

double PlanSpace::size() const {
  double count = 0;
  walk([&count](const Plan&) {
    ++count;
    return true;
  });
  return count;
}

std::vector<int> PlanSpace::values(const SearchDimension& dimension, const Plan& plan) const {
  std::vector<int> values;
  for (const Level& level : levels_)
    if (level.dimension == &dimension)
      fill_values(level, plan, values);
  return values;
}

} // namespace orrery
