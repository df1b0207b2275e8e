#include "scenarios/expectations.hpp"

namespace orrery {

namespace {

template <class Q> const Table<Limits<Q>>& quantity_bound_table() {
  static const Table<Limits<Q>> table = Table<Limits<Q>>("bound", "Bounds on a metric.")
                                            .quantity("min", &Limits<Q>::min, {.help = "smallest value that is met"})
                                            .quantity("max", &Limits<Q>::max, {.help = "largest value that is met"});
  return table;
}

const Table<Limits<double>>& number_bound_table() {
  static const Table<Limits<double>> table = Table<Limits<double>>("bound", "Bounds on a metric.")
                                                 .number("min", &Limits<double>::min, {.help = "smallest value that is met"})
                                                 .number("max", &Limits<double>::max, {.help = "largest value that is met"});
  return table;
}

double plain(double value) { return value; }
template <class Q> double plain(Q value) { return value.si(); }

/// Compares one metric of one job with its bound.
class Checker {
public:
  explicit Checker(std::vector<ExpectationOutcome>& outcomes) : outcomes_(outcomes) {}

  template <class V> void check(const char* metric, const std::optional<Limits<V>>& bound, std::optional<V> value) {
    if (!bound)
      return;
    ExpectationOutcome& outcome = outcomes_.emplace_back();
    outcome.metric = metric;
    if (bound->min)
      outcome.min = plain(*bound->min);
    if (bound->max)
      outcome.max = plain(*bound->max);
    if (!value)
      return;
    outcome.value = plain(*value);
    outcome.met = (!outcome.min || outcome.value >= *outcome.min) && (!outcome.max || outcome.value <= *outcome.max);
  }

private:
  std::vector<ExpectationOutcome>& outcomes_;
};

/// A value, or nothing for a job that could not run.
template <class V> std::optional<V> when(bool known, V value) { return known ? std::optional<V>(value) : std::nullopt; }

/// Metrics of a job that trains or replays a trace.
void check_training(Checker& checker, const Expectations& expect, const TrainingResult& job) {
  const bool stepped = job.step_time.si() > 0;
  const bool ran = stepped && !job.trace;
  const auto rate = [&](std::size_t i) { return ran ? std::optional<double>(job.flop_rates[i].utilisation) : std::nullopt; };
  checker.check("step_time", expect.step_time, when(stepped, job.step_time));
  checker.check("tokens_per_second", expect.tokens_per_second, when(ran, job.tokens_per_second));
  checker.check("mfu_full", expect.mfu_full, rate(0));
  checker.check("mfu_causal", expect.mfu_causal, rate(1));
  checker.check("hfu", expect.hfu, rate(2));
  checker.check("memory", expect.memory, when(job.memory.total().si() > 0, job.memory.total()));
  checker.check("device_power", expect.device_power, when(ran, job.power.device_mean));
  checker.check("facility_power", expect.facility_power, when(ran, job.power.facility_peak));
  checker.check("energy_per_token", expect.energy_per_token, when(ran, job.power.energy_per_token));
  checker.check("goodput", expect.goodput, job.goodput ? std::optional<double>(job.goodput->goodput) : std::nullopt);
  checker.check("time_to_budget", expect.time_to_budget, job.budget ? std::optional<Seconds>(job.budget->time) : std::nullopt);
  checker.check("cost", expect.cost, job.budget && job.budget->priced ? std::optional<Dollars>(job.budget->cost) : std::nullopt);
}

void check_serving_expectations(Checker& checker, const Expectations& expect, const ServingResult& job) {
  const bool ran = job.served > 0;
  const auto latency = [&](const LatencySummary& summary, Seconds LatencySummary::* figure) {
    return when(summary.count > 0, summary.*figure);
  };
  const ServingLatencies& l = job.latencies;
  checker.check("ttft_mean", expect.ttft_mean, latency(l.ttft, &LatencySummary::mean));
  checker.check("ttft_p50", expect.ttft_p50, latency(l.ttft, &LatencySummary::p50));
  checker.check("ttft_p90", expect.ttft_p90, latency(l.ttft, &LatencySummary::p90));
  checker.check("ttft_p99", expect.ttft_p99, latency(l.ttft, &LatencySummary::p99));
  checker.check("tpot_mean", expect.tpot_mean, latency(l.tpot, &LatencySummary::mean));
  checker.check("tpot_p50", expect.tpot_p50, latency(l.tpot, &LatencySummary::p50));
  checker.check("tpot_p90", expect.tpot_p90, latency(l.tpot, &LatencySummary::p90));
  checker.check("tpot_p99", expect.tpot_p99, latency(l.tpot, &LatencySummary::p99));
  checker.check("itl_mean", expect.itl_mean, latency(job.itl, &LatencySummary::mean));
  checker.check("itl_p99", expect.itl_p99, latency(job.itl, &LatencySummary::p99));
  checker.check("end_to_end_mean", expect.end_to_end_mean, latency(l.end_to_end, &LatencySummary::mean));
  checker.check("end_to_end_p99", expect.end_to_end_p99, latency(l.end_to_end, &LatencySummary::p99));
  checker.check("requests_per_second", expect.requests_per_second, when(ran, job.requests_per_second));
  checker.check("output_tokens_per_second", expect.output_tokens_per_second, when(ran, job.output_tokens_per_second));
  checker.check("attainment", expect.attainment, when(ran, job.attainment));
  checker.check("goodput_rate", expect.goodput_rate, job.goodput ? std::optional(job.goodput->rate) : std::nullopt);
  checker.check("mfu", expect.mfu, when(ran, job.mfu));
  checker.check("mbu", expect.mbu, when(ran, job.mbu));
  checker.check("device_power", expect.device_power, when(ran, job.device_power));
  checker.check("energy_per_output_token", expect.energy_per_output_token, when(ran, job.energy_per_output_token));
  checker.check("cost_per_million_output_tokens", expect.cost_per_million_output_tokens,
                when(ran && job.priced, job.cost_per_million_output_tokens));
}

} // namespace

const Table<Expectations>& expectations_table() {
  using E = Expectations;
  static const Table<E> table =
      Table<E>("expect", "Bounds on the result; exit status 4 where one is not met.")
          .object("step_time", &E::step_time, quantity_bound_table<Seconds>(), {.help = "time of one step"})
          .object("tokens_per_second", &E::tokens_per_second, number_bound_table(), {.help = "over all devices"})
          .object("mfu_full", &E::mfu_full, number_bound_table(), {.help = "share of peak, full attention counted"})
          .object("mfu_causal", &E::mfu_causal, number_bound_table(), {.help = "share of peak, causal half counted"})
          .object("hfu", &E::hfu, number_bound_table(), {.help = "share of peak, executed FLOPs"})
          .object("memory", &E::memory, quantity_bound_table<Bytes>(), {.help = "of the fullest device"})
          .object("device_power", &E::device_power, quantity_bound_table<Watts>(), {.help = "mean over a step"})
          .object("facility_power", &E::facility_power, quantity_bound_table<Watts>(), {.help = "peak at the feed"})
          .object("energy_per_token", &E::energy_per_token, quantity_bound_table<Joules>(), {.help = "at the feed"})
          .object("goodput", &E::goodput, number_bound_table(), {.help = "share of wall time that is kept work"})
          .object("time_to_budget", &E::time_to_budget, quantity_bound_table<Seconds>(), {.help = "wall time to the token budget"})
          .object("cost", &E::cost, quantity_bound_table<Dollars>(), {.help = "of the run to the token budget"})
          .object("ttft_mean", &E::ttft_mean, quantity_bound_table<Seconds>(), {.help = "serving: time to first token"})
          .object("ttft_p50", &E::ttft_p50, quantity_bound_table<Seconds>(), {.help = "serving: its median"})
          .object("ttft_p90", &E::ttft_p90, quantity_bound_table<Seconds>(), {.help = "serving: its 90th percentile"})
          .object("ttft_p99", &E::ttft_p99, quantity_bound_table<Seconds>(), {.help = "serving: its 99th percentile"})
          .object("tpot_mean", &E::tpot_mean, quantity_bound_table<Seconds>(), {.help = "serving: time per output token after the first"})
          .object("tpot_p50", &E::tpot_p50, quantity_bound_table<Seconds>(), {.help = "serving: its median over requests"})
          .object("tpot_p90", &E::tpot_p90, quantity_bound_table<Seconds>(), {.help = "serving: its 90th percentile"})
          .object("tpot_p99", &E::tpot_p99, quantity_bound_table<Seconds>(), {.help = "serving: its 99th percentile"})
          .object("itl_mean", &E::itl_mean, quantity_bound_table<Seconds>(), {.help = "serving: time between tokens, over tokens"})
          .object("itl_p99", &E::itl_p99, quantity_bound_table<Seconds>(), {.help = "serving: its 99th percentile"})
          .object("end_to_end_mean", &E::end_to_end_mean, quantity_bound_table<Seconds>(), {.help = "serving: arrival to last token"})
          .object("end_to_end_p99", &E::end_to_end_p99, quantity_bound_table<Seconds>(), {.help = "serving: its 99th percentile"})
          .object("requests_per_second", &E::requests_per_second, number_bound_table(), {.help = "serving: over all replicas"})
          .object("output_tokens_per_second", &E::output_tokens_per_second, number_bound_table(), {.help = "serving: over all replicas"})
          .object("attainment", &E::attainment, number_bound_table(), {.help = "serving: share of requests that keep their bounds"})
          .object("goodput_rate", &E::goodput_rate, number_bound_table(),
                  {.help = "serving: highest rate that keeps the target, requests/s"})
          .object("mfu", &E::mfu, number_bound_table(), {.help = "serving: share of the devices' peak over the run"})
          .object("mbu", &E::mbu, number_bound_table(), {.help = "serving: share of the devices' memory bandwidth over the run"})
          .object("energy_per_output_token", &E::energy_per_output_token, quantity_bound_table<Joules>(), {.help = "serving: at the feed"})
          .object("cost_per_million_output_tokens", &E::cost_per_million_output_tokens, quantity_bound_table<Dollars>(),
                  {.help = "serving: hardware and electricity"});
  return table;
}

std::vector<ExpectationOutcome> check_expectations(const Expectations& expect, const Result& result) {
  std::vector<ExpectationOutcome> outcomes;
  Checker checker(outcomes);
  // What a kind of job has no figure of is not met.
  Expectations others = expect;
  others.device_power.reset(); // both have it
  for (const TrainingResult& job : result.jobs) {
    check_training(checker, expect, job);
    check_serving_expectations(checker, others, {});
  }
  for (const ServingResult& job : result.serving) {
    check_serving_expectations(checker, expect, job);
    check_training(checker, others, {});
  }
  return outcomes;
}

} // namespace orrery
