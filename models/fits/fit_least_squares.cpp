#include "models/fits/fit_least_squares.hpp"

#include <Eigen/Dense>

#include <algorithm>
#include <cmath>

namespace orrery {

namespace {

constexpr double soft = 0.05; // residuals below count by their squares

double objective(const std::vector<double>& residuals) {
  double sum = 0;
  for (const double r : residuals)
    sum += std::sqrt(r * r + soft * soft);
  return sum;
}

} // namespace

std::vector<double> fit_parameters(const Residuals& residuals, std::size_t rows, std::vector<double> start,
                                   const std::vector<Bounds>& bounds) {
  constexpr int rounds = 40;
  const std::size_t count = start.size();
  const auto size = static_cast<Eigen::Index>(count);
  std::vector<double> now(rows);
  std::vector<double> shifted(rows);
  residuals(start, now);
  double best = objective(now);
  double damping = 1e-2;
  constexpr double step = 2e-3; // of a logarithm
  Eigen::MatrixXd jacobian(static_cast<Eigen::Index>(rows), size);
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t j = 0; j < count; ++j) {
      std::vector<double> moved = start;
      moved[j] *= std::exp(step);
      residuals(moved, shifted);
      for (std::size_t i = 0; i < rows; ++i)
        jacobian(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) = (shifted[i] - now[i]) / step;
    }
    Eigen::MatrixXd normal = Eigen::MatrixXd::Zero(size, size);
    Eigen::VectorXd gradient = Eigen::VectorXd::Zero(size);
    for (std::size_t i = 0; i < rows; ++i) {
      const double weight = 1 / std::sqrt(now[i] * now[i] + soft * soft);
      const auto row = jacobian.row(static_cast<Eigen::Index>(i));
      normal.noalias() += weight * row.transpose() * row;
      gradient.noalias() += weight * now[i] * row.transpose();
    }
    bool improved = false;
    for (int attempt = 0; attempt < 8 && !improved; ++attempt) {
      Eigen::MatrixXd damped = normal;
      damped.diagonal() *= 1 + damping;
      damped.diagonal().array() += 1e-9;
      const Eigen::VectorXd move = -damped.ldlt().solve(gradient);
      std::vector<double> moved = start;
      for (std::size_t j = 0; j < count; ++j) {
        const double limited = std::clamp(move(static_cast<Eigen::Index>(j)), -0.7, 0.7);
        moved[j] = std::clamp(start[j] * std::exp(limited), bounds[j].low, bounds[j].high);
      }
      residuals(moved, shifted);
      const double value = objective(shifted);
      if (value < best) {
        improved = best - value > 1e-7 * best;
        best = value;
        start = moved;
        now = shifted;
        damping = std::max(1e-6, damping / 4);
        if (!improved)
          return start;
      } else {
        damping *= 5;
      }
    }
    if (!improved)
      break;
  }
  return start;
}

} // namespace orrery
