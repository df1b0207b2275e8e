#include "scenarios/published/serving_host.hpp"

#include "scenarios/published/host_profile.hpp"
#include "scenarios/published/serving_predict.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace orrery {

namespace {

using Constants = std::array<double, 3>; ///< per iteration, sequence, request

/// A published figure and what it would be without a host. A time grows by the weights x constants; a rate falls as its span grows.
struct SeenFigure {
  double measured = 0;
  double base = 0;
  Constants weights{};
  double span = 0; ///< of a rate; 0 = a time
};

double value(const SeenFigure& each, const Constants& constants) {
  double added = 0;
  for (std::size_t k = 0; k < constants.size(); ++k)
    added += each.weights[k] * constants[k];
  return each.span > 0 ? each.base * each.span / (each.span + added) : each.base + added;
}

SeenFigure observe(const ServingRow& row, const ServingPrediction& base, std::size_t figure) {
  SeenFigure seen{.measured = row.measured[figure].value, .base = base.values[figure]};
  const double request = row.kind == ServingKind::batch ? 0 : 1;
  const double sequences = base.sequences / base.groups;
  if (row.software.serving.works_ahead) { // its iterations do not wait for the host
    if (row.measured[figure].metric == ServingMetric::ttft || row.measured[figure].metric == ServingMetric::end_to_end)
      seen.weights = {0, 0, request};
    return seen;
  }
  switch (row.measured[figure].metric) {
  case ServingMetric::output_rate:
  case ServingMetric::input_rate:
    seen.span = base.span;
    seen.weights = {base.iterations, base.iterations * sequences, 0};
    break;
  case ServingMetric::ttft:
    seen.weights = {1, sequences, request};
    break;
  case ServingMetric::end_to_end:
    seen.weights = {base.iterations, base.iterations * sequences, request};
    break;
  default:
    seen.weights = {1, sequences, 0};
  }
  return seen;
}

double mean_error(const std::vector<SeenFigure>& seen, const Constants& constants) {
  double sum = 0;
  for (const SeenFigure& each : seen)
    sum += std::abs(std::log(value(each, constants) / each.measured));
  return sum / static_cast<double>(seen.size());
}

/// Pattern search: the error is piecewise smooth in three constants.
Constants best_constants(const std::vector<SeenFigure>& seen) {
  Constants best{};
  Constants step{500e-6, 20e-6, 50e-3};
  double error = mean_error(seen, best);
  while (step[0] > 1e-6) {
    bool better = false;
    for (std::size_t k = 0; k < best.size(); ++k)
      for (const double sign : {1.0, -1.0}) {
        Constants next = best;
        next[k] = std::max(0.0, next[k] + sign * step[k]);
        const double candidate = mean_error(seen, next);
        if (candidate < error - 1e-9) {
          error = candidate;
          best = next;
          better = true;
        }
      }
    if (!better)
      for (double& each : step)
        each /= 2;
  }
  return best;
}

} // namespace

bool fits_serving_host(const ServingRow& row) {
  const bool alone = row.kind == ServingKind::concurrency || row.kind == ServingKind::offline || row.kind == ServingKind::batch;
  return alone && row.refusal.empty() && !row.flagged && !row.stand_in && row_hash(row.id) % 3 == 0;
}

std::map<std::string, ServingHost> fit_serving_hosts(const std::vector<ServingRow>& rows, const Calibration& calibration) {
  ServingPredictor predictor(calibration);
  std::map<std::string, std::vector<SeenFigure>> seen;
  for (ServingRow row : rows) {
    if (!fits_serving_host(row))
      continue;
    row.software.serving.request_host = Seconds{};
    if (!row.software.serving.works_ahead)
      row.software.serving.iteration_host = row.software.serving.sequence_host = Seconds{};
    const ServingPrediction base = predictor.predict(row);
    for (std::size_t i = 0; i < base.values.size(); ++i)
      seen[row.software.name].push_back(observe(row, base, i));
  }
  std::map<std::string, ServingHost> hosts;
  for (const auto& [name, figures] : seen) {
    const Constants best = best_constants(figures);
    hosts[name] = {Seconds{best[0]}, Seconds{best[1]}, Seconds{best[2]}};
  }
  return hosts;
}

} // namespace orrery
