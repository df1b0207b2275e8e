#include "workloads/requests/request_tables.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace orrery {

namespace {

constexpr double longest = 10'000'000; // tokens of a prompt or an answer
constexpr Seconds longest_time{1e9};

QuantityOptions<Hertz> rate_options(std::string help, bool required = true) {
  return {.max = Hertz{1e9}, .unit_hint = "/s", .required = required, .help = std::move(help)};
}

QuantityOptions<Hertz> positive_rate(std::string help) {
  QuantityOptions<Hertz> options = rate_options(std::move(help));
  options.above = Hertz{};
  return options;
}

QuantityOptions<Seconds> time_options(std::string help) { return {.max = longest_time, .unit_hint = "s", .help = std::move(help)}; }

QuantityOptions<Seconds> positive_time(std::string help, bool required) {
  return {.above = Seconds{}, .max = longest_time, .unit_hint = "s", .required = required, .help = std::move(help)};
}

const Table<PoissonArrivals>& poisson_table() {
  using A = PoissonArrivals;
  static const Table<A> table =
      Table<A>("poisson", "Arrivals without memory.").quantity("rate", &A::rate, positive_rate("mean number of arrivals per time: 16 /s"));
  return table;
}

const Table<GammaArrivals>& gamma_table() {
  using A = GammaArrivals;
  static const Table<A> table =
      Table<A>("gamma", "Times between arrivals follow a gamma distribution.")
          .quantity("rate", &A::rate, positive_rate("mean number of arrivals per time"))
          .number("cv", &A::cv,
                  {.max = 100, .help = "standard deviation over mean of the times between arrivals; 1 = Poisson, 0 = evenly spaced"});
  return table;
}

const Table<BurstArrivals>& burst_table() {
  using A = BurstArrivals;
  static const Table<A> table =
      Table<A>("bursts", "Poisson arrivals whose rate is switched.")
          .quantity("rate", &A::rate, positive_rate("during a burst"))
          .quantity("quiet", &A::quiet, rate_options("between bursts", false))
          .quantity("on", &A::on, positive_time("mean length of a burst", true))
          .quantity("off", &A::off, positive_time("mean time between bursts", true))
          .flag("random", &A::random, {.help = "lengths and times between bursts are exponential; else all alike"});
  return table;
}

const Table<DiurnalArrivals>& diurnal_table() {
  using A = DiurnalArrivals;
  static const Table<A> table = Table<A>("diurnal", "Poisson arrivals with a daily course.")
                                    .quantity("rate", &A::rate, positive_rate("mean over a period"))
                                    .number("swing", &A::swing, {.max = 1, .help = "highest rate over the mean, less 1"})
                                    .quantity("period", &A::period, positive_time("from peak to peak", false))
                                    .quantity("peak", &A::peak, time_options("time of the first peak"));
  return table;
}

const Table<ClosedLoop>& closed_loop_table() {
  using A = ClosedLoop;
  static const Table<A> table = Table<A>("closed_loop", "A new request arrives when one ends.")
                                    .count("concurrency", &A::concurrency,
                                           {.min = 1, .max = 10'000'000, .required = true, .help = "requests, or sessions, in the system"})
                                    .quantity("pause", &A::pause, time_options("from the end of one to the arrival of the next"));
  return table;
}

const Table<AtOnce>& at_once_table() {
  static const Table<AtOnce> table("at_once", "All requests at the start: an offline batch.");
  return table;
}

const Table<FixedLength>& fixed_table() {
  using L = FixedLength;
  static const Table<L> table =
      Table<L>("fixed", "All alike.").count("tokens", &L::tokens, {.min = 1, .max = longest, .required = true, .help = "of each"});
  return table;
}

const Table<UniformLength>& uniform_table() {
  using L = UniformLength;
  static const Table<L> table = Table<L>("uniform", "Every length of a range is as likely.")
                                    .count("min", &L::min, {.min = 1, .max = longest, .required = true, .help = "shortest"})
                                    .count("max", &L::max, {.min = 1, .max = longest, .required = true, .help = "longest"})
                                    .check([](const L& law, const Report& report) {
                                      if (law.max < law.min)
                                        report.error("max", std::to_string(law.max), fmt::format("at least min = {}", law.min));
                                    });
  return table;
}

const Table<LognormalLength>& lognormal_table() {
  using L = LognormalLength;
  static const Table<L> table =
      Table<L>("lognormal", "The logarithm is normally distributed.")
          .number("median", &L::median, {.above = 0, .max = longest, .required = true, .help = "tokens"})
          .number("sigma", &L::sigma, {.max = 10, .required = true, .help = "standard deviation of the logarithm"})
          .count("min", &L::min, {.min = 1, .max = longest, .help = "shorter ones become this long"})
          .count("max", &L::max, {.min = 1, .max = longest, .required = true, .help = "longer ones become this long"})
          .check([](const L& law, const Report& report) {
            if (law.max < law.min)
              report.error("max", std::to_string(law.max), fmt::format("at least min = {}", law.min));
          });
  return table;
}

const Table<ZipfLength>& zipf_table() {
  using L = ZipfLength;
  static const Table<L> table =
      Table<L>("zipf", "The length n is as likely as n^-exponent.")
          .number("exponent", &L::exponent, {.max = 20, .required = true, .help = "0 = all as likely"})
          .count("min", &L::min, {.min = 1, .max = longest, .help = "shortest"})
          .count("max", &L::max, {.min = 1, .max = longest, .required = true, .help = "longest"})
          .check([](const L& law, const Report& report) {
            if (law.max < law.min || law.max - law.min >= most_zipf_lengths)
              report.error("max", std::to_string(law.max), fmt::format("min = {} to {}", law.min, law.min + most_zipf_lengths - 1));
          });
  return table;
}

const Table<HistogramLength>& histogram_table() {
  using L = HistogramLength;
  static const Table<L> table =
      Table<L>("histogram", "As measured; even inside a bin.")
          .counts("edges", &L::edges, {.min = 1, .max = longest, .required = true, .help = "bin i holds edges[i] to edges[i + 1] - 1"})
          .numbers("shares", &L::shares, {.max = 1e12, .required = true, .help = "of the bins, of any sum"})
          .check([](const L& law, const Report& report) {
            double sum = 0;
            for (const double share : law.shares)
              sum += share;
            if (law.shares.empty() || law.edges.size() != law.shares.size() + 1)
              report.error("edges", fmt::format("{} edges of {} bins", law.edges.size(), law.shares.size()), "one more than shares");
            else if (std::ranges::adjacent_find(law.edges, std::greater_equal<>()) != law.edges.end())
              report.error("edges", "not ascending", "each larger than the one before");
            else if (sum <= 0)
              report.error("shares", "all 0", "at least one above 0");
          });
  return table;
}

const Table<SessionLaw>& session_table() {
  using S = SessionLaw;
  static const Table<S> table =
      Table<S>("sessions", "Who comes back: a prompt holds all that was said before.")
          .number("turns", &S::turns, {.min = 1, .max = 10'000, .help = "mean of a geometric distribution"})
          .count("most", &S::most, {.min = 1, .max = 1'000'000, .help = "turns of a session"})
          .quantity("think", &S::think, time_options("mean time from an answer to the next turn, exponential"))
          .count("max_context", &S::max_context,
                 {.min = 1, .max = longest, .help = "a session ends before a turn whose prompt and answer would exceed it"});
  return table;
}

const Table<SharedPrefix>& prefix_table() {
  using P = SharedPrefix;
  static const Table<P> table = Table<P>("prefix", "Tokens before the prompts of a group of sessions: a system prompt, a document.")
                                    .count("tokens", &P::tokens, {.max = 1'000'000, .required = true, .help = "of each prefix"})
                                    .count("groups", &P::groups, {.min = 1, .max = most_zipf_lengths, .help = "different prefixes"})
                                    .number("exponent", &P::exponent, {.max = 20, .help = "the i-th group is as popular as i^-exponent"});
  return table;
}

const Table<Continuations>& continuations_table() {
  using C = Continuations;
  static const Table<C> table =
      Table<C>("continuations", "Several answers to one prompt: repeated sampling, or a tree search.")
          .count("width", &C::width, {.min = 1, .max = 1'000'000, .help = "answers per level"})
          .count("levels", &C::levels, {.min = 1, .max = 1000, .help = "each continues answers of the one before as soon as they end"})
          .count("keep", &C::keep, {.min = 1, .max = 1'000'000, .help = "answers of a level that are continued"})
          .check([](const C& law, const Report& report) {
            if (law.keep > law.width)
              report.error("keep", std::to_string(law.keep), fmt::format("at most width = {}", law.width));
          });
  return table;
}

const Table<TrafficStage>& traffic_stage_table() {
  using S = TrafficStage;
  static const Table<S> table =
      Table<S>("stage", "One step of a task: a model's answer, with 'steps' an image, with 'time' a tool, with 'size' a message.")
          .text("name", &S::name, {.required = true, .help = "in reports, where each stage is a class"})
          .text("service", &S::service, {.help = "that does it; by default the job's model, and tools without a limit"})
          .texts("after", &S::after, {.help = "stages above that end first; their answers are part of the prompt"})
          .value("input", &S::input, length_codec(), {.help = "prompt tokens beside those answers"})
          .value("output", &S::output, length_codec(), {.help = "generated tokens"})
          .quantity("time", &S::time, positive_time("of a tool: median", false))
          .number("sigma", &S::sigma, {.max = 10, .help = "of a tool: standard deviation of the logarithm of its time"})
          .quantity("size", &S::size, {.above = Bytes{}, .unit_hint = "MB", .help = "of a message that its service carries"})
          .count("steps", &S::steps,
                 {.min = 1, .max = 100'000, .help = "of an image: passes of its service's network, 1 where it is looked at"})
          .text("continues", &S::continues, {.help = "a stage above, whose prompt and answer its own prompt begins with"})
          .text("back_to", &S::back_to, {.help = "a stage above: when this one ends, the task begins another round there"})
          .value("rounds", &S::rounds, length_codec(),
                 {.help = "of a task; a model's prompt is then what it saw and said in the round before, and new input"})
          .check([](const S& stage, const Report& report) {
            if ((stage.time ? 1 : 0) + (stage.size ? 1 : 0) + (stage.steps ? 1 : 0) > 1)
              report.error("", "several of 'time', 'size' and 'steps'", "one of them, or lengths");
          });
  return table;
}

void check_stages(const Traffic& traffic, const Report& report) {
  if (traffic.stages.empty())
    return;
  if (!traffic.classes.empty() || traffic.sessions.turns > 1 || traffic.prefix.tokens > 0 || traffic.continuations.width > 1 ||
      traffic.continuations.levels > 1)
    report.error("stages", "beside classes, sessions, a prefix or continuations", "stages alone");
  std::vector<std::string> above;
  std::vector<std::string> open; // no stage comes after them
  std::ptrdiff_t looped = 0;     // first stage behind the loops so far
  for (std::size_t i = 0; i < traffic.stages.size(); ++i) {
    const TrafficStage& stage = traffic.stages[i];
    const std::string key = fmt::format("stages.{}", i);
    if (std::ranges::find(above, stage.name) != above.end())
      report.error(key + ".name", shown(stage.name) + " again", "a name for each stage");
    if (stage.after.empty() != (i == 0))
      report.error(key + ".after", i == 0 ? "of the first stage" : "nothing", i == 0 ? "nothing" : "a stage above");
    if (!stage.continues.empty() && (stage.tool() || stage.steps || std::ranges::find(above, stage.continues) == above.end()))
      report.error(key + ".continues",
                   stage.tool() || stage.steps ? "of no language model" : "no stage " + shown(stage.continues) + " above", {},
                   did_you_mean(stage.continues, above));
    const bool back = !stage.back_to.empty();
    const auto begin = std::ranges::find(traffic.stages, stage.back_to, &TrafficStage::name) - traffic.stages.begin();
    if (back && begin >= static_cast<std::ptrdiff_t>(i))
      report.error(key + ".back_to", "no stage " + shown(stage.back_to) + " above", {}, did_you_mean(stage.back_to, above));
    else if (back && begin < looped)
      report.error(key + ".back_to", shown(stage.back_to) + ", which another loop has rounds of", "a stage behind that loop");
    looped = back ? static_cast<std::ptrdiff_t>(i) + 1 : looped;
    for (const std::string& name : stage.after) {
      if (std::ranges::find(above, name) == above.end())
        report.error(key + ".after", "no stage " + shown(name) + " above", {}, did_you_mean(name, above));
      std::erase(open, name);
    }
    above.push_back(stage.name);
    open.push_back(stage.name);
  }
  if (traffic.stages.size() > 1000)
    report.error("stages", fmt::format("{} stages", traffic.stages.size()), "at most 1000");
  if (std::holds_alternative<ClosedLoop>(traffic.arrivals) && open.size() > 1)
    report.error("stages", fmt::format("{} stages that end a task of a closed loop", open.size()), "one");
}

/// Whether lengths that fit are drawn often enough: each that does not is drawn again.
bool fits(const LengthLaw& input, const LengthLaw& output, std::int64_t most) {
  constexpr int draws = 4096;
  LengthSource inputs(input, 0, "input lengths");
  LengthSource outputs(output, 0, "output lengths");
  for (int i = 0; i < draws; ++i)
    if (std::int64_t{inputs.next()} + outputs.next() <= most)
      return true;
  return false;
}

void check_context(const Traffic& traffic, const Report& report) {
  if (!traffic.max_context)
    return;
  if (!traffic.stages.empty() || traffic.continuations.width > 1 || traffic.continuations.levels > 1)
    return report.error("max_context", "beside stages or continuations", "lengths of their own");
  const std::int64_t most = std::int64_t{*traffic.max_context} - traffic.prefix.tokens;
  const std::vector<TrafficClass> one(1);
  for (const TrafficClass& row : traffic.classes.empty() ? one : traffic.classes)
    if (!fits(row.input.value_or(traffic.input), row.output.value_or(traffic.output), most))
      return report.error("max_context", fmt::format("{} tokens, which next to no request keeps to", *traffic.max_context),
                          "more, or shorter requests");
}

void check_traffic(const Traffic& traffic, const Report& report) {
  check_context(traffic, report);
  check_stages(traffic, report);
  check_classes(traffic.classes, "classes", report);
  if (!is_open(traffic.arrivals) && traffic.duration)
    report.error("duration", "beside arrivals that have no times", "'requests' instead");
  const bool tree = traffic.continuations.width > 1 || traffic.continuations.levels > 1;
  if (tree && traffic.sessions.turns > 1)
    report.error("continuations", "beside sessions of several turns", "one of the two");
  const double groups = static_cast<double>(traffic.prefix.tokens) / traffic.block_tokens * traffic.prefix.groups;
  if (groups > 1e9)
    report.error("prefix.groups", fmt::format("{:g} blocks of shared prefixes", groups), "at most 1e9");
}

} // namespace

Codec<ArrivalLaw> arrival_codec() {
  return detail::one_of_codec(arrival_law_names(), poisson_table(), gamma_table(), burst_table(), diurnal_table(), closed_loop_table(),
                              at_once_table());
}

Codec<LengthLaw> length_codec() {
  return detail::one_of_codec(length_law_names(), fixed_table(), uniform_table(), lognormal_table(), zipf_table(), histogram_table());
}

void check_classes(const std::vector<TrafficClass>& classes, const std::string& key, const Report& report) {
  double sum = 0;
  for (std::size_t i = 0; i < classes.size(); ++i) {
    sum += classes[i].share;
    for (std::size_t k = 0; k < i; ++k)
      if (classes[k].name == classes[i].name)
        report.error(fmt::format("{}.{}.name", key, i), shown(classes[i].name) + " again", "a name for each class");
  }
  if (!classes.empty() && sum <= 0)
    report.error(key, "no class has a share", "at least one above 0");
  if (classes.size() > 1000)
    report.error(key, fmt::format("{} classes", classes.size()), "at most 1000");
}

const Table<TrafficClass>& traffic_class_table() {
  using C = TrafficClass;
  static const Table<C> table =
      with_gap_bound(
          Table<C>("class", "A class of service.")
              .text("name", &C::name, {.required = true, .help = "in reports"})
              .number("share", &C::share, {.max = 1e9, .help = "of the sessions, beside the other classes'"})
              .count("priority", &C::priority, {.min = -1000, .max = 1000, .help = "higher goes first"})
              .quantity("ttft", &C::ttft, positive_time("bound of the time to first token", false))
              .quantity("tpot", &C::tpot, positive_time("bound of a request's mean time per output token after the first", false))
              .quantity("end_to_end", &C::end_to_end, positive_time("bound of the time from arrival to the last token", false)),
          positive_time("bound of the gaps between a request's tokens", false))
          .value("input", &C::input, length_codec(), {.help = "prompt tokens, instead of the traffic's"})
          .value("output", &C::output, length_codec(), {.help = "generated tokens, instead of the traffic's"});
  return table;
}

const Table<Traffic>& traffic_table() {
  using T = Traffic;
  static const Table<T> table =
      Table<T>("traffic", "Requests drawn from laws.")
          .count("requests", &T::requests,
                 {.min = 1,
                  .max = most_requests,
                  .help = fmt::format("all turns and samples counted; {} where there is no duration either", standard_requests)})
          .quantity("duration", &T::duration, positive_time("no session begins after it", false))
          .value("arrivals", &T::arrivals, arrival_codec(), {.required = true, .help = "when sessions begin"})
          .value("input", &T::input, length_codec(), {.help = "prompt tokens; of later turns those that are new"})
          .value("output", &T::output, length_codec(), {.help = "generated tokens"})
          .count("max_context", &T::max_context,
                 {.min = 2, .max = longest, .help = "what a session begins with is drawn again where prompt and answer exceed it"})
          .object("sessions", &T::sessions, session_table(), {.help = "of several turns"})
          .object("prefix", &T::prefix, prefix_table(), {.help = "what prompts begin with"})
          .object("continuations", &T::continuations, continuations_table(), {.help = "several answers to each prompt"})
          .count("block_tokens", &T::block_tokens, {.min = 1, .max = 1'000'000, .help = "shared prefixes are known to so many tokens"})
          .list("classes", &T::classes, traffic_class_table(), {.help = "of service; none = one without bounds"})
          .list("stages", &T::stages, traffic_stage_table(),
                {.help = "what arrives are tasks of these stages: agents, pipelines of models"})
          .check(check_traffic);
  return table;
}

} // namespace orrery
