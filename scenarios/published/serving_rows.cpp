#include "scenarios/published/serving_rows.hpp"

#include <array>
#include <cmath>

namespace orrery {

namespace {

constexpr std::array required_columns = {
    "id",           "source",       "source_ref",  "accelerator",  "devices",        "tp",
    "pp",           "ep",           "dp",          "engine",       "engine_version", "model",
    "w_prec",       "a_prec",       "kv_prec",     "kind",         "input_len",      "output_len",
    "num_requests", "batch",        "concurrency", "request_rate", "out_tok_s",      "in_tok_s",
    "ttft_ms_mean", "tpot_ms_mean", "tpot_ms_p50", "itl_ms_mean",  "e2e_ms_mean",    "energy_j_per_out_tok",
    "pd_config",    "chk_flag",     "notes"};

/// Published kinds of run. Those with a reason are refused for it.
struct KindRule {
  std::string_view name;
  ServingKind kind = ServingKind::offline;
  std::string_view refusal = {};
};
constexpr std::array kind_rules = {
    KindRule{"offline_max", ServingKind::offline},
    KindRule{"mlperf_offline", ServingKind::offline},
    KindRule{"mlperf_server", ServingKind::rate},
    KindRule{"mlperf_interactive", ServingKind::rate},
    KindRule{"fixed_concurrency_disagg", ServingKind::disaggregated},
    KindRule{"fixed_concurrency", ServingKind::concurrency},
    KindRule{"online_rate", ServingKind::rate},
    KindRule{"online_burst", ServingKind::burst},
    KindRule{"static_batch", ServingKind::batch},
    KindRule{"batch1", ServingKind::batch},
    KindRule{"ttft_batch1", ServingKind::batch},
    KindRule{"steady_batch", ServingKind::steady},
    KindRule{"pd_decode_simulated", ServingKind::decode,
             "not a pure measurement: acceptance of speculated tokens is assumed in the source"},
    KindRule{"pd_decode", ServingKind::decode},
    KindRule{"pd_prefill", ServingKind::offline},
    KindRule{"online_goodput", ServingKind::rate, "the lengths of the requests are not confirmed by the source"},
    KindRule{"production", ServingKind::decode, "an average over a day of changing traffic, with cache hits"},
    KindRule{"decode_max", ServingKind::decode, "devices, batch and context are not stated"},
    KindRule{"prefill_max", ServingKind::offline, "the lengths of the prompts are not stated"}};

/// Kinds of other names, by a part of them.
constexpr std::array kind_words = {KindRule{"disagg", ServingKind::disaggregated}, KindRule{"concurren", ServingKind::concurrency},
                                   KindRule{"closed", ServingKind::concurrency},   KindRule{"offline", ServingKind::offline},
                                   KindRule{"throughput", ServingKind::offline},   KindRule{"burst", ServingKind::burst},
                                   KindRule{"server", ServingKind::rate},          KindRule{"online", ServingKind::rate},
                                   KindRule{"poisson", ServingKind::rate},         KindRule{"batch", ServingKind::batch},
                                   KindRule{"single", ServingKind::batch},         KindRule{"latency", ServingKind::batch}};

const KindRule* kind_of(const std::string& name) {
  const auto known = std::ranges::find_if(kind_rules, [&](const KindRule& each) { return name.starts_with(each.name); });
  if (known != kind_rules.end())
    return known;
  const auto like = std::ranges::find_if(kind_words, [&](const KindRule& each) { return name.find(each.name) != std::string::npos; });
  return like == kind_words.end() ? nullptr : like;
}

struct MetricColumn {
  std::string_view column;
  ServingMetric metric = ServingMetric::output_rate;
  double unit = 1;
};
constexpr std::array metric_columns = {
    MetricColumn{"out_tok_s", ServingMetric::output_rate},        MetricColumn{"in_tok_s", ServingMetric::input_rate},
    MetricColumn{"ttft_ms_mean", ServingMetric::ttft, 1e-3},      MetricColumn{"tpot_ms_mean", ServingMetric::tpot, 1e-3},
    MetricColumn{"tpot_ms_p50", ServingMetric::itl_median, 1e-3}, MetricColumn{"itl_ms_mean", ServingMetric::itl, 1e-3},
    MetricColumn{"e2e_ms_mean", ServingMetric::end_to_end, 1e-3}, MetricColumn{"energy_j_per_out_tok", ServingMetric::energy}};

/// Whether the phases of a batch do not add up to its end: generation stopped before the length that the row names, or a phase is that of
/// an iteration.
bool contradicts_itself(const Cells& row) {
  if (!row.given("ttft_ms_mean") || !row.given("tpot_ms_mean") || !row.given("e2e_ms_mean"))
    return false;
  const double sum = row.number("ttft_ms_mean") + row.number("tpot_ms_mean") * (row.number("output_len") - 1);
  const double end = row.number("e2e_ms_mean");
  return std::abs(end - sum) > 0.25 * sum;
}

/// Which of a row's figures say something of their own: the rest follow from these, or from the traffic.
bool scored(const Cells& row, ServingKind kind, ServingMetric metric) {
  using M = ServingMetric;
  switch (kind) {
  case ServingKind::offline:
    return metric == M::output_rate || metric == M::input_rate;
  case ServingKind::concurrency:
  case ServingKind::disaggregated:
    return metric == M::ttft || metric == M::tpot || metric == M::itl;
  case ServingKind::rate: // an open system below its capacity gives out what comes in
    return metric == M::ttft || metric == M::tpot || metric == M::itl || (metric == M::output_rate && row.text("request_rate") == "inf");
  case ServingKind::burst:
    return metric == M::output_rate || metric == M::ttft || metric == M::tpot;
  case ServingKind::batch: // tokens/s is derived where a latency is given
    return metric == M::tpot || ((metric == M::ttft || metric == M::end_to_end) && !contradicts_itself(row)) ||
           (metric == M::output_rate && !row.given("tpot_ms_mean") && !row.given("e2e_ms_mean"));
  case ServingKind::steady: // its columns of TPOT hold inter-token latencies
    return metric == M::itl_median || metric == M::energy;
  case ServingKind::decode:
    return metric == M::output_rate;
  }
  return false;
}

} // namespace

std::span<const char* const> serving_columns() { return required_columns; }

std::vector<ServingRow> serving_rows(const CsvTable& table, const std::string& file_name) {
  std::vector<ServingRow> rows;
  read_rows(table, file_name, required_columns, [&](const Cells& cells) {
    ServingRow row{.id = cells.text("id"),
                   .origin = cells.text("source_ref"),
                   .accelerator = cells.text("accelerator"),
                   .model = cells.text("model"),
                   .engine = cells.text("engine") + ' ' + cells.text("engine_version")};
    const KindRule* const rule = kind_of(cells.text("kind"));
    if (rule == nullptr)
      row.refusal = cells.given("kind") ? "runs of kind " + cells.text("kind") + " are not modelled" : "the kind of run is not stated";
    else {
      row.kind = rule->kind;
      row.refusal = rule->refusal;
    }
    row.setting = cells.text("kind") + ' ' + cells.text("input_len") + ' ' + cells.text("output_len") + ' ' + cells.text("concurrency");
    row.flagged = cells.given("chk_flag");
    for (const MetricColumn& each : metric_columns)
      if (cells.given(each.column) && (rule == nullptr || scored(cells, row.kind, each.metric)))
        row.measured.push_back({each.metric, cells.number(each.column) * each.unit});
    if (row.measured.empty())
      return;
    if (row.refusal.empty() && find_serving_machine(cells, row) && find_serving_model(cells, row)) {
      find_serving_engine(cells, row);
      set_expert_recipe(cells, row);
      if (find_serving_layouts(cells, row)) {
        set_serving_recipe(cells, row);
        find_serving_traffic(cells, row);
      }
    }
    rows.push_back(std::move(row));
  });
  return rows;
}

} // namespace orrery
