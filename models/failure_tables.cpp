#include "models/failure_tables.hpp"

#include "hardware/provenance.hpp"
#include "hardware/words.hpp"
#include "sim/base/catalogue.hpp"

#include <fmt/format.h>

namespace orrery {

namespace {

constexpr Seconds century{100.0 * 365.25 * 86400.0};

QuantityOptions<Seconds> duration(std::string unit, std::string help) {
  return {.max = century, .unit_hint = std::move(unit), .help = std::move(help)};
}

std::vector<std::string> rule_names() {
  std::vector<std::string> names;
  for (const IntervalRule& rule : interval_rules())
    names.emplace_back(rule.name);
  return names;
}

/// A time, or the name of a rule.
Codec<CheckpointInterval> interval_codec() {
  Codec<CheckpointInterval> codec;
  codec.shape = Shape{.kind = ShapeKind::text};
  const Shape time{
      .kind = ShapeKind::quantity, .above = 0.0, .max = century.si(), .dimension = dimension_of<Seconds>(), .unit_hint = "min"};
  codec.read = [time](const yaml::Node& node, const Site& site, CheckpointInterval& interval) {
    if (node.is_scalar() && find_interval_rule(node.text) != nullptr) {
      interval = {node.text, std::nullopt};
      return;
    }
    const bool word = node.is_scalar() && !node.text.empty() && node.text.find_first_of("0123456789") == std::string::npos;
    if (word) {
      const std::vector<std::string> names = rule_names();
      site.error(node, shown(node.text), fmt::format("{}, or {}", fmt::join(names, ", "), allowed_text(time)),
                 did_you_mean(node.text, names));
    } else if (const auto seconds = read_quantity(node, time, site)) {
      interval.fixed = Seconds{*seconds};
    }
  };
  codec.write = [](const CheckpointInterval& interval) {
    return yaml::scalar(interval.fixed ? exact_quantity(*interval.fixed) : interval.rule);
  };
  return codec;
}

const Table<Observation>& observation_table() {
  using O = Observation;
  constexpr double most = 100'000'000;
  static const Table<O> table =
      Table<O>("observation", "A measured stretch of a fleet's life.")
          .quantity("time", &O::time, {.above = Seconds{}, .max = century, .unit_hint = "d", .required = true, .help = "how long it ran"})
          .count("devices", &O::devices, {.min = 1, .max = most, .required = true, .help = "devices in it"})
          .count("nodes", &O::nodes, {.min = 1, .max = most, .required = true, .help = "nodes in it"});
  return table;
}

void check_class(const FailureClass& failure, const Report& report) {
  if (failure.mtbf.has_value() == failure.count.has_value())
    report.error("", failure.mtbf ? "both mtbf and count" : "neither mtbf nor count", "one of the two");
}

void check_profile(const ReliabilityProfile& profile, const Report& report) {
  for (std::size_t i = 0; i < profile.classes.size(); ++i) {
    const FailureClass& failure = profile.classes[i];
    if (failure.count && !profile.observed)
      report.error(fmt::format("classes.{}.count", i), "a count without 'observed'", "counts beside the time and fleet they were seen in",
                   "add 'observed: { time: ..., devices: ..., nodes: ... }', or write 'mtbf'");
    for (std::size_t j = 0; j < i; ++j)
      if (profile.classes[j].name == failure.name)
        report.error(fmt::format("classes.{}.name", i), fmt::format("{} for a second time", shown(failure.name)), "a name of its own");
  }
}

void check_checkpoint(const CheckpointPolicy& policy, const Report& report) {
  if (policy.storage)
    return;
  if (!policy.write_time)
    report.error("", "no storage and no write_time", "one of the two", "add 'storage: 200 GB/s'");
  else if (!policy.read_time)
    report.error("", "no storage and no read_time", "one of the two", "add 'read_time'");
}

} // namespace

const Table<FailureClass>& failure_class_table() {
  using F = FailureClass;
  static const Choices<FailureScope> scopes = {{"device", FailureScope::device}, {"node", FailureScope::node}, {"job", FailureScope::job}};
  static const Table<F> table =
      Table<F>("failure class", "Failures of one kind.")
          .text("name", &F::name, {.required = true, .help = "name in reports; seeds the stream of these failures"})
          .choice("per", &F::scope, scopes, {.help = "what there is one of them per"})
          .number("components", &F::components, {.above = 0.0, .max = 1e6, .help = "how many per device, node or job; of an mtbf"})
          .quantity("mtbf", &F::mtbf,
                    {.min = Seconds{1}, .max = 1e6 * century, .unit_hint = "h", .help = "mean time between failures of one component"})
          .number("count", &F::count, {.max = 1e9, .help = "failures in the profile's observation, instead of an mtbf"})
          .quantity("detection", &F::detection, duration("min", "from the failure until the run stops, where it differs"))
          .check(check_class);
  return table;
}

const Table<ReliabilityProfile>& reliability_profile_table() {
  using P = ReliabilityProfile;
  static const Table<P> table = Table<P>("failures", "What fails, and how often.")
                                    .text("name", &P::name, {.help = "name in reports"})
                                    .object("observed", &P::observed, observation_table(), {.help = "where the counts were seen"})
                                    .list("classes", &P::classes, failure_class_table(), {.help = "kinds of failure; none = nothing fails"})
                                    .list("sources", &P::sources, provenance_table(), {.help = "where the figures come from"})
                                    .overlaid(override_sources)
                                    .check(check_profile);
  return table;
}

const Table<CheckpointPolicy>& checkpoint_table() {
  using C = CheckpointPolicy;
  static const Choices<CheckpointKind> kinds = {{"synchronous", CheckpointKind::synchronous},
                                                {"asynchronous", CheckpointKind::asynchronous}};
  static const Table<C> table =
      Table<C>("checkpoint", "When the state is written, and how fast.")
          .choice("policy", &C::kind, kinds, {.help = "whether training waits for storage, or only for the copy to host memory"})
          .value("interval", &C::interval, interval_codec(), {.help = "work between two checkpoints: a time, or a rule"})
          .quantity(
              "storage", &C::storage,
              {.above = BytesPerSecond{}, .max = BytesPerSecond{1e18}, .unit_hint = "GB/s", .help = "write and read rate of the whole job"})
          .quantity("write_time", &C::write_time, duration("s", "of one checkpoint, instead of its bytes over storage"))
          .quantity("read_time", &C::read_time, duration("s", "of one checkpoint, instead of its bytes over storage"))
          .check(check_checkpoint);
  return table;
}

const Table<ReliabilityOptions>& reliability_table() {
  using R = ReliabilityOptions;
  const auto required = [](QuantityOptions<Seconds> options) {
    options.required = true;
    return options;
  };
  static const Table<R> table =
      Table<R>("reliability", "Failures of a long run and what is done against them.")
          .reference("failures", &R::failures, reliability_profile_table(), reliability_catalogue(),
                     {.required = true, .help = "what fails"})
          .object("checkpoint", &R::checkpoint, checkpoint_table(), {.required = true, .help = "checkpoints"})
          .quantity("detection", &R::detection, required(duration("min", "from a failure until the job stops")))
          .quantity("restart", &R::restart, required(duration("min", "until the job runs again, the load of the checkpoint excluded")))
          .quantity("run_length", &R::run_length,
                    {.above = Seconds{}, .max = century, .unit_hint = "d", .help = "wall time over which goodput is reported"});
  return table;
}

const Catalogue& reliability_catalogue() {
  static const Catalogue catalogue = folder_catalogue("reliability profile", "models/catalogue/reliability");
  return catalogue;
}

} // namespace orrery
