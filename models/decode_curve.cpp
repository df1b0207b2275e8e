#include "models/decode_curve.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <utility>

namespace orrery {

IterationCost& IterationCost::operator+=(const IterationCost& other) {
  latency += other.latency;
  occupancy += other.occupancy;
  energy += other.energy;
  excess += other.excess;
  flops += other.flops;
  memory += other.memory;
  return *this;
}

IterationCost operator*(IterationCost cost, double times) {
  cost.latency *= times;
  cost.occupancy *= times;
  cost.energy *= times;
  cost.excess *= times;
  cost.flops *= times;
  cost.memory *= times;
  return cost;
}

DecodeCurve::DecodeCurve(std::vector<double> contexts, std::vector<IterationCost> costs)
    : contexts_(std::move(contexts)), costs_(std::move(costs)) {
  assert(contexts_.size() >= 2 && contexts_.size() == costs_.size() && std::ranges::is_sorted(contexts_));
}

std::size_t DecodeCurve::piece(double context) const {
  const auto above = std::upper_bound(contexts_.begin() + 1, contexts_.end() - 1, context);
  return static_cast<std::size_t>(above - contexts_.begin()) - 1;
}

IterationCost DecodeCurve::at(double context) const {
  const std::size_t i = piece(context);
  const double share = (context - contexts_[i]) / (contexts_[i + 1] - contexts_[i]);
  IterationCost cost = costs_[i] * (1 - share);
  return cost += costs_[i + 1] * share;
}

std::int64_t DecodeCurve::in_piece(double context, std::int64_t most, double step) const {
  const std::size_t i = piece(context);
  if (i + 2 == contexts_.size())
    return most;
  return std::clamp<std::int64_t>(static_cast<std::int64_t>(std::ceil((contexts_[i + 1] - context) / step)), 1, most);
}

double DecodeCurve::growth(double context, double step) const {
  const std::size_t i = piece(context);
  return (costs_[i + 1].latency - costs_[i].latency).si() / (contexts_[i + 1] - contexts_[i]) * step;
}

IterationCost DecodeCurve::sum(double context, std::int64_t count, double step) const {
  IterationCost total;
  for (std::int64_t done = 0; done < count;) {
    const double first = context + static_cast<double>(done) * step;
    const std::int64_t here = in_piece(first, count - done, step);
    IterationCost ends = at(first);
    ends += at(first + static_cast<double>(here - 1) * step);
    total += ends * (static_cast<double>(here) / 2);
    done += here;
  }
  return total;
}

std::int64_t DecodeCurve::within(double context, Seconds limit, std::int64_t most, double step) const {
  std::int64_t done = 0;
  double left = limit.si();
  while (done < most) {
    const double first = context + static_cast<double>(done) * step;
    const std::int64_t here = in_piece(first, most - done, step);
    // n iterations of this piece take a n + b n (n - 1) / 2.
    const double a = at(first).latency.si();
    const double b = growth(first, step);
    const auto time = [&](std::int64_t n) {
      const auto x = static_cast<double>(n);
      return x * (a + b * (x - 1) / 2);
    };
    if (time(here) <= left) {
      left -= time(here);
      done += here;
      continue;
    }
    const double half = a - b / 2;
    const double root = b > 0 ? (std::sqrt(half * half + 2 * b * left) - half) / b : left / a;
    auto n = std::clamp<std::int64_t>(static_cast<std::int64_t>(root), 0, here - 1);
    while (n > 0 && time(n) > left)
      --n;
    while (n + 1 < here && time(n + 1) <= left)
      ++n;
    return done + n;
  }
  return done;
}

std::int64_t DecodeCurve::longer(double context, Seconds limit, std::int64_t count, double step) const {
  std::int64_t longer = 0;
  for (std::int64_t done = 0; done < count;) {
    const double first = context + static_cast<double>(done) * step;
    const std::int64_t here = in_piece(first, count - done, step);
    const double above = (at(first).latency - limit).si();
    const double b = growth(first, step);
    // Iteration k of this piece is longer where above + b k > 0.
    const double crossing = b == 0 ? 0 : std::clamp(-above / b, -1.0, static_cast<double>(here));
    if (b > 0)
      longer += here - 1 - std::min(here - 1, static_cast<std::int64_t>(std::floor(crossing)));
    else if (b < 0)
      longer += std::max<std::int64_t>(0, static_cast<std::int64_t>(std::ceil(crossing)));
    else if (above > 0)
      longer += here;
    done += here;
  }
  return longer;
}

} // namespace orrery
