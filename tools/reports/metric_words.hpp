// Metrics by their path in a job of the result's JSON: what they are called, which way is better, how their values are written.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace orrery {

enum class Better { lower, higher };

struct Metric {
  std::string_view path;
  std::string_view label;
  Better better;
};

/// What a plan is judged by, the most telling first.
const std::vector<Metric>& headline_metrics();

/// The row of a path, or nothing.
std::optional<Metric> headline_metric(std::string_view path);

/// A value in the unit that its path ends in.
std::string metric_text(std::string_view path, double value);

} // namespace orrery
