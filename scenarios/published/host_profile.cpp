#include "scenarios/published/host_profile.hpp"

#include "models/training_cost.hpp"
#include "models/training_estimate.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

namespace orrery {

namespace {

using Constants = std::array<double, 2>;

double mean_error(const std::vector<const TrainingRow*>& rows, const Constants& constants, const Calibration& calibration) {
  double sum = 0;
  for (const TrainingRow* row : rows) {
    SoftwareProfile software = row->software;
    software.kernel_launch = Seconds{constants[0]};
    software.step_host = Seconds{constants[1]};
    const TrainingCoster coster(row->cluster, software, calibration);
    double fastest = 0;
    for (const Plan& plan : row->plans) {
      const double step = estimate_step(coster.cost(build_training_graph(row->job, plan, software))).step.si();
      fastest = fastest == 0 ? step : std::min(fastest, step);
    }
    sum += std::abs(fastest / row->measured - 1);
  }
  return sum / static_cast<double>(rows.size());
}

} // namespace

std::uint64_t row_hash(const std::string& id) { // FNV-1a
  std::uint64_t value = 14695981039346656037U;
  for (const char c : id) {
    value ^= static_cast<unsigned char>(c);
    value *= 1099511628211U;
  }
  return value;
}

bool fits_host_profile(const TrainingRow& row) { return row.group == "vtrain-single" && row.refusal.empty() && row_hash(row.id) % 3 == 0; }

HostProfile fit_host_profile(const std::vector<TrainingRow>& rows, const Calibration& calibration) {
  std::vector<const TrainingRow*> fitted;
  for (const TrainingRow& row : rows)
    if (fits_host_profile(row))
      fitted.push_back(&row);
  Constants best{20e-6, 0};
  if (fitted.empty())
    return {};
  Constants step{20e-6, 5e-3};
  double error = mean_error(fitted, best, calibration);
  // Pattern search: the error is piecewise smooth in both constants, and every evaluation costs a millisecond.
  while (step[0] > 1e-8) {
    bool better = false;
    for (std::size_t k = 0; k < best.size(); ++k)
      for (const double sign : {1.0, -1.0}) {
        Constants next = best;
        next[k] = std::max(0.0, next[k] + sign * step[k]);
        const double candidate = mean_error(fitted, next, calibration);
        if (candidate < error - 1e-9) {
          error = candidate;
          best = next;
          better = true;
        }
      }
    if (!better)
      for (double& s : step)
        s /= 2;
  }
  return {Seconds{best[0]}, Seconds{best[1]}};
}

} // namespace orrery
