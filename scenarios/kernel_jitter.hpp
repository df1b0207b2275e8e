// What kernels of uneven length do to a pass.
//
// What:    every kernel takes its time times a factor of mean 1 and relative standard deviation sigma, each independently. A pass of many
//          kernels spreads less than one of them, since they average out; but wherever a collective joins n ranks, all wait for the last
//          of them: the stretch since the collective before takes, on average, the largest of n such sums.
// Formula: spread of a pass = sigma sqrt(sum t_i^2 / k_i) / T, t_i the time of operator i in k_i kernels, T that of the pass. Wait at a
//          collective = E(n) sigma sqrt(sum over the stretch of t_i^2 / k_i), E(n) the mean of the largest of n standard normals, by Blom's
//          approximation Phi^-1((n - 0.375) / (n + 0.25)).
// Source:  G. Blom, Statistical Estimates and Transformed Beta-Variables (1958).
// Valid:   sums close to normal: stretches of several kernels, sigma to about 0.3. Error: E(n) above by 4.5% at n = 2, 2% at 4, under 1%
// from
//          8 on; the spread is that of one rank, above that of the largest of n.
#pragma once

#include "models/cost.hpp"
#include "sim/engine/pipeline.hpp"
#include "workloads/graph.hpp"

#include <vector>

namespace orrery {

/// Mean of the largest of n standard normals.
double mean_largest(int n);

/// StepOptions::noise for kernels of that relative standard deviation; empty for none.
std::vector<PassNoise> kernel_noise(double sigma, const OpGraph& graph, const CostedGraph& costs);

} // namespace orrery
