#include "models/reliability.hpp"

#include <algorithm>
#include <cmath>

namespace orrery {

namespace {

double population(FailureScope scope, int devices, int nodes) {
  switch (scope) {
  case FailureScope::device:
    return devices;
  case FailureScope::node:
    return nodes;
  case FailureScope::job:
    return 1.0;
  }
  return 0.0;
}

/// x / (e^x - 1), 1 at 0.
double bernoulli_share(double x) { return x > 0.0 ? x / std::expm1(x) : 1.0; }

Seconds transfer_time(const std::optional<Seconds>& stated, const CheckpointPolicy& policy, const CheckpointState& state) {
  return stated ? *stated : state.bytes / *policy.storage;
}

} // namespace

Hertz failure_rate(const ReliabilityProfile& profile, const FailureClass& failure, Fleet fleet) {
  const double here = population(failure.scope, fleet.devices, fleet.nodes);
  if (failure.mtbf) {
    return failure.components * here / *failure.mtbf;
  }
  if (!failure.count || !profile.observed) {
    return Hertz{};
  }
  const Observation& seen = *profile.observed;
  return *failure.count * (here / population(failure.scope, seen.devices, seen.nodes)) / seen.time;
}

Hertz failure_rate(const ReliabilityProfile& profile, Fleet fleet) {
  Hertz total;
  for (const FailureClass& failure : profile.classes) {
    total += failure_rate(profile, failure, fleet);
  }
  return total;
}

Hertz RestartModel::rate() const {
  Hertz total;
  for (const FailureMode& mode : modes) {
    total += mode.rate;
  }
  return total;
}

RestartModel restart_model(const ReliabilityOptions& options, Fleet fleet, const CheckpointState& state) {
  const CheckpointPolicy& policy = options.checkpoint;
  RestartModel model;
  for (const FailureClass& failure : options.failures.classes) {
    model.modes.push_back({failure.name, failure_rate(options.failures, failure, fleet), failure.detection.value_or(options.detection)});
  }
  const Seconds write = transfer_time(policy.write_time, policy, state);
  if (policy.kind == CheckpointKind::asynchronous) {
    model.stall = state.bytes_per_device / state.host_link;
    model.persist = write;
  } else {
    model.stall = write;
  }
  model.restart = options.restart + transfer_time(policy.read_time, policy, state);
  if (policy.interval.fixed) {
    model.interval = *policy.interval.fixed;
  } else if (const Hertz rate = model.rate(); rate.si() > 0.0) {
    model.interval = find_interval_rule(policy.interval.rule)->interval(1.0 / rate, model.stall);
  } else { // nothing fails: a rule would never write one
    model.stall = Seconds{};
    model.persist = Seconds{};
  }
  model.interval = std::max(model.interval, model.persist - model.stall);
  return model;
}

Goodput goodput(const RestartModel& model, Seconds length) {
  Goodput out;
  out.interval = model.interval;
  const Hertz rate = model.rate();
  const Seconds segment = model.interval + model.stall;
  double up = 1.0; // share of time outside recovery
  if (rate.si() > 0.0) {
    out.mtbf = 1.0 / rate;
    out.expected_failures = rate * length;
    up = 0.0;
    for (const FailureMode& mode : model.modes) {
      const double share = mode.rate / rate;
      const double detected = share * std::exp(-(rate * mode.detection));
      out.detection_share -= share * std::expm1(-(rate * mode.detection)); // exactly 0 where nothing is waited for
      out.restart_share -= detected * std::expm1(-(rate * model.restart));
      up += detected * std::exp(-(rate * model.restart));
    }
  }
  // Of the time outside recovery, what is kept: segments over their expected time.
  const double kept = up * bernoulli_share(rate * segment) * std::exp(-(rate * model.persist));
  const double work = segment.si() > 0.0 ? model.interval / segment : 1.0;
  out.goodput = kept * work;
  out.checkpoint_share = kept * (1.0 - work);
  out.lost_share = up - kept;
  return out;
}

const std::vector<IntervalRule>& interval_rules() {
  static const std::vector<IntervalRule> rules = {
      {"young_daly", young_interval},
      {"daly_higher_order", daly_interval},
      {"optimal", optimal_interval},
  };
  return rules;
}

const IntervalRule* find_interval_rule(std::string_view name) {
  for (const IntervalRule& rule : interval_rules()) {
    if (rule.name == name) {
      return &rule;
    }
  }
  return nullptr;
}

Seconds young_interval(Seconds mtbf, Seconds stall) { return Seconds{std::sqrt(2.0 * mtbf.si() * stall.si())}; }

Seconds daly_interval(Seconds mtbf, Seconds stall) {
  const double ratio = stall.si() / (2.0 * mtbf.si());
  if (ratio >= 1.0) {
    return mtbf;
  }
  const double root = std::sqrt(ratio);
  return young_interval(mtbf, stall) * (1.0 + root / 3.0 + ratio / 9.0) - stall;
}

Seconds optimal_interval(Seconds mtbf, Seconds stall) {
  // g(x) = x + ln(1 - x) + c falls from c at 0 to -infinity at 1: Newton from the left bound sqrt(2c)/(1 + sqrt(2c)) would overshoot
  // for large c, bisection cannot.
  const double c = stall / mtbf;
  double low = 0.0;
  double high = 1.0;
  for (int i = 0; i < 200 && high - low > 1e-16 * high; ++i) {
    const double x = 0.5 * (low + high);
    (x + std::log1p(-x) + c > 0.0 ? low : high) = x;
  }
  return 0.5 * (low + high) * mtbf;
}

} // namespace orrery
