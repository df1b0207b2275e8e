// Measures a piece of work against its bar.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace orrery::bench {

struct Row {
  std::string work;
  double bar = 0; ///< seconds
  std::function<void()> run;
  int repeats = 5;
};

/// Rows of a file of benchmarks, for the registry in main.cpp.
using Rows = std::vector<Row>;

} // namespace orrery::bench
