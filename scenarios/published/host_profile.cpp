#include "scenarios/published/host_profile.hpp"

#include "models/training_cost.hpp"
#include "models/training_estimate.hpp"
#include "scenarios/published/pattern_search.hpp"
#include "sim/base/random.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace orrery {

namespace {

using StepHost = std::array<double, 2>;

double mean_step_error(const std::vector<const TrainingRow*>& rows, const StepHost& constants, const Calibration& calibration) {
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

bool in_fitted_third(const std::string& id) { return fingerprint(id) % 3 == 0; }

bool fits_host_profile(const TrainingRow& row) { return row.group == "vtrain-single" && row.refusal.empty() && in_fitted_third(row.id); }

HostProfile fit_host_profile(const std::vector<TrainingRow>& rows, const Calibration& calibration) {
  std::vector<const TrainingRow*> fitted;
  for (const TrainingRow& row : rows)
    if (fits_host_profile(row))
      fitted.push_back(&row);
  if (fitted.empty())
    return {};
  const StepHost best = pattern_search(StepHost{20e-6, 0}, StepHost{20e-6, 5e-3}, 1e-8,
                                       [&](const StepHost& constants) { return mean_step_error(fitted, constants, calibration); });
  return {Seconds{best[0]}, Seconds{best[1]}};
}

} // namespace orrery
