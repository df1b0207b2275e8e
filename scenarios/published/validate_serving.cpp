#include "scenarios/published/validate_serving.hpp"

#include "models/kernel_cost.hpp"
#include "scenarios/data_files.hpp"
#include "scenarios/published/serving_host.hpp"
#include "scenarios/published/serving_predict.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <utility>

namespace orrery {

namespace {

constexpr double order_resolution = 0.1; ///< configurations measured closer than this are not ordered

const char* metric_word(ServingMetric metric) {
  switch (metric) {
  case ServingMetric::output_rate:
    return "output_tokens_per_s";
  case ServingMetric::input_rate:
    return "input_tokens_per_s";
  case ServingMetric::ttft:
    return "ttft_s";
  case ServingMetric::tpot:
    return "tpot_s";
  case ServingMetric::itl:
    return "itl_s";
  case ServingMetric::itl_median:
    return "itl_median_s";
  case ServingMetric::end_to_end:
    return "end_to_end_s";
  case ServingMetric::energy:
    return "energy_per_token_j";
  }
  return "";
}

ServingClass class_of(const ServingRow& row, ServingMetric metric) {
  const Device& device = row.cluster.node.device;
  if (!device.architecture.empty() && curve_architecture(device, load_calibration()) != device.architecture)
    return ServingClass::unmeasured;
  switch (row.kind) {
  case ServingKind::offline:
    return ServingClass::offline;
  case ServingKind::concurrency:
    return metric == ServingMetric::ttft ? ServingClass::ttft : ServingClass::tpot;
  case ServingKind::disaggregated:
    return ServingClass::disaggregated;
  case ServingKind::rate:
  case ServingKind::burst:
    return ServingClass::online;
  case ServingKind::batch:
  case ServingKind::decode:
    return ServingClass::batch;
  case ServingKind::steady:
    return ServingClass::steady;
  }
  return ServingClass::batch;
}

/// Throughput per device offline, tokens per second of one user in a closed loop: what configurations are chosen by.
bool ranks(const ServingRow& row, const Measured& figure) {
  return (row.kind == ServingKind::offline && figure.metric == ServingMetric::output_rate) ||
         (row.kind == ServingKind::concurrency && figure.metric == ServingMetric::tpot);
}

std::vector<ServingRow> rows_of_file(const std::string& file) { return serving_rows(read_csv(file), file); }

std::vector<ScoredServing> score(const ServingRow& row, bool fitted, ServingPredictor& predictor) {
  const ServingPrediction prediction = row.refusal.empty() ? predictor.predict(row) : ServingPrediction{.refusal = row.refusal};
  std::vector<ScoredServing> scored;
  for (std::size_t i = 0; i < row.measured.size(); ++i) {
    const Measured& figure = row.measured[i];
    ScoredServing one{.group = row.model + " on " + row.accelerator,
                      .id = row.id,
                      .metric = metric_word(figure.metric),
                      .kind = class_of(row, figure.metric),
                      .software = row.software.name,
                      .measured = figure.value,
                      .refusal = prediction.refusal,
                      .layout = prediction.layout,
                      .flagged = row.flagged,
                      .fitted = fitted};
    if (prediction.refusal.empty()) {
      one.predicted = prediction.values[i];
      one.error = one.predicted / one.measured - 1;
      if (ranks(row, figure)) {
        const bool rate = figure.metric == ServingMetric::output_rate;
        one.setting = row.setting;
        one.merit = rate ? one.measured / row.devices : 1 / one.measured;
        one.merit_hat = rate ? one.predicted / row.devices : 1 / one.predicted;
      }
    }
    scored.push_back(std::move(one));
  }
  return scored;
}

ServingClassScore score_class(ServingClass kind, const std::vector<ScoredServing>& rows) {
  std::map<std::string, std::pair<int, std::vector<double>>> groups;
  for (const ScoredServing& row : rows) {
    if (row.kind != kind || !row.counts())
      continue;
    auto& [count, errors] = groups[row.group];
    ++count;
    if (row.refusal.empty())
      errors.push_back(row.error);
  }
  ServingClassScore scored{.kind = kind};
  for (const auto& [group, found] : groups)
    scored.groups.push_back(score_errors(group, found.first, found.second));
  scored.macro = macro_average(scored.groups);
  return scored;
}

struct PairCount {
  int agree = 0;
  int pairs = 0;
};

PairCount count_pairs(const std::vector<const ScoredServing*>& rows) {
  PairCount count;
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (std::size_t j = i + 1; j < rows.size(); ++j) {
      const double measured = rows[i]->merit - rows[j]->merit;
      if (std::abs(measured) <= order_resolution * std::min(rows[i]->merit, rows[j]->merit))
        continue;
      const double predicted = rows[i]->merit_hat - rows[j]->merit_hat;
      ++count.pairs;
      count.agree += measured * predicted > 0 ? 1 : measured * predicted < 0 ? -1 : 0;
    }
  return count;
}

ServingOrder order_of(const std::vector<ScoredServing>& rows) {
  std::map<std::pair<std::string, std::string>, std::vector<const ScoredServing*>> settings;
  for (const ScoredServing& row : rows)
    if (!row.setting.empty() && row.counts())
      settings[{row.group, row.setting}].push_back(&row);
  ServingOrder order;
  std::map<std::string, PairCount> groups;
  PairCount all;
  for (const auto& [setting, members] : settings) {
    const PairCount count = count_pairs(members);
    if (count.pairs == 0)
      continue;
    ++order.settings;
    for (PairCount* sum : {&all, &groups[setting.first]}) {
      sum->agree += count.agree;
      sum->pairs += count.pairs;
    }
  }
  order.pairs = all.pairs;
  order.tau = all.pairs > 0 ? double(all.agree) / all.pairs : 0;
  for (const auto& [group, count] : groups)
    order.group_tau += double(count.agree) / count.pairs / static_cast<double>(groups.size());
  return order;
}

struct ClassName {
  ServingClass kind = ServingClass::offline;
  const char* word = "";
  const char* title = "";
};
constexpr std::array class_names = {
    ClassName{ServingClass::offline, "offline", "Throughput with all requests at once"},
    ClassName{ServingClass::tpot, "tpot", "Time per output token at fixed concurrency"},
    ClassName{ServingClass::ttft, "ttft", "Time to first token at fixed concurrency"},
    ClassName{ServingClass::disaggregated, "disaggregated", "Disaggregated: time to first token and per output token"},
    ClassName{ServingClass::online, "online", "Open arrivals and bursts"},
    ClassName{ServingClass::batch, "batch", "One batch"},
    ClassName{ServingClass::steady, "steady", "Steady batch: time between tokens, energy per token"},
    ClassName{ServingClass::unmeasured, "unmeasured", "Devices without measured kernels"}};

const ClassName& name_of(ServingClass kind) { return *std::ranges::find(class_names, kind, &ClassName::kind); }

} // namespace

const char* class_title(ServingClass kind) { return name_of(kind).title; }
const char* class_word(ServingClass kind) { return name_of(kind).word; }

ServingValidation validate_serving(const ValidationScope& scope) {
  const std::string& file = scope.file;
  const std::string own = data_file("scenarios/validation/serving.csv");
  const std::vector<ServingRow> rows = rows_of_file(file.empty() ? own : file);
  // Host constants were fitted on rows of the project's own table, which others may hold too.
  std::set<std::pair<std::string, std::string>> fitted;
  for (const ServingRow& row : file.empty() ? rows : rows_of_file(own))
    if (fits_serving_host(row))
      fitted.insert({row.id, row.origin});
  const Calibration calibration = scope.calibration();
  ServingPredictor predictor(calibration);
  ServingValidation validation;
  for (const ServingRow& row : rows) {
    if (!scope.holds(row.cluster.node.device))
      continue;
    for (ScoredServing& scored : score(row, fitted.contains({row.id, row.origin}), predictor))
      validation.rows.push_back(std::move(scored));
  }
  for (const ClassName& each : class_names)
    if (std::ranges::any_of(validation.rows, [&](const ScoredServing& row) { return row.kind == each.kind; }))
      validation.classes.push_back(score_class(each.kind, validation.rows));
  validation.order = order_of(validation.rows);
  if (file.empty() && scope.left_out.empty())
    validation.run = validate_request_run();
  return validation;
}

} // namespace orrery
