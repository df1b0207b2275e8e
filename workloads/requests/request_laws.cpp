#include "workloads/requests/request_laws.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace orrery {

namespace {

template <class... Fs> struct Overload : Fs... {
  using Fs::operator()...;
};

} // namespace

const std::vector<std::string>& arrival_law_names() {
  static const std::vector<std::string> names{"poisson", "gamma", "bursts", "diurnal", "closed_loop", "at_once"};
  return names;
}

const std::vector<std::string>& length_law_names() {
  static const std::vector<std::string> names{"fixed", "uniform", "lognormal", "zipf", "histogram"};
  return names;
}

bool is_open(const ArrivalLaw& law) { return !std::holds_alternative<ClosedLoop>(law) && !std::holds_alternative<AtOnce>(law); }

ArrivalLaw faster(ArrivalLaw law, double factor) {
  std::visit(Overload{[&](PoissonArrivals& l) { l.rate *= factor; }, [&](GammaArrivals& l) { l.rate *= factor; },
                      [&](BurstArrivals& l) {
                        l.rate *= factor;
                        l.quiet *= factor;
                        l.on /= factor;
                        l.off /= factor;
                      },
                      [&](DiurnalArrivals& l) {
                        l.rate *= factor;
                        l.period /= factor;
                        l.peak /= factor;
                      },
                      [](ClosedLoop&) {}, [](AtOnce&) {}},
             law);
  return law;
}

ArrivalClock::ArrivalClock(const ArrivalLaw& law, std::uint64_t seed) : law_(law), random_(seed, "arrivals") {}

Seconds ArrivalClock::next() {
  now_ = std::visit([this](const auto& law) { return draw(law); }, law_);
  return now_;
}

Seconds ArrivalClock::draw(const PoissonArrivals& law) { return now_ + Seconds{random_.exponential(1 / law.rate.si())}; }

Seconds ArrivalClock::draw(const GammaArrivals& law) {
  const double mean = 1 / law.rate.si();
  return now_ + Seconds{law.cv == 0 ? mean : random_.gamma(1 / (law.cv * law.cv), mean)};
}

Seconds ArrivalClock::draw(const BurstArrivals& law) {
  // No memory: what is left of a wait when the rate changes is drawn anew.
  Seconds time = now_;
  for (;;) {
    if (time >= phase_end_) {
      burst_ = !burst_;
      const Seconds mean = burst_ ? law.on : law.off;
      phase_end_ = time + (law.random ? Seconds{random_.exponential(mean.si())} : mean);
    }
    const Hertz rate = burst_ ? law.rate : law.quiet;
    const Seconds at = rate.si() > 0 ? time + Seconds{random_.exponential(1 / rate.si())} : phase_end_;
    if (at < phase_end_)
      return at;
    time = phase_end_;
  }
}

Seconds ArrivalClock::draw(const DiurnalArrivals& law) {
  // Thinning (Lewis and Shedler 1979): arrivals at the highest rate, each kept with the share that the rate then has of it.
  const double highest = law.rate.si() * (1 + law.swing);
  Seconds time = now_;
  for (;;) {
    time += Seconds{random_.exponential(1 / highest)};
    const double rate = law.rate.si() * (1 + law.swing * std::cos(2 * std::numbers::pi * ((time - law.peak) / law.period)));
    if (random_.uniform() * highest < rate)
      return time;
  }
}

Seconds ArrivalClock::draw(const ClosedLoop& /*law*/) { return {}; }
Seconds ArrivalClock::draw(const AtOnce& /*law*/) { return {}; }

LengthSource::LengthSource(const LengthLaw& law, std::uint64_t seed, std::string_view name) : law_(law), random_(seed, name) {
  double sum = 0;
  if (const auto* zipf = std::get_if<ZipfLength>(&law_)) {
    for (std::uint32_t tokens = zipf->min; tokens <= zipf->max; ++tokens)
      cumulative_.push_back(sum += std::pow(tokens, -zipf->exponent));
  } else if (const auto* histogram = std::get_if<HistogramLength>(&law_)) {
    for (const double share : histogram->shares)
      cumulative_.push_back(sum += share);
  }
}

std::size_t LengthSource::draw_bin() {
  const double at = random_.uniform() * cumulative_.back();
  const auto bin = static_cast<std::size_t>(std::ranges::upper_bound(cumulative_, at) - cumulative_.begin());
  return std::min(bin, cumulative_.size() - 1); // the product may round up to the sum
}

std::uint32_t LengthSource::next() {
  const auto between = [this](std::uint32_t min, std::uint32_t max) {
    return min + static_cast<std::uint32_t>(random_.below(std::uint64_t{max} - min + 1));
  };
  return std::visit(
      Overload{[](const FixedLength& law) { return law.tokens; }, [&](const UniformLength& law) { return between(law.min, law.max); },
               [&](const LognormalLength& law) {
                 const double tokens = std::round(random_.lognormal(std::log(law.median), law.sigma));
                 return static_cast<std::uint32_t>(std::clamp(tokens, static_cast<double>(law.min), static_cast<double>(law.max)));
               },
               [&](const ZipfLength& law) { return law.min + static_cast<std::uint32_t>(draw_bin()); },
               [&](const HistogramLength& law) {
                 const std::size_t bin = draw_bin();
                 return between(law.edges[bin], law.edges[bin + 1] - 1);
               }},
      law_);
}

} // namespace orrery
