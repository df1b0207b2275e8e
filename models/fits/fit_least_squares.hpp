// Robust non-linear least squares over a few positive parameters, for the fits of models/fits/*.cpp.
//
// What:    minimises the sum of |r_i|, smoothed where small, by iteratively reweighted Levenberg-Marquardt over the logarithms of the
//          parameters, with a numeric Jacobian.
// Source:  Marquardt 1963; IRLS for L1 (Holland and Welsch 1977).
// Valid:   smooth enough residuals, up to about ten parameters.
#pragma once

#include <functional>
#include <vector>

namespace orrery {

struct Bounds {
  double low;
  double high;
};

/// Fills one residual per row: weight x log(model / measured).
using Residuals = std::function<void(const std::vector<double>& parameters, std::vector<double>& residuals)>;

/// The parameters of the least smoothed sum found from `start`. Deterministic.
std::vector<double> fit_parameters(const Residuals& residuals, std::size_t rows, std::vector<double> start,
                                   const std::vector<Bounds>& bounds);

} // namespace orrery
