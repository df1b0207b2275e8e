#include "models/serving_memory.hpp"
#include "scenarios/published/serving_rows.hpp"

#include <fmt/format.h>

#include <regex>

namespace orrery {

namespace {

int whole_root(int value) {
  const int root = static_cast<int>(std::lround(std::sqrt(static_cast<double>(value))));
  return root * root == value ? root : 0;
}

/// Degrees as the row gives them; 0 = blank.
struct Degrees {
  int devices = 0;
  int tp = 0;
  int pp = 1;
  int ep = 0;
  int dp = 1;
  bool shared = false; ///< ranks of dp share the experts: attention-DP
  bool open = false;   ///< how experts are spread is not known
};

/// The table of AIConfigurator multiplies expert-TP and expert-EP into the attention's degrees where a run had one of them: the same
/// measurement stands in it as 64 devices of TP 64 (or DP 64) EP 8 and as 8 devices of TP 8 (DP 8) EP 8, as 16 devices of TP 4 DP 4 EP 16
/// and as 4 of TP 4 EP 4.
void undo_products(Degrees& said) {
  const int root = whole_root(said.devices);
  if (root < 2)
    return;
  if (said.ep == root && said.tp == said.devices)
    said.tp = said.devices = root;
  else if (said.ep == root && said.dp == said.devices)
    said.dp = said.devices = root;
  else if (said.ep == said.devices && said.tp == root && said.dp == root) {
    said.ep = said.devices = root;
    said.dp = 1;
  }
}

Degrees stated_degrees(const Cells& row, const ServingRow& out) {
  Degrees said{
      .devices = row.count("devices"), .tp = row.count("tp"), .pp = std::max(1, row.count("pp", 1)), .dp = std::max(1, row.count("dp", 1))};
  const std::string& ep = row.text("ep");
  if (ep != "?" && ep != "on")
    said.ep = row.count("ep");
  said.open = ep == "?";
  if (row.contains("source", "aiconfigurator"))
    undo_products(said);
  if (row.contains("notes", "attention-DP") && said.dp == 1 && said.tp > 1) // the row counts its ranks as TP
    std::swap(said.tp, said.dp);
  if (ep == "on")
    said.ep = said.tp * said.dp;
  if (said.devices == 0) // blank: those of the plan
    said.devices = said.tp * said.pp * said.dp;
  // Experts spread over TP x DP ranks: beside a DP stated as 1 the attention is split over all of them, and the row's TP is the experts'.
  if (row.given("dp") && said.dp == 1 && said.tp == 1 && said.ep == said.devices / said.pp)
    said.tp = said.ep;
  const bool expert_tp = first_number(row.text("notes"), R"(moe tp (\d+))").value_or(1) > 1;
  // Replicas that cannot hold the model by themselves share its experts.
  const double weights = out.job.model.parameters() * out.job.weights.weight_bytes / (std::max(1, said.tp) * said.pp);
  const bool too_large = said.dp > 1 && said.ep == 0 && !expert_tp && weights > out.cluster.node.device.memory.front().capacity.si();
  if (too_large && out.job.model.experts.count > 0)
    said.ep = std::max(1, said.tp) * said.dp;
  said.shared = out.job.model.experts.count > 0 && said.dp > 1 && (said.ep > 1 || expert_tp);
  return said;
}

ReplicaPool replica(const Degrees& said, int tp, int ep, int dp) {
  ReplicaPool pool;
  pool.plan = {.tp = tp, .pp = said.pp, .ep = ep, .attention_dp = said.shared || ep > tp ? dp : 1};
  pool.replicas = std::max(1, said.devices / pool.plan.replica_devices());
  pool.plan.replicas = pool.replicas;
  return pool;
}

/// Every way to fill the blanks that the model's shape lets pass.
void fill_blanks(const Degrees& said, const ServingRow& row, std::vector<std::vector<ReplicaPool>>& layouts) {
  const bool experts = row.job.model.experts.count > 0;
  std::vector<std::pair<int, int>> attention; // tp and dp
  const int ranks = said.devices / said.pp;
  if (said.tp > 0 && said.tp * said.dp == ranks)
    attention = {{said.tp, said.dp}};
  else if (said.tp > 1 && ranks % said.tp == 0)
    attention = {{said.tp, ranks / said.tp}};
  else if (said.dp > 1 && ranks % said.dp == 0)
    attention = {{ranks / said.dp, said.dp}};
  else
    for (int tp = 1; tp <= ranks; tp *= 2)
      if (ranks % tp == 0)
        attention.emplace_back(tp, ranks / tp);
  // Where the experts' plan is left open, so is whether attention is shared out by sequences, of engines that can.
  if (experts && said.open && row.software.serving.expert_exchange != ExpertExchange::gather && said.tp == ranks && ranks > 1)
    attention.emplace_back(1, ranks);
  for (const auto& [tp, dp] : attention) {
    std::vector<int> spread{1};
    if (said.ep > 0)
      spread = {said.ep};
    else if (experts && said.open && tp == 1)
      spread = {dp};
    else if (experts && tp > 1)
      spread = {1, tp};
    for (const int ep : spread) {
      Degrees degrees = said;
      degrees.shared = said.shared || (experts && ep > tp);
      const ReplicaPool pool = replica(degrees, tp, ep, dp);
      if (check_serving_plan(row.job, pool.plan, said.devices).empty())
        layouts.push_back({pool});
    }
  }
}

/// "P:1x(tp1 dp8 ep1 b1)|D:2x(tp8 dp1 ep8 b16)": workers, degrees of one, sequences of a rank.
bool read_pools(const Cells& row, ServingRow& out) {
  static const std::regex pattern(R"(([PD]):(\d+)x\(tp(\d+) dp(\d+) ep(\d+) b(\d+)\))");
  const std::string& text = row.text("pd_config");
  std::vector<ReplicaPool> pools;
  for (std::sregex_iterator found(text.begin(), text.end(), pattern), end; found != end; ++found) {
    const auto number = [&](std::size_t k) { return std::stoi((*found)[k]); };
    ReplicaPool pool{.pool = (*found)[1] == "P" ? Pool::prefill : Pool::decode, .replicas = number(2)};
    pool.plan = {.tp = number(3), .ep = std::max(1, number(5)), .attention_dp = number(4), .replicas = pool.replicas};
    if (pool.pool == Pool::decode)
      pool.max_sequences = number(6) * number(4);
    if (const auto wrong = check_serving_plan(out.job, pool.plan, 1'000'000); !wrong.empty()) {
      out.refusal = "infeasible as stated: " + wrong.front().constraint;
      return false;
    }
    pools.push_back(pool);
  }
  const bool both = pools.size() == 2 && pools.front().pool == Pool::prefill && pools.back().pool == Pool::decode;
  if (!both) {
    out.refusal = "numbers of prefill and decode workers are not stated";
    return false;
  }
  out.devices = pools.front().plan.devices() + pools.back().plan.devices();
  out.layouts.push_back(pools);
  return true;
}

/// The degrees that the row states, which no layout has.
std::string no_layout(const Cells& row, int devices, const TransformerModel& model) {
  std::string stated;
  for (const char* const degree : {"tp", "pp", "ep", "dp"})
    if (row.given(degree))
      stated += fmt::format("{}{} {}", stated.empty() ? "" : ", ", degree, row.text(degree));
  return fmt::format("infeasible as stated: {} on {} devices; {} heads ({} of keys), {} layers", stated, devices, model.heads,
                     model.kv_heads, model.layers);
}

void size_cluster(ServingRow& out) {
  NodeType& node = out.cluster.node;
  node.devices = std::clamp(out.devices, 1, std::max(1, node.devices));
  out.cluster.nodes = (out.devices + node.devices - 1) / node.devices;
  if (out.cluster.nodes == 1)
    out.cluster.fabric.kind = FabricKind::single_node;
  if (node.scale_up.domain > out.cluster.devices())
    node.scale_up.domain = out.cluster.devices();
}

} // namespace

bool find_serving_layouts(const Cells& row, ServingRow& out) {
  if (out.kind == ServingKind::disaggregated) {
    if (!read_pools(row, out))
      return false;
  } else {
    const Degrees said = stated_degrees(row, out);
    if (said.devices < 1) {
      out.refusal = "devices is not stated";
      return false;
    }
    out.devices = said.devices;
    fill_blanks(said, out, out.layouts);
    if (out.layouts.empty()) {
      out.refusal = no_layout(row, said.devices, out.job.model);
      return false;
    }
  }
  size_cluster(out);
  return true;
}

} // namespace orrery
