// Scores the kernel models against measured kernels.
#pragma once

#include "scenarios/published/kernel_rows.hpp"

#include <string>
#include <vector>

namespace orrery {

struct ScoredKernel {
  KernelRow row;
  double predicted = 0; ///< s; 0 where refused
  double error = 0;     ///< relative, signed: predicted / measured - 1
};

struct KernelScore {
  std::string device;
  std::string kind;
  std::string precision;
  int rows = 0;      ///< scored
  int excluded = 0;  ///< refused
  double median = 0; ///< of absolute relative errors
  double mean = 0;
  double p90 = 0;
  double bias = 0;      ///< median of signed errors
  bool assumed = false; ///< some rows rest on assumed constants
};

struct KernelValidation {
  std::vector<ScoredKernel> rows;
  std::vector<KernelScore> groups; ///< by device, kind and precision
  std::vector<std::string> unread;
};

/// Rows of `folder` (scenarios/published/kernel_rows.hpp), or the project's own tables where empty.
KernelValidation validate_kernels(const std::string& folder = {});

} // namespace orrery
