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
          .object("cost", &E::cost, quantity_bound_table<Dollars>(), {.help = "of the run to the token budget"});
  return table;
}

std::vector<ExpectationOutcome> check_expectations(const Expectations& expect, const Result& result) {
  std::vector<ExpectationOutcome> outcomes;
  Checker checker(outcomes);
  for (const TrainingResult& job : result.jobs) {
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
  return outcomes;
}

} // namespace orrery
