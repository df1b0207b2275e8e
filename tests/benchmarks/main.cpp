// Prints each bar with the median of its repeats. With an argument, only the rows whose name contains it.
#include "tests/benchmarks/bench.hpp"
#include "tests/benchmarks/rows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string_view>

#include <sys/resource.h>

namespace orrery::bench {

namespace {

// One line per file of benchmarks.
constexpr Rows (*const registry[])() = {
    engine_rows, hardware_rows, failure_rows, kernel_rows, search_rows, serving_rows, sweep_rows, traffic_rows, training_rows,
};

double median_seconds(const Row& row) {
  std::vector<double> seconds;
  for (int i = 0; i < row.repeats; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    row.run();
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds[seconds.size() / 2];
}

/// Peak of the process so far, in MB.
double peak_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024 / 1e6;
}

} // namespace

void print_table(std::string_view filter) {
  fmt::print("{:<78} {:>11} {:>11} {:>7} {:>9}\n", "work", "bar", "median", "ratio", "peak so far");
  for (const auto rows : registry)
    for (const Row& row : rows())
      if (row.work.find(filter) != std::string::npos) {
        const double median = median_seconds(row);
        fmt::print("{:<78} {:>8.3f} ms {:>8.3f} ms {:>7.3f} {:>8.0f} MB\n", row.work, row.bar * 1e3, median * 1e3, median / row.bar,
                   peak_memory());
        std::fflush(stdout);
      }
}

} // namespace orrery::bench

int main(int count, char** arguments) { orrery::bench::print_table(count > 1 ? arguments[1] : ""); }
