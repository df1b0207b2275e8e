#include "scenarios/published/claim_metrics.hpp"

namespace orrery {

namespace {

std::optional<double> serving_metric(const ServingResult& job, ClaimMetric metric) {
  const ServingLatencies& l = job.latencies;
  switch (metric) {
  case ClaimMetric::fits:
    return job.violations.empty() ? 1.0 : 0.0;
  case ClaimMetric::devices:
    return job.devices;
  case ClaimMetric::kv_tokens:
    return job.pools.empty() ? std::nullopt : std::optional(static_cast<double>(job.pools.back().kv_tokens));
  default:
    break;
  }
  if (!job.violations.empty())
    return std::nullopt;
  switch (metric) {
  case ClaimMetric::ttft_mean:
    return l.ttft.mean.si();
  case ClaimMetric::ttft_p50:
    return l.ttft.p50.si();
  case ClaimMetric::ttft_p99:
    return l.ttft.p99.si();
  case ClaimMetric::tpot_mean:
    return l.tpot.mean.si();
  case ClaimMetric::tpot_p50:
    return l.tpot.p50.si();
  case ClaimMetric::tpot_p99:
    return l.tpot.p99.si();
  case ClaimMetric::itl_p50:
    return job.itl.p50.si();
  case ClaimMetric::itl_p99:
    return job.itl.p99.si();
  case ClaimMetric::end_to_end_mean:
    return l.end_to_end.mean.si();
  case ClaimMetric::end_to_end_p99:
    return l.end_to_end.p99.si();
  case ClaimMetric::requests_per_second:
    return job.requests_per_second;
  case ClaimMetric::output_tokens_per_second:
    return job.output_tokens_per_second;
  case ClaimMetric::output_tokens_per_second_per_device:
    return job.output_tokens_per_second_per_device;
  case ClaimMetric::all_tokens_per_second_per_device:
    return (job.input_tokens_per_second + job.output_tokens_per_second) / job.devices;
  case ClaimMetric::attainment:
    return job.attainment;
  case ClaimMetric::goodput:
    return job.goodput ? std::optional(job.goodput->rate) : std::nullopt;
  case ClaimMetric::goodput_per_device:
    return job.goodput ? std::optional(job.goodput->rate / job.devices) : std::nullopt;
  case ClaimMetric::rollout_tokens_per_second:
    return job.rollouts ? std::optional(job.rollouts->tokens_per_second) : std::nullopt;
  case ClaimMetric::energy_per_output_token:
    return job.energy_per_output_token.si();
  case ClaimMetric::cost_per_request:
    return job.priced ? std::optional(job.cost_per_request.si()) : std::nullopt;
  default:
    return std::nullopt;
  }
}

} // namespace

std::optional<double> metric_of(const Ran& ran, ClaimMetric metric) {
  if (ran.serving)
    return serving_metric(*ran.serving, metric);
  if (!ran.job)
    return metric == ClaimMetric::devices ? std::optional(ran.fleet) : std::nullopt;
  const TrainingResult& job = *ran.job;
  const bool runs = job.violations.empty();
  const auto rate = [&](std::size_t convention) { return job.flop_rates[convention].per_device.si(); };
  switch (metric) {
  case ClaimMetric::fits:
    return runs ? 1.0 : 0.0;
  case ClaimMetric::devices:
    return job.devices;
  case ClaimMetric::memory:
    return job.memory.total().si() > 0 ? std::optional(job.memory.total().si()) : std::nullopt;
  default:
    break;
  }
  if (!runs)
    return std::nullopt;
  switch (metric) {
  case ClaimMetric::step_time:
    return job.step_time.si();
  case ClaimMetric::memory_traffic:
    return job.memory_traffic.si();
  case ClaimMetric::tokens_per_second:
    return job.tokens_per_second;
  case ClaimMetric::tokens_per_second_per_device:
    return job.tokens_per_second_per_device;
  case ClaimMetric::mfu_full:
    return job.flop_rates[0].utilisation;
  case ClaimMetric::mfu_causal:
    return job.flop_rates[1].utilisation;
  case ClaimMetric::hfu:
    return job.flop_rates[2].utilisation;
  case ClaimMetric::flops_full:
    return rate(0);
  case ClaimMetric::flops_causal:
    return rate(1);
  case ClaimMetric::flops_executed:
    return rate(2);
  case ClaimMetric::job_flops_full:
    return rate(0) * job.devices;
  case ClaimMetric::job_flops_executed:
    return rate(2) * job.devices;
  default: // of a serving job
    return std::nullopt;
  }
}

} // namespace orrery
