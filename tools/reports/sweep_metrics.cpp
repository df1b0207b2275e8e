#include "tools/reports/sweep_metrics.hpp"

#include "tools/reports/report_json.hpp"
#include "tools/reports/serving_json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <tuple>

namespace orrery {

namespace {

/// Paths of the numbers and flags below an object of the result's schema.
void add_patterns(const OrderedJson& schema, const std::string& path, std::vector<std::string>& patterns) {
  const std::string type = schema.value("type", "");
  if (type == "object") {
    for (const auto& [key, below] : schema["properties"].items())
      add_patterns(below, path.empty() ? key : fmt::format("{}.{}", path, key), patterns);
  } else if (type == "array") {
    add_patterns(schema["items"], path + ".*", patterns);
  } else if (type == "number" || type == "integer" || type == "boolean") {
    patterns.push_back(path);
  }
}

/// Of the whole result, where the scenario has expectations.
constexpr const char* expectations_met = "expectations_met";

/// Whether a figure tells what a job reached. What went in, and what the row's status says, is left out.
bool is_kept(std::string_view name) {
  return !name.starts_with("plan.") && name != "feasible" && !name.starts_with("samples.") && !name.starts_with("trace.first_refused.");
}

/// "jobs.2." and the rest of a name; no job where there is only one.
std::pair<int, std::string_view> job_of(std::string_view name) {
  int job = -1;
  if (!name.starts_with("jobs."))
    return {job, name};
  const auto [end, problem] = std::from_chars(name.data() + 5, name.data() + name.size(), job);
  const auto rest = name.substr(static_cast<std::size_t>(end - name.data()));
  return problem == std::errc() && rest.starts_with('.') ? std::pair(job, rest.substr(1)) : std::pair(-1, name);
}

bool matches(std::string_view name, std::string_view pattern) {
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos)
    return name == pattern;
  const std::string_view before = pattern.substr(0, star);
  const std::string_view after = pattern.substr(star + 1);
  return name.size() > before.size() + after.size() && name.starts_with(before) && name.ends_with(after);
}

/// The place of a name among the patterns; their number where it has none.
std::size_t rank_of(std::string_view name) {
  const std::vector<std::string>& patterns = metric_patterns();
  return static_cast<std::size_t>(std::ranges::find_if(patterns, [&](const std::string& pattern) { return matches(name, pattern); }) -
                                  patterns.begin());
}

SweepValue value_of(const OrderedJson& leaf) {
  if (leaf.is_boolean())
    return leaf.get<bool>();
  if (leaf.is_number_integer())
    return leaf.get<std::int64_t>();
  return leaf.get<double>();
}

} // namespace

std::vector<std::pair<std::string, SweepValue>> sweep_metrics(const Result& result) {
  std::vector<std::pair<std::string, SweepValue>> metrics;
  const auto add = [&metrics](const OrderedJson& job, const std::string& prefix) {
    for (const auto& [path, value] : flat_job(job))
      if ((value.is_number() || value.is_boolean()) && is_kept(path))
        metrics.emplace_back(prefix + path, value_of(value));
  };
  for (std::size_t i = 0; i < result.serving.size(); ++i)
    add(serving_object().write(result.serving[i]), result.serving.size() > 1 ? fmt::format("jobs.{}.", i) : "");
  for (std::size_t i = 0; i < result.jobs.size(); ++i) {
    const TrainingResult& job = result.jobs[i];
    if (job.step_time.si() <= 0 && job.memory.total().si() <= 0) // refused before anything was computed
      continue;
    const std::string prefix = result.jobs.size() > 1 ? fmt::format("jobs.{}.", i) : "";
    add(job_json(job), prefix);
  }
  if (!result.expectations.empty())
    metrics.emplace_back(expectations_met, result.expectations_met());
  return metrics;
}

const std::vector<std::string>& metric_patterns() {
  static const std::vector<std::string> patterns = [] {
    std::vector<std::string> all;
    add_patterns(result_schema()["properties"]["jobs"]["items"], "", all);
    add_patterns(result_schema()["properties"]["serving"]["items"], "", all);
    std::erase_if(all, [](const std::string& name) { return !is_kept(name); });
    all.emplace_back(expectations_met);
    return all;
  }();
  return patterns;
}

bool is_metric(std::string_view name) { return rank_of(job_of(name).second) < metric_patterns().size(); }

std::vector<std::string> ordered_metrics(std::vector<std::string> names) {
  std::ranges::sort(names, {}, [](const std::string& name) {
    const auto [job, rest] = job_of(name);
    return std::tuple(job, rank_of(rest), name);
  });
  return names;
}

} // namespace orrery
