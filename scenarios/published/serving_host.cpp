#include "scenarios/published/serving_host.hpp"

#include "scenarios/published/host_profile.hpp"
#include "scenarios/published/pattern_search.hpp"
#include "scenarios/published/serving_predict.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace orrery {

namespace {

using HostConstants = std::array<double, 3>; ///< per iteration, sequence, request

/// A published figure, what it would be without a host, and how much longer each constant makes it: a time grows by slopes x constants,
/// the time of a token, 1 / rate, by the share slopes x constants.
struct SeenFigure {
  double measured = 0;
  double base = 0;
  HostConstants slopes{};
  bool rate = false;
};

double value(const SeenFigure& each, const HostConstants& constants) {
  double added = 0;
  for (std::size_t k = 0; k < constants.size(); ++k)
    added += each.slopes[k] * constants[k];
  return each.rate ? each.base / (1 + added) : each.base + added;
}

/// Constants of the iterations near those of the engines, so that a slope holds what queues and batches make of them.
constexpr std::array<double, 2> probes{1e-3, 10e-6};

void set_host(ServingTraits& engine, const HostConstants& constants) {
  engine.iteration_host = Seconds{constants[0]};
  engine.sequence_host = Seconds{constants[1]};
  engine.request_host = Seconds{constants[2]};
}

/// The row's figures, from a run without a host and one with each constant of its iterations alone.
std::vector<SeenFigure> observe(ServingRow row, ServingPredictor& predictor) {
  const bool ahead = row.software.serving.works_ahead; // its iterations do not wait for the host
  if (!ahead)
    set_host(row.software.serving, {});
  row.software.serving.request_host = Seconds{};
  const ServingPrediction base = predictor.predict(row);
  std::vector<SeenFigure> seen;
  for (std::size_t i = 0; i < base.values.size(); ++i) {
    const auto& [metric, measured] = row.measured[i];
    const bool waits = metric == ServingMetric::ttft || metric == ServingMetric::end_to_end;
    seen.push_back({.measured = measured,
                    .base = base.values[i],
                    .slopes = {0, 0, waits && row.kind != ServingKind::batch ? 1.0 : 0.0},
                    .rate = metric == ServingMetric::output_rate || metric == ServingMetric::input_rate});
  }
  if (ahead || seen.empty())
    return seen;
  std::erase_if(row.layouts, [&](const std::vector<ReplicaPool>& each) { return describe_layout(each) != base.layout; });
  for (std::size_t k = 0; k < probes.size(); ++k) {
    HostConstants one{};
    one[k] = probes[k];
    set_host(row.software.serving, one);
    const ServingPrediction slow = predictor.predict(row);
    for (std::size_t i = 0; i < seen.size(); ++i)
      seen[i].slopes[k] = (seen[i].rate ? base.values[i] / slow.values[i] - 1 : slow.values[i] - base.values[i]) / probes[k];
  }
  return seen;
}

double mean_error(const std::vector<SeenFigure>& seen, const HostConstants& constants) {
  double sum = 0;
  for (const SeenFigure& each : seen)
    sum += std::abs(std::log(value(each, constants) / each.measured));
  return sum / static_cast<double>(seen.size());
}

} // namespace

bool fits_serving_host(const ServingRow& row) {
  using K = ServingKind;
  const bool alone =
      row.kind == K::concurrency || row.kind == K::offline || row.kind == K::batch || row.kind == K::rate || row.kind == K::burst;
  return alone && row.refusal.empty() && !row.flagged && !row.stand_in && in_fitted_third(row.id);
}

std::map<std::string, ServingHost> fit_serving_hosts(const std::vector<ServingRow>& rows, const Calibration& calibration) {
  ServingPredictor predictor(calibration);
  std::map<std::string, std::vector<SeenFigure>> seen;
  for (const ServingRow& row : rows)
    if (fits_serving_host(row))
      for (const SeenFigure& each : observe(row, predictor))
        seen[row.software.name].push_back(each);
  std::map<std::string, ServingHost> hosts;
  for (const auto& [name, figures] : seen) {
    const HostConstants best = pattern_search(HostConstants{}, HostConstants{500e-6, 20e-6, 50e-3}, 1e-6,
                                              [&](const HostConstants& constants) { return mean_error(figures, constants); });
    hosts[name] = {Seconds{best[0]}, Seconds{best[1]}, Seconds{best[2]}};
  }
  return hosts;
}

} // namespace orrery
