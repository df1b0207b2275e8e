#include "tools/reports/metric_words.hpp"

#include "tools/reports/text.hpp"

#include <algorithm>
#include <array>

namespace orrery {

const std::vector<Metric>& headline_metrics() {
  static const std::vector<Metric> rows = {{"step_time_s", "step time", Better::lower},
                                           {"tokens_per_second", "tokens/s", Better::higher},
                                           {"flop_rates.causal_attention.utilisation", "MFU (causal)", Better::higher},
                                           {"memory.total_bytes", "memory per device", Better::lower},
                                           {"power.device_mean_w", "device power, mean", Better::lower},
                                           {"power.facility_peak_w", "facility power, peak", Better::lower},
                                           {"power.energy_per_token_j", "energy per token", Better::lower},
                                           {"goodput.goodput", "goodput", Better::higher},
                                           {"budget.time_s", "time to the budget", Better::lower},
                                           {"budget.energy_j", "energy to the budget", Better::lower},
                                           {"budget.cost_usd", "cost of the budget", Better::lower},
                                           {"requests_per_second", "requests/s", Better::higher},
                                           {"output_tokens_per_second", "output tokens/s", Better::higher},
                                           {"latencies.ttft.mean_s", "time to first token, mean", Better::lower},
                                           {"latencies.ttft.p99_s", "time to first token, p99", Better::lower},
                                           {"latencies.tpot.mean_s", "time per output token, mean", Better::lower},
                                           {"latencies.tpot.p99_s", "time per output token, p99", Better::lower},
                                           {"attainment_share", "requests within their bounds", Better::higher},
                                           {"goodput.rate_per_second", "goodput, requests/s", Better::higher},
                                           {"energy_per_output_token_j", "energy per output token", Better::lower},
                                           {"cost_per_million_output_tokens_usd", "cost per million output tokens", Better::lower}};
  return rows;
}

std::optional<Metric> headline_metric(std::string_view path) {
  const auto found = std::ranges::find(headline_metrics(), path, &Metric::path);
  return found == headline_metrics().end() ? std::nullopt : std::optional(*found);
}

std::string metric_text(std::string_view path, double value) {
  if (path.ends_with("_usd"))
    return money(Dollars{value});
  using Text = std::string (*)(double);
  static constexpr std::array<std::pair<std::string_view, Text>, 5> units = {{
      {"flop_per_s", [](double si) { return fixed(FlopsPerSecond{si}, 4); }},
      {"_bytes", [](double si) { return fixed(Bytes{si}, 4); }},
      {"_s", [](double si) { return fixed(Seconds{si}, 4); }},
      {"_w", [](double si) { return fixed(Watts{si}, 4); }},
      {"_j", [](double si) { return fixed(Joules{si}, 4); }},
  }};
  for (const auto& [suffix, text] : units) {
    if (path.ends_with(suffix))
      return text(value);
  }
  static constexpr std::array<std::string_view, 5> shares = {"utilisation", "goodput", "share", "clock", "simulate_minus_estimate"};
  const bool share = std::ranges::any_of(shares, [path](std::string_view ending) { return path.ends_with(ending); });
  return share ? percent(value) : scaled(value, 4);
}

} // namespace orrery
